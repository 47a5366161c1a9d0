package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tasuki-dev/tasuki/internal/source"
)

// speaker is a server that answers what is asked of the data with one reply, and
// the rest as Redis does.
type speaker struct {
	mu    sync.Mutex
	reply string
}

func (s *speaker) say(reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply = reply
}

func (s *speaker) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	go s.serve(there)
	return here, nil
}

func (s *speaker) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	number := func() int {
		line, err := in.ReadString('\n')
		if err != nil || len(line) < 3 {
			return -1
		}
		n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
		return n
	}
	for {
		n := number()
		if n < 1 {
			return
		}
		words := make([]string, n)
		for i := range words {
			data := make([]byte, number()+2)
			if _, err := io.ReadFull(in, data); err != nil {
				return
			}
			words[i] = string(data[:len(data)-2])
		}
		reply := ""
		switch strings.ToUpper(words[0]) {
		case "HELLO":
			reply = "%2\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n"
		case "CLIENT", "SELECT", "PING", "AUTH":
			reply = "+OK\r\n"
		case "CLUSTER":
			reply = "-ERR This instance has cluster support disabled\r\n"
		case "SUBSCRIBE":
			for i, channel := range words[1:] {
				reply += fmt.Sprintf(">3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:%d\r\n", len(channel), channel, i+1)
			}
		default:
			s.mu.Lock()
			reply = s.reply
			s.mu.Unlock()
		}
		if _, err := io.WriteString(conn, reply); err != nil {
			return
		}
	}
}

// told makes a reply of any text: a value in each line, which begins with its type;
// the lines of an array or a map follow it.
func told(text string) (reply string, bad bool) {
	lines := strings.Split(text, "\n")
	left := 200 // values
	var value func(depth int) string
	value = func(depth int) string {
		if len(lines) == 0 || lines[0] == "" || left == 0 {
			lines = lines[min(1, len(lines)):]
			return "_\r\n"
		}
		left--
		kind, rest := lines[0][0], lines[0][1:]
		lines = lines[1:]
		switch kind {
		case ':':
			n, _ := strconv.ParseInt(rest, 10, 64)
			return fmt.Sprintf(":%d\r\n", n)
		case ',':
			x, _ := strconv.ParseFloat(rest, 64)
			return fmt.Sprintf(",%g\r\n", x)
		case '#':
			return "#t\r\n"
		case '-':
			bad = true
			return "-ERR " + strings.Map(func(r rune) rune {
				if r < ' ' {
					return '.'
				}
				return r
			}, rest) + "\r\n"
		case '*', '%':
			n, _ := strconv.Atoi(rest)
			n = min(max(n, 0), 20)
			out := fmt.Sprintf("%c%d\r\n", kind, n)
			if kind == '%' {
				n *= 2
			}
			if depth == 4 {
				return "*0\r\n"
			}
			for range n {
				out += value(depth + 1)
			}
			return out
		}
		return fmt.Sprintf("$%d\r\n%s\r\n", len(rest), rest)
	}
	return value(0), bad
}

// FuzzReplies lets the server answer anything: every function that reads a reply
// returns an error that says so in a few words, or what fits what was asked.
func FuzzReplies(f *testing.F) {
	for _, s := range []string{
		"*13\n:1\n:1763850000000\n:2\n:1\n:7\n:1\n:0\n:1\n:1763850001000\n:0\n$\n*1\n$1000000000001\n*2\n$a\n$b",
		"*13\n:0\n:1\n:0\n:0\n:0\n:0\n:1\n:0\n:-1\n:1\n$WRONGTYPE x\n*0\n*0",
		"*4\n:1\n$w\n:5\n:-1", "*4\n:1763850000000\n:1\n:3\n:-1", "*3\n$w\n$5\n:1", "*3\n*1\n$w\n*2\n$claimed\n$5\n*2\n:1\n:1",
		":1", ":-1", "$x", "*2\n:1763850000\n:123456", "%1\n$1000000000001\n${\"kind\":\"k\"}", "%2\n$@observer\n$w\n$w\n$7", "*2\n$5\n$x",
		"*2\n$a\n,5", "*1\n*4\n$run\n$j\n$\n$", "*1\n*1\n$stale", "*1\n:2", "$done", "*8\n$ready\n$1\n:5\n$j\n$\n$\n$\n$", "*1\n*2\n$a\n,0", "*3\n:1\n:0\n:1", "*1\n-oops", "-oops", "",
	} {
		for what := range byte(26) {
			f.Add(what, s)
		}
	}
	speaker := &speaker{}
	s, err := New(Options{URL: "redis://fuzz", Namespace: "tasuki", Dial: speaker.dial})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	speaker.say("+OK\r\n")
	if err := s.Ping(f.Context()); err != nil {
		f.Fatal(err)
	}
	q, err := s.Queue("mail")
	if err != nil {
		f.Fatal(err)
	}
	pulse := s.Pulse("w", func(string, string) {})
	f.Cleanup(pulse.Close)
	f.Fuzz(func(t *testing.T, what byte, text string) {
		reply, bad := told(text)
		speaker.say(reply)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var err error
		switch what % 26 {
		case 0:
			x := &Exchange{Incarnation: "w", Tag: FirstTag, Request: source.Request{Want: 2, Done: []source.Tag{FirstTag}}}
			var got *Exchanged
			if got, err = s.Fetch(ctx, q, x, s.Waiter(q)); err == nil && len(got.Elements) > x.Want {
				t.Fatalf("%d elements, wanted were %d", len(got.Elements), x.Want)
			}
		case 1:
			var put []bool
			if put, err = s.Enqueue(ctx, q, time.Hour, 10, []Put{{ID: "a", Element: "x"}, {ID: "b", Element: "y"}}); err == nil && len(put) != 2 {
				t.Fatalf("%d answers for 2 jobs", len(put))
			}
		case 2:
			_, err = s.Register(ctx, q, "w", "")
		case 3:
			_, _, _, _, err = s.Due(ctx, q, "w", 10, false)
		case 4:
			_, err = s.Held(ctx, q, "w")
		case 5:
			_, err = s.Members(ctx, q)
		case 6:
			var left []Left
			if left, err = s.Orphans(ctx, q, "w", 3); len(left) > 3 {
				t.Fatalf("%d orphans, wanted were 3", len(left))
			}
		case 7:
			_, _, err = s.Sweep(ctx, q, "w", []PutBack{{To: "ready", As: "crashed"}})
		case 8:
			_, err = s.DeadOverflow(ctx, q, 10, time.Hour)
		case 9:
			_, err = s.Now(ctx)
		case 10:
			_, err = s.About(ctx, "w")
		case 11:
			_, err = s.About(ctx)
		case 12:
			_, err = s.Survey(ctx, q)
		case 13:
			_, err = s.Tally(ctx, q)
		case 14:
			_, _, err = s.Workers(ctx)
		case 15:
			_, err = pulse.Beat(ctx, true, func() []string { return []string{q.Channel} })
		case 16:
			if _, err = pulse.Observe(ctx); errors.Is(err, errNotConnected) {
				err = nil
			}
		case 17:
			_, err = s.Revive(ctx, q, []Revival{{Dead: "a", Ready: "b"}})
		case 18:
			var placed []Placed
			if placed, err = s.EnqueueRecorded(ctx, q, time.Hour, 10, []RecordedPut{{Put: Put{ID: "a", Element: "x"}}}); err == nil && len(placed) != 1 {
				t.Fatalf("%d answers for a job", len(placed))
			}
		case 19:
			var opened []source.Opened
			if opened, err = s.Open(ctx, q, "w", "host:1", []source.Pointer{{Tag: FirstTag, ID: "a", Gen: 1}}); err == nil && (len(opened) != 1 || opened[0].What == "") {
				t.Fatalf("%+v for a pointer", opened)
			}
		case 20:
			_, err = s.Note(ctx, q, "w", []source.Note{{Tag: FirstTag, ID: "a"}})
		case 21:
			_, err = s.Record(ctx, q, "a")
		case 22:
			_, err = s.Records(ctx, q, []string{"a"})
		case 23:
			err = s.Act(ctx, q, &Act{What: "edit", ID: "a", Gen: 1})
		case 24:
			_, err = s.TrimEnded(ctx, q, 10)
		case 25:
			_, err = s.Locks(ctx, q, []string{q.Lock("qx")})
		}
		if ctx.Err() != nil {
			t.Fatalf("it took 10 s: %v", err)
		}
		if strings.HasPrefix(reply, "-") && (err == nil && what%26 != 16 && what%26 != 22 || errors.Is(err, ErrUncertain)) {
			t.Fatalf("the server said %q: %v", reply, err)
		}
		if err != nil && !bad && (len(err.Error()) > 1000 || !utf8.ValidString(err.Error())) {
			t.Fatalf("an error of %d bytes: %.300q", len(err.Error()), err)
		}
	})
}
