package embedded_test

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		p, two, three := connect(t, srv), connect(t, srv), connect3(t, srv)
		two.wantDo(`["subscribe" "news" (1)]`, "SUBSCRIBE", "news")
		two.wantDo(`["psubscribe" "n?w*" (2)]`, "PSUBSCRIBE", "n?w*")
		three.wantDo(`>["subscribe" "news" (1)]`, "SUBSCRIBE", "news", "other")
		three.want(`>["subscribe" "other" (2)]`)
		p.wantDo("(3)", "PUBLISH", "news", "hello")
		p.wantDo("(0)", "PUBLISH", "old", "hello")
		two.want(`["message" "news" "hello"]`)
		two.want(`["pmessage" "n?w*" "news" "hello"]`)
		three.want(`>["message" "news" "hello"]`)

		p.wantDo(`["news" "other"]`, "PUBSUB", "CHANNELS")
		p.wantDo(`["other"]`, "PUBSUB", "CHANNELS", "o*")
		p.wantDo(`["news" (2) "other" (1) "old" (0)]`, "PUBSUB", "NUMSUB", "news", "other", "old")
		p.wantDo("(1)", "PUBSUB", "NUMPAT")

		two.wantDo(`["unsubscribe" "news" (1)]`, "UNSUBSCRIBE")
		two.wantDo(`["punsubscribe" "n?w*" (0)]`, "PUNSUBSCRIBE", "n?w*")
		two.wantDo(`["unsubscribe" nil$ (0)]`, "UNSUBSCRIBE")
		three.wantDo(`>["unsubscribe" "other" (1)]`, "UNSUBSCRIBE", "other")
		p.wantDo("(1)", "PUBLISH", "news", "again")
		three.want(`>["message" "news" "again"]`)
		two.wantDo("+PONG", "PING")
	})
}

func TestSubscribedConnectionInRESP3TakesAllCommands(t *testing.T) {
	t.Parallel()
	srv := setup(t, "127.0.0.1:0")
	p, w := connect(t, srv), connect3(t, srv)
	w.do("SUBSCRIBE", "c")
	w.wantDo("+OK", "SET", "s", "1")
	w.wantDo(`"1"`, "GET", "s")
	w.wantDo("+PONG", "PING")
	w.wantDo("(1)", "EVAL", "return redis.call('EXISTS', KEYS[1])", "1", "s")
	w.send("PUBLISH", "c", "to myself")
	w.want(`>["message" "c" "to myself"]`)
	w.want("(1)")
	w.do("MULTI")
	w.do("PUBLISH", "c", "1")
	w.do("PUBLISH", "c", "2")
	w.send("EXEC")
	w.want(`>["message" "c" "1"]`)
	w.want(`>["message" "c" "2"]`)
	w.want("[(1) (1)]")

	// Messages come while it waits in a blocking command, too.
	w.send("BLMOVE", "q", "h", "LEFT", "RIGHT", "0")
	waitBlocked(t, p, "1")
	p.wantDo("(1)", "PUBLISH", "c", "m")
	w.want(`>["message" "c" "m"]`)
	p.do("RPUSH", "q", "x")
	w.want(`"x"`)
}

func TestSubscribedConnectionInRESP2TakesFewCommands(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	w := connect(t, srv)
	w.do("SUBSCRIBE", "c")
	w.wantDo("-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context", "GET", "s")
	w.wantDo(`["pong" ""]`, "PING")
	w.wantDo(`["pong" "x"]`, "PING", "x")
	w.do("UNSUBSCRIBE", "c")
	w.wantDo("nil$", "GET", "s")
	w.do("PSUBSCRIBE", "c*")
	w.wantDo("+OK", "QUIT")
	w.wantClosed()
}

func TestScriptsPublishAndCountSubscribers(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		p, w := connect(t, srv), connect3(t, srv)
		numsub := []string{"EVAL", "return redis.call('PUBSUB', 'NUMSUB', ARGV[1])", "0", "c"}
		p.wantDo(`["c" (0)]`, numsub...)
		w.do("SUBSCRIBE", "c")
		p.wantDo(`["c" (1)]`, numsub...)
		p.wantDo("(1)", "EVAL", "return redis.call('PUBLISH', ARGV[1], 'm')", "0", "c")
		w.want(`>["message" "c" "m"]`)
		p.wantDo(`["c"]`, "EVAL", "return redis.call('PUBSUB', 'CHANNELS', '*')", "0")

		w.send("BLPOP", "q", "0") // waiting does not keep the subscription of a dead connection
		waitBlocked(t, p, "1")
		w.nc.Close()
		eventually(t, "no subscriber", func() bool { return p.do(numsub...) == `["c" (0)]` })
		p.wantDo("(0)", "PUBLISH", "c", "m")
		p.wantDo("[]", "PUBSUB", "CHANNELS")
	})
}

func TestSlowSubscriberIsCutOff(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		p, deaf, other := connect(t, srv), connect(t, srv), connect(t, srv)
		for _, w := range []*wire{deaf, other} {
			w.do("SUBSCRIBE", "c")
		}
		const size = 2 << 20
		frame := fmt.Sprintf("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n", size)
		reached := map[string]bool{}
		for range 12 { // more than may be unread and the network takes
			reached[p.do("PUBLISH", "c", strings.Repeat("m", size))] = true
			if _, err := io.CopyN(io.Discard, other.r, int64(len(frame)+size+len("\r\n"))); err != nil {
				t.Fatalf("the other subscriber: %v", err)
			}
		}
		if !reached["(2)"] || !reached["(1)"] {
			t.Errorf("numbers of subscribers that were reached: %v, want 2 and then 1", reached)
		}
		p.wantDo(`["c" (1)]`, "PUBSUB", "NUMSUB", "c")
	})
}

func TestClientThatDoesNotReadStopsNobody(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		deaf, w := connect(t, srv), connect(t, srv)
		deaf.do("SET", "big", strings.Repeat("x", 1<<20))
		for range 32 {
			deaf.send("GET", "big")
		}
		w.do("SUBSCRIBE", "c")
		w.wantDo(`["unsubscribe" "c" (0)]`, "UNSUBSCRIBE")
		w.wantDo("(1)", "RPUSH", "q", "x")
	})
}

func TestManyPublishersAndSubscribersThatComeAndGo(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for i := range 4 {
		w := connect(t, srv)
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				w.do("EVAL", "return redis.call('PUBLISH', ARGV[1], ARGV[2])", "0", "c", strconv.Itoa(i*n))
			}
		})
	}
	for range 100 {
		w := connect(t, srv)
		w.send("SUBSCRIBE", "c")
		w.want(`["subscribe" "c" (1)]`)
		w.send("PSUBSCRIBE", "c*")
		w.nc.Close()
	}
	cancel()
	wg.Wait()
	p := connect(t, srv)
	eventually(t, "no subscriber", func() bool { return p.do("PUBLISH", "c", "m") == "(0)" })
}
