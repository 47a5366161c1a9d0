package store

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/redis/rueidis"
)

// hear subscribes to channels on a connection of its own, and calls f with all that is told
// there: one after the other, and what f takes too long for waits in the server, which ends
// the connection of who is far behind. It calls ready when the server has agreed, and returns
// when ctx has ended, with nil, or the connection.
func (s *Store) hear(ctx context.Context, subscribe func(b rueidis.Builder) rueidis.Completed, ready func(), f func(channel, message string)) error {
	if ctx.Err() != nil {
		return nil
	}
	c, err := s.client(ctx, true)
	if err != nil {
		return err
	}
	conn, release := c.Dedicate()
	defer release()
	defer conn.Close()
	lost := conn.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(m rueidis.PubSubMessage) { f(m.Channel, m.Message) }})
	call, cancel := context.WithTimeout(ctx, earLimit)
	err = conn.Do(call, subscribe(conn.B())).Error()
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return explain("subscribe", err)
	}
	ready()
	select {
	case <-ctx.Done():
		return nil
	case err := <-lost:
		return explain("subscribe", err)
	}
}

// HearRecords hears of all changes of recorded jobs of tasuki's own queues, until ctx ends or
// the connection is lost: see hear. It subscribes to all queues, also if one is meant: a user
// may subscribe to no other pattern than the one that its rights name.
func (s *Store) HearRecords(ctx context.Context, ready func(), f func(queue, id, change string)) error {
	return s.hear(ctx, func(b rueidis.Builder) rueidis.Completed { return b.Psubscribe().Pattern(s.recordsPattern()).Build() }, ready,
		func(channel, message string) {
			rest, ok := strings.CutPrefix(channel, s.ns+":{")
			queue, id, found := strings.Cut(rest, "}:rec:")
			if ok && found {
				f(queue, id, message)
			}
		})
}

// What is asked of a worker goes to the channel that it is subscribed to while it lives, and
// its answer to one that the asker has made up.

const askPrefix = "ask "

// What can be asked.
const (
	AskLook  = "look"
	AskQuiet = "quiet" // claim nothing more
	AskStop  = "stop"  // stop, as when the context of Run has ended
	AskDump  = "dump"  // the stacks of all goroutines
)

// Answer is what a worker says when it is asked, as JSON.
type Answer struct {
	Worker string `json:"worker"`
	About
	Beat   int64       `json:"beat"` // how long ago, ms
	Busy   int         `json:"busy"` // slots
	Runs   []AnswerRun `json:"runs,omitempty"`
	Stacks string      `json:"stacks,omitempty"`
}

// AnswerRun is a job in a slot.
type AnswerRun struct {
	Queue string `json:"queue"`
	ID    string `json:"id"`
	Kind  string `json:"kind,omitempty"`
	Since int64  `json:"since"` // ms since 1970
}

// HearAnswers hears the answers to what is asked under an id: see hear.
func (s *Store) HearAnswers(ctx context.Context, id string, ready func(), f func(*Answer)) error {
	return s.hear(ctx, func(b rueidis.Builder) rueidis.Completed { return b.Subscribe().Channel(s.answerChannel(id)).Build() }, ready,
		func(_, message string) {
			a := &Answer{}
			if json.Unmarshal([]byte(message), a) == nil { // else it is somebody else's
				f(a)
			}
		})
}

// Ask asks workers, under an id, for what one word says. Those that are gone, or not
// subscribed, do not hear it.
func (s *Store) Ask(ctx context.Context, id, what string, workers []string) error {
	c, err := s.client(ctx, false)
	if err != nil {
		return err
	}
	message := askPrefix + what + " " + id
	replies, err := s.doMulti(ctx, "ask", func(b rueidis.Builder) []rueidis.Completed {
		commands := make([]rueidis.Completed, len(workers))
		for i, worker := range workers {
			if c.Mode() == rueidis.ClientModeCluster { // there the subscription is a sharded one
				commands[i] = b.Spublish().Channel(s.alivePrefix() + worker).Message(message).Build()
			} else {
				commands[i] = b.Publish().Channel(s.alivePrefix() + worker).Message(message).Build()
			}
		}
		return commands
	})
	if err != nil {
		return err
	}
	for _, reply := range replies {
		if err := reply.Error(); err != nil {
			return explain("ask", err)
		}
	}
	return nil
}

// Asked takes apart what a worker has heard.
func Asked(message string) (what, id string, ok bool) {
	if message, ok = strings.CutPrefix(message, askPrefix); !ok {
		return "", "", false
	}
	return strings.Cut(message, " ")
}

// Answer tells who has asked under an id.
func (s *Store) Answer(ctx context.Context, id string, a *Answer) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = s.do(ctx, "answer", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Publish().Channel(s.answerChannel(id)).Message(string(text)).Build())
	})
	return err
}
