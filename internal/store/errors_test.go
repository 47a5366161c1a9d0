package store

import (
	"errors"
	"testing"

	"github.com/redis/rueidis"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

// TestRefusals: whatever words a server has for it, what it will not do for this user
// is ErrRefused.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--rename-command", "BLMOVE", "", "--rename-command", "PUBLISH", "")
	if got := s.Do(t, "ACL", "SETUSER", "few", "on", ">pw", "~mine", "+eval", "+lpop", "+publish"); got != "+OK" {
		t.Fatal(got)
	}
	opt := rueidis.MustParseURL("unix://few:pw@" + s.Socket())
	opt.DisableCache, opt.ForceSingleClient = true, true
	c, err := rueidis.NewClient(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, words := range [][]string{
		{"INFO"}, {"LPOP", "other"}, {"BLMOVE", "mine", "mine", "LEFT", "LEFT", "1"},
		{"EVAL", "return redis.call('TIME')", "0"},
		{"EVAL", "return redis.call('LPOP', 'other')", "0"},
		{"EVAL", "return redis.call('PUBLISH', 'x', 'x')", "0"},
	} {
		err := explain("it", c.Do(t.Context(), c.B().Arbitrary(words...).Build()).Error())
		if !errors.Is(err, ErrRefused) || !IsRedis(err) {
			t.Errorf("%q: %v", words, err)
		}
		if is := words[0] == "LPOP" || words[max(len(words)-2, 0)] == "return redis.call('LPOP', 'other')"; IsKeyRefused(err) != is {
			t.Errorf("%q: %v: because of a key: %t", words, err, !is)
		}
	}
}
