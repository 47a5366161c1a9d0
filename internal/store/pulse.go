package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"
)

// Pulse is the connection on which a worker beats and is subscribed to its
// queues' channels and one of its own. The server drops the subscription within
// milliseconds of the process's death, which is how others learn of it.
//
// All methods are for one goroutine.
type Pulse struct {
	s      *Store
	worker string
	on     func(channel, message string)

	conn       rueidis.DedicatedClient
	release    func()
	client     rueidis.Client // from which conn is
	master     string         // when conn was made
	lost       <-chan error
	subscribed bool
}

// Pulse returns the connection of a worker; it connects with the first Beat. on
// is called with each message, by one goroutine, and must not block.
func (s *Store) Pulse(worker string, on func(channel, message string)) *Pulse {
	return &Pulse{s: s, worker: worker, on: on}
}

// Beaten is what a beat answers.
type Beaten struct {
	Known         bool   // the worker was there; if not, somebody took it for dead
	Observer      string // who watches over all workers; "" if nobody does
	Beats         int64  // of the observer
	Subscriptions int64  // of the observer's channel; -1: the server does not tell
}

// Beat advances the worker's counter. enter makes it known if it is not. When
// there is no connection, it makes one, subscribes to channels and beats, in one
// write.
func (p *Pulse) Beat(ctx context.Context, enter bool, channels func() []string) (Beaten, error) {
	var beaten Beaten
	c, err := p.s.client(ctx, true)
	if err != nil {
		return beaten, err
	}
	keys := []string{p.s.workersKey()}
	args := []string{p.worker, flag(enter), numsub(c), p.s.alivePrefix()}
	var reply rueidis.RedisResult
	if p.conn == nil {
		if reply, err = p.connect(ctx, c, channels(), keys, args); err != nil {
			return beaten, err
		}
	} else {
		unfollow := follow(p.client, p.master, p.conn.Close)
		reply = scriptBeat.exec(ctx, p.conn, keys, args)
		unfollow()
	}
	fields, err := exactly(4, reply.ToArray)
	if err != nil {
		err = explain("beat", err)
		if !IsRedis(err) {
			p.Close()
		}
		return beaten, err
	}
	known, err := fields[0].AsInt64()
	if err == nil {
		beaten.Observer, err = fields[1].ToString()
	}
	if err == nil {
		beaten.Beats, err = fields[2].AsInt64()
	}
	if err == nil {
		beaten.Subscriptions, err = fields[3].AsInt64()
	}
	if err != nil {
		p.Close()
		return beaten, odd("beat", err)
	}
	beaten.Known = known == 1
	return beaten, nil
}

func (p *Pulse) connect(ctx context.Context, c rueidis.Client, channels, keys, args []string) (rueidis.RedisResult, error) {
	p.client, p.master = c, master(c)
	conn, release := c.Dedicate()
	defer follow(c, p.master, conn.Close)()
	lost := conn.SetPubSubHooks(rueidis.PubSubHooks{OnMessage: func(m rueidis.PubSubMessage) { p.on(m.Channel, m.Message) }})
	commands := append(p.subscriptions(c, conn, channels), conn.B().Evalsha().Sha1(scriptBeat.sha).Numkeys(1).Key(keys...).Arg(args...).Build())
	replies := conn.DoMulti(ctx, commands...)
	if errors.Is(replies[0].Error(), rueidis.ErrRESP2PubSubMixed) {
		// It speaks RESP2, where the subscription has a connection of its own; or
		// there is no connection, and only a command alone is told why.
		for i, command := range p.subscriptions(c, conn, channels) {
			replies[i] = conn.Do(ctx, command)
		}
		replies[len(replies)-1] = scriptBeat.exec(ctx, conn, keys, args)
	}
	p.subscribed = true
	var err error
	for _, reply := range replies[:len(replies)-1] {
		if e := reply.Error(); e != nil {
			p.subscribed, err = false, explain("subscribe", e)
		}
	}
	if err != nil && !errors.Is(err, ErrRefused) {
		conn.Close()
		release()
		return rueidis.RedisResult{}, err
	}
	beat := replies[len(replies)-1]
	if e, ok := rueidis.IsRedisErr(beat.Error()); ok && e.IsNoScript() {
		beat = scriptBeat.exec(ctx, conn, keys, args)
	}
	if beat.Error() != nil {
		// There may be no connection at all, whose end would be told at once.
		conn.Close()
		release()
		return beat, nil
	}
	p.conn, p.release, p.lost = conn, release, lost
	return beat, nil
}

// subscriptions are the commands with which a connection begins.
func (p *Pulse) subscriptions(c rueidis.Client, conn rueidis.DedicatedClient, channels []string) []rueidis.Completed {
	alive := p.s.alivePrefix() + p.worker
	subscribe := conn.B().Subscribe().Channel(alive).Build()
	if c.Mode() == rueidis.ClientModeCluster {
		subscribe = conn.B().Ssubscribe().Channel(alive).Build()
	}
	commands := []rueidis.Completed{subscribe}
	if len(channels) > 0 {
		commands = append(commands, conn.B().Subscribe().Channel(channels...).Build())
	}
	return commands
}

// Subscribe adds channels to a connection that is there; one that is not will
// have them when it is made.
func (p *Pulse) Subscribe(ctx context.Context, channels ...string) error {
	if p.conn == nil || !p.subscribed {
		return nil
	}
	return explain("subscribe", p.conn.Do(ctx, p.conn.B().Subscribe().Channel(channels...).Build()).Error())
}

// Subscribed tells whether the server allowed the subscription. Without it the
// worker's death is noticed late. It is known after the first Beat.
func (p *Pulse) Subscribed() bool { return p.subscribed }

// Lost is closed or receives when the connection has ended. It is nil while
// there is none.
func (p *Pulse) Lost() <-chan error { return p.lost }

// Close ends the connection. The next Beat makes another.
func (p *Pulse) Close() {
	if p.conn == nil {
		return
	}
	p.conn.Close()
	p.release()
	p.conn, p.release, p.lost = nil, nil, nil
}

// Tell publishes a message to the workers of a queue. It returns how many heard
// it; in Cluster that counts one node only.
func (s *Store) Tell(ctx context.Context, q *Queue, message string) (int64, error) {
	reply, err := s.do(ctx, "publish", func(ctx context.Context, c rueidis.Client) rueidis.RedisResult {
		return c.Do(ctx, c.B().Publish().Channel(q.Channel).Message(message).Build())
	})
	if err != nil {
		return 0, err
	}
	n, err := reply.AsInt64()
	return n, explain("publish", err)
}

// Observe is one round of the observer; it returns nil when that is another.
func (p *Pulse) Observe(ctx context.Context) ([]Vital, error) {
	if p.conn == nil {
		return nil, errNotConnected
	}
	c, err := p.s.client(ctx, true)
	if err != nil {
		return nil, err
	}
	reply := scriptObserve.exec(ctx, p.conn, []string{p.s.workersKey()}, []string{p.worker, numsub(c), p.s.alivePrefix()})
	fields, err := reply.ToArray()
	if err != nil {
		err = explain("observe", err)
		if !IsRedis(err) {
			p.Close()
		}
		return nil, err
	}
	if len(fields)%3 != 0 {
		p.Close()
		return nil, odd("observe", fmt.Errorf("%d fields", len(fields)))
	}
	var vitals []Vital
	for i := 0; i < len(fields); i += 3 {
		var v Vital
		v.Worker, _ = fields[i].ToString()
		beats, _ := fields[i+1].ToString()
		v.Beats, _ = strconv.ParseInt(beats, 10, 64) // what is no number does not advance either
		if v.Subscriptions, err = fields[i+2].AsInt64(); err != nil {
			p.Close()
			return nil, odd("observe", err)
		}
		vitals = append(vitals, v)
	}
	return vitals, nil
}

var errNotConnected = errors.New("not connected")

// Vital is what the observer sees of a worker in one round.
type Vital struct {
	Worker        string
	Beats         int64
	Subscriptions int64 // of its channel; -1: the server does not tell
}
