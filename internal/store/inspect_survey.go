package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// Survey is what the keys of a queue hold at about one moment.
type Survey struct {
	Ready     int64 // own ready jobs, and those of a foreign list
	Own       int64 // of these, its own
	Suspect   int64
	Scheduled int64
	Retry     int64
	Dead      int64
	Seen      int64
	Ended     int64 // ids of ended jobs whose records were kept
	Rules     map[string]string
	Counts    map[string]int64
	Members   []Member
	Held      map[string]int64 // by incarnation: what it holds, and what was just handed to it
	Ends      []string         // the ready elements that are at the ends, of which one is the oldest
	Err       error            // why nothing of it is known, if the others of a call are
}

// Survey looks at a queue in two round trips.
func (s *Store) Survey(ctx context.Context, q *Queue) (*Survey, error) {
	surveys, err := s.Surveys(ctx, q)
	if err == nil {
		err = surveys[0].Err
	}
	if err != nil {
		return nil, err
	}
	return surveys[0], nil
}

// surveyTogether is of how many keys one call asks: it takes Redis less than a millisecond.
const surveyTogether = 600

// Surveys looks at queues in two rounds of calls, each for many of them; in Cluster, where each
// queue has a slot of its own, for one. A queue that cannot be looked at has an Err.
func (s *Store) Surveys(ctx context.Context, queues ...*Queue) ([]*Survey, error) {
	surveys := make([]*Survey, len(queues))
	var all []int
	for i := range queues {
		surveys[i] = &Survey{}
		all = append(all, i)
	}
	if err := s.survey(ctx, scriptSurvey, queues, surveys, all); err != nil {
		return nil, err
	}
	// What incarnations hold lies in keys that only the first answer tells. It is asked together
	// with the rest once more, so that it is one moment.
	served := slices.DeleteFunc(all, func(i int) bool { return surveys[i].Err != nil || len(surveys[i].Members) == 0 })
	if err := s.survey(ctx, scriptSurvey, queues, surveys, served); err != nil {
		return nil, err
	}
	return surveys, nil
}

// survey looks at some of the queues, with the incarnations that are known of them.
func (s *Store) survey(ctx context.Context, sc *script, queues []*Queue, surveys []*Survey, which []int) error {
	if len(which) == 0 {
		return nil
	}
	c, err := s.client(ctx, false)
	if err != nil {
		return err
	}
	together := surveyTogether
	if c.Mode() == rueidis.ClientModeCluster {
		together = 1
	}
	type call struct {
		which      []int
		keys, args []string
	}
	calls := []*call{}
	for _, i := range which {
		keys := queues[i].surveyKeys()
		for _, m := range surveys[i].Members {
			keys = append(keys, queues[i].Hand(m.Incarnation), queues[i].Held(m.Incarnation))
		}
		last := len(calls) - 1
		if last < 0 || len(calls[last].keys)+len(keys) > together {
			calls = append(calls, &call{})
			last++
		}
		to := calls[last]
		to.which, to.keys, to.args = append(to.which, i), append(to.keys, keys...), append(to.args, strconv.Itoa(len(surveys[i].Members)))
	}
	replies, err := s.look(ctx, sc, len(calls), func(n int) (keys, args []string) { return calls[n].keys, calls[n].args })
	if err != nil {
		return err
	}
	for n, call := range calls {
		if err := explain("look at queues", replies[n].Error()); err != nil {
			if len(call.which) == 1 {
				surveys[call.which[0]].Err = err
				if !IsRedis(err) {
					return err
				}
				continue
			}
			// The user may not see the keys of one of them.
			for _, i := range call.which {
				if err := s.survey(ctx, sc, queues, surveys, []int{i}); err != nil {
					return err
				}
			}
			continue
		}
		answers, err := exactly(len(call.which), replies[n].ToArray)
		if err != nil {
			s.distrust(c)
			return odd("inspect_survey", err)
		}
		for k, i := range call.which {
			surveys[i], err = readSurvey(queues[i], surveys[i].Members, answers[k])
			if err != nil {
				s.distrust(c)
				return odd("inspect_survey", err)
			}
		}
	}
	return nil
}

// look runs a script that changes nothing several times in one round trip, and again while the
// reply is lost, as a connection that was cut shows that only to its next user. The error is that
// of the connection.
func (s *Store) look(ctx context.Context, sc *script, n int, call func(n int) (keys, args []string)) ([]rueidis.RedisResult, error) {
	for whole := false; ; whole = true {
		var replies []rueidis.RedisResult
		err := Repeat(ctx, func(ctx context.Context) (err error) {
			replies, err = s.doMulti(ctx, sc.name, func(b rueidis.Builder) []rueidis.Completed {
				commands := make([]rueidis.Completed, n)
				for i := range commands {
					keys, args := call(i)
					commands[i] = sc.command(b, whole, keys, args)
				}
				return commands
			})
			return err
		})
		if err != nil || whole || !slices.ContainsFunc(replies, func(r rueidis.RedisResult) bool {
			err, ok := rueidis.IsRedisErr(r.Error())
			return ok && strings.Contains(err.Error(), "NOSCRIPT")
		}) {
			return replies, err
		}
	}
}

// surveyKeys are those of the queue as inspect_survey.lua takes them.
func (q *Queue) surveyKeys() []string {
	return []string{q.Ready, q.Suspect, q.Scheduled, q.Retry, q.Dead, q.Seen, q.Ended, q.Rules, q.Count, q.Workers, q.List}
}

// readSurvey reads the answer for one queue.
func readSurvey(q *Queue, known []Member, answer rueidis.RedisMessage) (*Survey, error) {
	fields, err := answer.ToArray()
	if err == nil && len(fields) == 1 {
		text, err := fields[0].ToString()
		if err != nil {
			return nil, err
		}
		return &Survey{Err: explainText("look at "+q.Name, text, nil)}, nil
	}
	if err == nil && len(fields) != 5 {
		err = fmt.Errorf("an answer of %d values, not of 5", len(fields))
	}
	if err != nil {
		return nil, err
	}
	v := &Survey{Held: map[string]int64{}, Counts: map[string]int64{}}
	lengths, err := exactly(8+2*len(known), fields[0].AsIntSlice)
	if err != nil {
		return nil, err
	}
	for i, n := range []*int64{&v.Own, &v.Suspect, &v.Scheduled, &v.Retry, &v.Dead, &v.Seen, &v.Ended} {
		*n = lengths[i]
	}
	v.Ready = v.Own
	if q.Foreign {
		v.Ready += lengths[7]
	}
	var pairs [3]map[string]string
	for i := range pairs {
		words, err := fields[1+i].AsStrSlice()
		if err == nil && len(words)%2 != 0 {
			err = errors.New("a name without a value")
		}
		if err != nil {
			return nil, err
		}
		pairs[i] = map[string]string{}
		for k := 0; k < len(words); k += 2 {
			pairs[i][words[k]] = words[k+1]
		}
	}
	v.Rules = pairs[0]
	for name, text := range pairs[1] {
		v.Counts[name], _ = strconv.ParseInt(text, 10, 64)
	}
	for _, name := range slices.Sorted(maps.Keys(pairs[2])) {
		m := Member{Incarnation: name}
		score, err := strconv.ParseFloat(pairs[2][name], 64)
		if err != nil {
			return nil, err
		}
		if score != 0 {
			m.Ended = time.UnixMilli(int64(score))
		}
		v.Members = append(v.Members, m)
	}
	for i, m := range known {
		v.Held[m.Incarnation] = lengths[8+2*i] + lengths[9+2*i]
	}
	ends, err := exactly(3, fields[4].AsStrSlice)
	for _, element := range ends {
		if element != "" {
			v.Ends = append(v.Ends, element)
		}
	}
	return v, err
}
