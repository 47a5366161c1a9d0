package embedded_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestWaitersAreServedInOrderOfArrival(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		pusher := connect(t, srv)
		waiters := []*wire{connect(t, srv), connect3(t, srv), connect(t, srv)}
		for i, w := range waiters {
			w.send("BLMOVE", "q", "hand:"+strconv.Itoa(i), "LEFT", "RIGHT", "0")
			waitBlocked(t, pusher, strconv.Itoa(i+1))
		}
		for n := range 30 {
			element := strconv.Itoa(n)
			pusher.wantDo("(1)", "RPUSH", "q", element)
			i := n % len(waiters)
			waiters[i].want(strconv.Quote(element))
			pusher.wantDo(fmt.Sprintf("[%q]", element), "LRANGE", "hand:"+strconv.Itoa(i), "0", "-1")
			pusher.do("DEL", "hand:"+strconv.Itoa(i))
			waiters[i].send("BLMOVE", "q", "hand:"+strconv.Itoa(i), "LEFT", "RIGHT", "0")
			waitBlocked(t, pusher, "3")
		}
		// One push serves as many as it has elements for.
		pusher.wantDo("(5)", "RPUSH", "q", "a", "b", "c", "d", "e")
		for i, w := range waiters {
			w.want(strconv.Quote(string(rune('a' + i))))
		}
		pusher.wantDo(`["d" "e"]`, "LRANGE", "q", "0", "-1")
	})
}

func TestBlockedConnectionIsServedByWhateverFillsItsList(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string][]string{
		"RPUSH":       {"RPUSH q x"},
		"LPUSH":       {"LPUSH q x"},
		"LMOVE":       {"RPUSH other x", "LMOVE other q LEFT RIGHT"},
		"RPOPLPUSH":   {"RPUSH other x", "RPOPLPUSH other q"},
		"BLMOVE":      {"RPUSH other x", "BLMOVE other q LEFT RIGHT 1"},
		"RENAME":      {"RPUSH other x", "RENAME other q"},
		"RENAMENX":    {"RPUSH other x", "RENAMENX other q"},
		"COPY":        {"RPUSH other x", "COPY other q"},
		"script":      {"EVAL |redis.call('rpush', KEYS[1], 'x')| 1 q"},
		"transaction": {"MULTI", "RPUSH q x", "EXEC"},
		"both":        {"MULTI", "EVAL |redis.call('RPUSH', KEYS[1], 'x')| 1 q", "EXEC"},
		"late":        {"SET other s", "RENAME other q", "DEL q", "RPUSH q x"}, // it was something else in between
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := setup(t, "")
			filler, mover := connect(t, srv), connect(t, srv)
			mover.send("BLMOVE", "q", "hand", "LEFT", "RIGHT", "0")
			waitBlocked(t, filler, "1")
			for _, line := range fill {
				filler.do(words(line)...)
			}
			mover.want(`"x"`)
			filler.wantDo("(0)", "EXISTS", "q")
			filler.wantDo(`["x"]`, "LRANGE", "hand", "0", "-1")
		})
	}
}

func TestPopsOfSeveralKeys(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	pusher, left, right := connect(t, srv), connect3(t, srv), connect(t, srv)
	left.send("BLPOP", "b", "a", "b", "0")
	waitBlocked(t, pusher, "1")
	right.send("BRPOP", "b", "0")
	waitBlocked(t, pusher, "2")
	pusher.wantDo("(2)", "RPUSH", "b", "1", "2")
	left.want(`["b" "1"]`)
	right.want(`["b" "2"]`)
	pusher.wantDo("(1)", "RPUSH", "a", "3") // nobody waits for it any more
	left.wantDo(`["a" "3"]`, "BLPOP", "b", "a", "b", "0")
}

func TestScriptAndTransactionAreDoneBeforeWaitersAreServed(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	pusher, w := connect(t, srv), connect(t, srv)
	w.send("BLPOP", "q", "0")
	waitBlocked(t, pusher, "1")
	pusher.wantDo(`"1"`, "EVAL", "redis.call('RPUSH',KEYS[1],'1','2') return redis.call('LPOP',KEYS[1])", "1", "q")
	w.want(`["q" "2"]`)
	w.send("BLPOP", "q", "0")
	waitBlocked(t, pusher, "1")
	pusher.do("MULTI")
	pusher.do("RPUSH", "q", "3")
	pusher.do("DEL", "q")
	pusher.wantDo("[(1) (1)]", "EXEC")
	waitBlocked(t, pusher, "1")
}

func TestBlockingMovesInARow(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	pusher, first, second, third := connect(t, srv), connect(t, srv), connect(t, srv), connect(t, srv)
	third.send("BLPOP", "c", "0")
	second.send("BLMOVE", "b", "c", "LEFT", "RIGHT", "0")
	first.send("BLMOVE", "a", "b", "LEFT", "RIGHT", "0")
	waitBlocked(t, pusher, "3")
	pusher.wantDo("(1)", "RPUSH", "a", "x")
	first.want(`"x"`)
	second.want(`"x"`)
	third.want(`["c" "x"]`)
}

func TestMoveToAKeyOfAnotherType(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	pusher, first, second := connect(t, srv), connect(t, srv), connect(t, srv)
	pusher.do("SET", "string", "s")
	first.send("BLMOVE", "q", "string", "LEFT", "RIGHT", "0")
	waitBlocked(t, pusher, "1")
	second.send("BLMOVE", "q", "hand", "LEFT", "RIGHT", "0")
	waitBlocked(t, pusher, "2")
	pusher.wantDo("(1)", "RPUSH", "q", "x")
	if got := first.reply(); !strings.HasPrefix(got, "-WRONGTYPE ") {
		t.Errorf("the move to a string: %s", got)
	}
	second.want(`"x"`) // the element was not lost
}

func TestDatabasesHaveListsOfTheSameName(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	pusher, zero, one := connect(t, srv), connect(t, srv), connect(t, srv)
	one.do("SELECT", "1")
	zero.send("BLPOP", "q", "0")
	waitBlocked(t, pusher, "1")
	one.send("BLPOP", "q", "0")
	waitBlocked(t, pusher, "2")
	pusher.do("SELECT", "1")
	pusher.do("RPUSH", "q", "x", "y")
	one.want(`["q" "x"]`)
	pusher.wantDo(`["y"]`, "LRANGE", "q", "0", "-1")
	pusher.do("EVAL", "redis.call('SELECT','0') redis.call('RPUSH','q','z')", "0")
	zero.want(`["q" "z"]`)
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	srv := setup(t, "")
	w, w3 := connect(t, srv), connect3(t, srv)
	start := time.Now()
	w.wantDo("nil*", "BLMOVE", "q", "h", "LEFT", "RIGHT", "0.05")
	w3.wantDo("nil", "BLPOP", "q", "0.05")
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("two timeouts of 50 ms took %v", took)
	}
	w.do("RPUSH", "q", "x")
	w3.wantDo(`"x"`, "BLMOVE", "q", "h", "LEFT", "RIGHT", "0.05")
}

func TestUnblock(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		c := connect(t, srv)
		for _, waiting := range [][]string{
			{"BLMOVE", "q", "h", "LEFT", "RIGHT", "0"}, {"BLPOP", "q", "q2", "0"}, {"BRPOP", "q", "100"},
		} {
			w, w3 := connect(t, srv), connect3(t, srv)
			for _, w := range []*wire{w, w3} {
				null := "nil*"
				if w == w3 {
					null = "nil"
				}
				id := strings.Trim(w.do("CLIENT", "ID"), "()")
				c.wantDo("(0)", "CLIENT", "UNBLOCK", id)
				for mode, want := range map[string]string{
					"": null, "TIMEOUT": null, "timeout": null, "ERROR": "-UNBLOCKED client unblocked via CLIENT UNBLOCK",
				} {
					w.send(waiting...)
					waitBlocked(t, c, "1")
					unblock := []string{"CLIENT", "UNBLOCK", id}
					if mode != "" {
						unblock = append(unblock, mode)
					}
					c.wantDo("(1)", unblock...)
					w.want(want)
					c.wantDo("(0)", unblock...)
				}
				w.wantDo("(0)", "CLIENT", "UNBLOCK", id) // itself
			}
		}
	})
}

// Whatever comes first, an element is either given to the waiter or still there: once.
func TestUnblockAgainstPush(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		rounds := 2_000
		if addr == "" {
			rounds = 10_000
		}
		srv := setup(t, addr)
		waiter, pusher, unblocker := connect(t, srv), connect(t, srv), connect(t, srv)
		id := strings.Trim(waiter.do("CLIENT", "ID"), "()")
		given := 0
		for n := range rounds {
			var racers sync.WaitGroup
			var ended atomic.Bool
			waiter.send("BLMOVE", "q", "hand", "LEFT", "RIGHT", "0")
			racers.Go(func() { pusher.do("RPUSH", "q", strconv.Itoa(n)) })
			racers.Go(func() {
				for unblocker.do("CLIENT", "UNBLOCK", id) == "(0)" && !ended.Load() {
				}
			})
			reply := waiter.reply()
			ended.Store(true)
			racers.Wait()

			element := strconv.Quote(strconv.Itoa(n))
			inQueue, inHand := pusher.do("LPOP", "q"), pusher.do("LPOP", "hand")
			switch {
			case reply == element && inQueue == "nil$" && inHand == element:
				given++
			case reply == "nil*" && inQueue == element && inHand == "nil$":
			default:
				t.Fatalf("element %s: the waiter got %s, in its list is %s, in the queue %s", element, reply, inHand, inQueue)
			}
		}
		t.Logf("%d of %d elements were given to the waiter", given, rounds)
	})
}

func TestPushesFromScriptsBesideBlockedConnections(t *testing.T) {
	t.Parallel()
	const scripts, each = 4, 500
	srv := setup(t, "127.0.0.1:0")
	got := make(chan string, scripts*each)
	var waiters, pushers sync.WaitGroup
	for i := range 2 {
		w := connect(t, srv)
		waiters.Go(func() {
			for {
				element := w.do("BLMOVE", "q", "hand:"+strconv.Itoa(i), "LEFT", "RIGHT", "0")
				if element == `"end"` {
					return
				}
				got <- element
			}
		})
	}
	for i := range scripts {
		w := connect(t, srv)
		pushers.Go(func() {
			for n := range each {
				w.do("EVAL", "return redis.call('RPUSH', KEYS[1], ARGV[1])", "1", "q", strconv.Itoa(i*each+n))
			}
		})
	}
	pushers.Wait()
	connect(t, srv).do("RPUSH", "q", "end", "end")
	waiters.Wait()
	close(got)
	seen := map[string]bool{}
	for element := range got {
		if seen[element] {
			t.Errorf("%s was given twice", element)
		}
		seen[element] = true
	}
	if len(seen) != scripts*each {
		t.Errorf("%d of %d elements arrived", len(seen), scripts*each)
	}
}

func TestElementsDoNotGoToClosedConnections(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		pusher, dead, busy, alive := connect(t, srv), connect(t, srv), connect(t, srv), connect(t, srv)
		dead.send("BLPOP", "q", "0")
		waitBlocked(t, pusher, "1")
		busy.send("BLPOP", "q", "0")
		for range 50 {
			busy.send("PING") // what waits behind a blocking command does not hide the end
		}
		waitBlocked(t, pusher, "2")
		alive.send("BLMOVE", "q", "hand", "LEFT", "RIGHT", "0")
		waitBlocked(t, pusher, "3")
		dead.nc.Close()
		busy.nc.Close()
		waitBlocked(t, pusher, "1")
		pusher.do("RPUSH", "q", "x")
		alive.want(`"x"`)
	})
}

// What a client sent before it closed its connection is run, but nothing is given to it any more.
func TestCommandsOfAClosedConnection(t *testing.T) {
	t.Parallel()
	overTransports(t, func(t *testing.T, addr string) {
		srv := setup(t, addr)
		c, w := connect(t, srv), connect3(t, srv)
		c.do("RPUSH", "q", "x")
		w.send("BLPOP", "none", "0")
		w.send("BLPOP", "q", "0")
		w.send("BLMOVE", "q", "h", "LEFT", "RIGHT", "0")
		w.send("SUBSCRIBE", "c")
		w.send("PSUBSCRIBE", "c*")
		w.send("SET", "done", "1")
		waitBlocked(t, c, "1")
		w.nc.Close()
		eventually(t, "its commands are run", func() bool { return c.do("EXISTS", "done") == "(1)" })
		c.wantDo(`["x"]`, "LRANGE", "q", "0", "-1")
		c.wantDo("(0)", "PUBLISH", "c", "m")
	})
}

func TestCommandsBehindABlockedOneWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	srv := setup(t, "127.0.0.1:0")
	pusher, w := connect(t, srv), connect(t, srv)
	w.send("BLPOP", "q", "0")
	w.send("ECHO", "after")
	w.send("BLPOP", "q", "0")
	waitBlocked(t, pusher, "1")
	pusher.do("RPUSH", "q", "1", "2")
	w.want(`["q" "1"]`)
	w.want(`"after"`)
	w.want(`["q" "2"]`)
}
