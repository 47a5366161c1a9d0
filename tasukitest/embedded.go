package tasukitest

import (
	"log/slog"
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/embedded"
	"github.com/tasuki-dev/tasuki/internal/bridge"
)

// Embedded starts a server of package embedded for this test alone, in memory, and returns a
// client of it. Both end with the test. cfg is as for tasuki.Open, without Dial; nil is the
// defaults. It logs to the test unless cfg has a Logger.
//
// It is made for the fake time of testing/synctest, in which a job of tomorrow is run at
// once, by the worker and the handlers as they are:
//
//	synctest.Test(t, func(t *testing.T) {
//		client := tasukitest.Embedded(t, nil)
//		tasukitest.Start(t, newWorker(client))
//		…
//		time.Sleep(24*time.Hour + time.Second)
//		synctest.Wait()
//	})
//
// So that a day takes some hundredths of a second, workers of this client beat once an hour,
// and do only then what they do of themselves every few seconds. What they are told, and what
// is due, is on time. None of them is taken for dead.
func Embedded(t testing.TB, cfg *tasuki.ClientConfig) *tasuki.Client {
	t.Helper()
	var c tasuki.ClientConfig
	if cfg != nil {
		c = *cfg
	}
	if c.Dial != nil {
		t.Fatalf("tasukitest: Embedded: Dial is set: it is the way to this server")
	}
	srv, err := embedded.Start("")
	if err != nil {
		t.Fatalf("tasukitest: Embedded: %v", err)
	}
	t.Cleanup(func() { srv.Close() })
	c.Dial = srv.Dial
	if c.Logger == nil {
		c.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	client, err := tasuki.Open("redis://embedded", &c)
	if err != nil {
		t.Fatalf("tasukitest: Embedded: %v", err)
	}
	t.Cleanup(client.Close)
	const hours = 3600 // for seconds
	bridge.Store(client).InBubble(hours)
	return client
}
