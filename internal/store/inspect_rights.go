package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// Role is what a program does with Redis.
type Role uint8

// The roles. deploy/acl has a user for each.
const (
	Producer Role = 1 << iota
	Worker
	Operator // tasuki's own command, and who else looks at queues and acts on them
)

// right is a command that some roles send.
type right struct {
	roles Role
	words string // the command, with the names of keys in braces
	// without says what follows for a worker, or an operator, to whom it is
	// refused. Empty: the role cannot do without.
	without string
}

// rights are all commands that are sent, by scripts too. A test compares them with
// the scripts, and with the files of deploy/acl.
var rights = []right{
	{Producer | Worker | Operator, "PING", ""},
	{Producer | Worker | Operator, "EVALSHA 0 1 {ready}", ""},
	{Producer | Worker | Operator, "EVAL x 1 {ready}", "scripts cannot be loaded again when the server has forgotten them: after a restart everything fails"},
	{Producer | Worker | Operator, "CLUSTER SLOTS", "a Cluster is not recognised as one, and nothing works there; with a single server nothing is missing"},
	{Producer | Worker | Operator, "TIME", ""},
	{Producer | Worker | Operator, "TYPE {ready}", ""},
	{Producer | Worker | Operator, "RPUSH {ready} x", ""},
	{Producer | Worker | Operator, "HINCRBY {count} x 1", ""},
	{Producer | Worker | Operator, "LLEN {ready}", ""},
	{Worker, "LPUSH {ready} x", ""},
	{Producer, "LPUSH {ready} x", "a list of another program that is taken at its tail cannot be fed"},
	{Producer | Worker | Operator, "SADD {queues} x", ""},
	{Producer | Worker | Operator, "SREM {queues} x", ""},
	{Producer | Worker | Operator, "ZADD {scheduled} 0 x", ""},
	{Producer | Worker | Operator, "ZCARD {seen}", ""},
	{Producer | Worker | Operator, "ZCOUNT {scheduled} 0 0", ""},
	{Producer | Worker | Operator, "ZREMRANGEBYRANK {seen} 0 0", ""},
	{Producer | Worker | Operator, "ZSCORE {seen} x", ""},
	{Producer | Worker, "WAIT 0 0", "an enqueue cannot wait for replicas (ClientConfig.Replicas)"},

	{Producer | Worker | Operator, "EXISTS {record}", ""},
	{Producer | Worker | Operator, "GET {lock}", ""},
	{Producer | Worker | Operator, "HMGET {record} x", ""},
	{Producer | Worker | Operator, "HSET {record} x x", ""},
	{Producer | Worker | Operator, "SET {lock} x", ""},
	{Producer | Worker | Operator, "SUBSCRIBE {record}", "the death of a worker is noticed after 30 s instead of 2, no bare job can be cancelled, a pause is noticed up to 20 s late, and who waits for a job asks twice a second"},
	{Producer | Worker | Operator, "UNSUBSCRIBE {record}", "who has waited for a job goes on to hear of it"},

	{Worker, "BLMOVE {ready} {hand} LEFT RIGHT 1", "an idle queue is looked at once a second, where jobs would start when they are pushed"},
	{Worker, "BLPOP {alarm} 1", "a job that is scheduled while no other is starts up to 20 s late"},
	{Worker, "CLIENT ID", "a wait cannot be woken, so each lasts a second, and a stop or a pause up to that much longer"},
	{Worker, "CLIENT UNBLOCK 0", "a wait cannot be woken, so each lasts a second, and a stop or a pause up to that much longer"},
	{Worker, "MULTI", "a wait cannot be woken, so each lasts a second, and a stop or a pause up to that much longer"},
	{Worker, "EXEC", "a wait cannot be woken, so each lasts a second, and a stop or a pause up to that much longer"},
	{Worker, "PUBSUB NUMSUB {channel}", "the death of a worker is noticed after 30 s instead of 2"},
	{Worker | Operator, "PUBLISH {channel} x", "workers are not told of a pause, of a cancel, or of jobs in the lists of other programs that were put back: they look every 20 s; and tasuki worker cannot ask them"},
	{Worker | Operator, "HDEL {held} x", ""},
	{Worker | Operator, "DEL {record}", ""},
	{Worker, "HEXISTS {held} x", ""},
	{Worker | Operator, "HGET {record} x", ""},
	{Worker | Operator, "HGETALL {held}", ""},
	{Worker | Operator, "HKEYS {held}", ""},
	{Worker | Operator, "HLEN {held}", ""},
	{Worker, "LPOP {ready}", ""},
	{Worker | Operator, "LRANGE {hand} 0 0", ""},
	{Worker | Operator, "LREM {hand} 1 x", ""},
	{Worker | Operator, "LTRIM {alarm} 0 0", ""},
	{Worker, "RPOP {hand}", ""},
	{Worker | Operator, "SMEMBERS {queues}", ""},
	{Worker | Operator, "ZRANGE {dead} 0 0", ""},
	{Worker, "ZRANGEBYSCORE {retry} 0 0", ""},
	{Worker | Operator, "ZREM {dead} x", ""},
	{Worker | Operator, "INFO", "a worker does not warn of an evicting server at its start, and the doctor is half blind"},

	{Operator, "ACL WHOAMI", "the doctor does not know the user's name"},
	{Operator, "HVALS {held}", ""},
	{Operator, "LPOS {ready} x", "tasuki why does not tell where a job is in a queue, and what an operation has removed cannot be brought back"},
	{Operator, "LSET {ready} 0 x", ""},
	{Operator, "ZMSCORE {seen} x", "jobs cannot be exported, nor moved to another server"},
	{Worker | Operator, "LINDEX {ready} 0", ""},
	{Worker | Operator, "PEXPIRE {record} 1", ""},
	{Producer | Worker | Operator, "PTTL {lock}", ""},
	{Operator, "PSUBSCRIBE {records}", "tasuki events hears nothing"},
	{Operator, "SCAN 0", "keys of no known queue or worker cannot be found"},
}

// Refusal is a command that the server refuses a role.
type Refusal struct {
	Command string
	Without string // what follows; empty: the role cannot do without it
	Missing bool   // there is no such command, for nobody
}

// ErrUntold: the server does not tell what a user may do.
var ErrUntold = errors.New("neither EVAL nor MULTI is allowed")

// Rights returns what the store's user is refused in each role, without sending
// any of it. untold are commands of which the server did not say.
func (s *Store) Rights(ctx context.Context) (refused map[Role][]Refusal, untold []string, err error) {
	q, err := s.Queue("tasuki-doctor") // its keys are named, and never made
	if err != nil {
		return nil, nil, err
	}
	all := make([][]string, len(rights))
	for i := range rights {
		all[i] = s.wordsOf(&rights[i], q)
	}
	answers, err := s.AskRights(ctx, q, all)
	if err == nil && len(answers) != len(all) || IsRedis(err) && !IsKeyRefused(err) {
		answers, err = s.queueCommands(ctx, all)
	}
	if err != nil {
		return nil, nil, err
	}
	refused = map[Role][]Refusal{}
	for i, r := range rights {
		name := r.name()
		switch answers[i] {
		case mayNot, noSuch:
			for _, role := range []Role{Producer, Worker, Operator} {
				if r.roles&role != 0 {
					refused[role] = append(refused[role], Refusal{name, r.without, answers[i] == noSuch})
				}
			}
		case untoldYet:
			untold = append(untold, name)
		}
	}
	return refused, untold, nil
}

// name is the command with its subcommand.
func (r *right) name() string {
	words := strings.Fields(r.words)
	if slices.Contains([]string{"ACL", "CLIENT", "CLUSTER", "PUBSUB"}, words[0]) {
		return words[0] + " " + words[1]
	}
	return words[0]
}

// wordsOf fills in the names of keys.
func (s *Store) wordsOf(r *right, q *Queue) []string {
	keys := strings.NewReplacer("{ready}", q.Ready, "{count}", q.Count, "{queues}", s.queuesKey(), "{scheduled}", q.Scheduled, "{retry}", q.Retry,
		"{dead}", q.Dead, "{seen}", q.Seen, "{hand}", q.Hand("w"), "{held}", q.Held("w"), "{alarm}", q.Alarm, "{channel}", q.Channel,
		"{record}", q.Record("x"), "{lock}", q.Lock("x"), "{records}", s.recordsPattern())
	words := strings.Fields(r.words)
	for i := range words {
		words[i] = keys.Replace(words[i])
	}
	return words
}

// What a server says of a command.
const (
	noSuch    = -1
	mayNot    = 0
	may       = 1
	untoldYet = 2
)

// AskRights asks in a script, which leaves no trace in the server's ACL LOG. It returns
// nothing when the server is too old.
func (s *Store) AskRights(ctx context.Context, q *Queue, commands [][]string) (answers []int64, err error) {
	var args []string
	for _, words := range commands {
		args = append(append(args, strconv.Itoa(len(words))), words...)
	}
	err = s.eval(ctx, scriptRights, []string{q.Ready}, args, func(reply rueidis.RedisResult) (err error) {
		answers, err = reply.AsIntSlice()
		return err
	})
	return answers, err
}

// TryScripts runs a script that changes nothing.
func (s *Store) TryScripts(ctx context.Context) error {
	q, err := s.Queue("tasuki-doctor")
	if err != nil {
		return err
	}
	_, err = s.AskRights(ctx, q, nil)
	return err
}

// queueCommands asks a server that cannot be asked in a script, with commands that are
// queued in a transaction and never done.
func (s *Store) queueCommands(ctx context.Context, commands [][]string) ([]int64, error) {
	c, err := s.client(ctx, false)
	if err != nil {
		return nil, err
	}
	if c.Mode() == rueidis.ClientModeCluster {
		return nil, ErrUntold
	}
	conn, release := c.Dedicate()
	defer release()
	defer conn.Close() // whatever is left of a transaction goes with it
	if err := explain("MULTI", conn.Do(ctx, conn.B().Multi().Build()).Error()); IsRedis(err) {
		return nil, ErrUntold
	} else if err != nil {
		return nil, err
	}
	answers := make([]int64, len(commands))
	for i, words := range commands {
		switch words[0] {
		case "SUBSCRIBE", "PSUBSCRIBE", "UNSUBSCRIBE", "MULTI", "EXEC":
			answers[i] = untoldYet // its answer is none of a transaction's
			continue
		}
		switch err := explain(words[0], conn.Do(ctx, conn.B().Arbitrary(words...).Build()).Error()); {
		case err == nil:
			answers[i] = may
		case isMissing(err):
			answers[i] = noSuch
		case errors.Is(err, ErrRefused):
			answers[i] = mayNot
		case IsRedis(err):
			answers[i] = untoldYet
		default:
			return nil, err
		}
	}
	return answers, nil
}

// isMissing tells whether a server refuses a command to everybody.
func isMissing(err error) bool {
	return hasCode(err.Error(), "unknown command") || strings.Contains(err.Error(), "not supported by tasuki")
}
