package model_test

import (
	"flag"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

var (
	// walkFor is how long random sequences are run on each server.
	walkFor = flag.Duration("model.for", 8*time.Second, "how long to run random sequences on each server")
	// deeper and most are for a longer search.
	deeper = flag.Int("model.deeper", 0, "how many steps more to search")
	most   = flag.Int("model.most", 0, "the states after which a search stops")
	// reportDir is where docs/proof/model.md goes.
	reportDir = flag.String("proof.report", "", "write a report of the run to this directory")
)

func TestMain(m *testing.M) {
	flag.Parse()
	// A sequence is longer than rapid's default, so that what was done to a job early
	// meets what is done late.
	set := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { set[f.Name] = true })
	for name, value := range map[string]string{"rapid.steps": "60", "rapid.checks": "5", "rapid.nofailfile": "true"} {
		if !set[name] {
			if err := flag.Set(name, value); err != nil {
				panic(err)
			}
		}
	}
	redistest.Main(m)
}
