package model_test

import (
	"flag"
	"testing"

	"github.com/tasuki-dev/tasuki/internal/model"
)

var (
	xl   = flag.String("xl", "all", "")
	xd   = flag.Int("xd", 12, "")
	xm   = flag.Int("xm", 1000000, "")
	xmis = flag.Int("xmis", 0, "")
)

func TestSearch(t *testing.T) {
	var s scenario
	for _, s = range scenarios {
		if s.name != *xl {
			continue
		}
		w := s.world()
		w.Q.Mistake = model.Mistake(*xmis)
		f := (&model.Search{Start: w, Depth: *xd, HealEvery: 10, Most: *xm}).Run()
		t.Logf("%s: %d states %d transitions %d depth %v healed %d in %v", s.name, f.States, f.Transitions, f.Depth, f.Levels, f.Healed, f.Time)
		if f.Wrong != nil {
			t.Fatal(f.Wrong)
		}
	}
}

type scenario struct {
	name    string
	workers int
	slots   int
	portion int
	ready   []model.Element
	suspect []model.Element
	toPush  int
	equal   bool
	limits  model.Limits
}

func (s *scenario) world() *model.World {
	w := model.NewWorld(s.workers, s.slots, s.portion, s.ready, s.suspect, s.toPush, s.limits)
	w.Equal = s.equal
	return w
}

var one = []model.Element{{Job: 1}}

var scenarios = []scenario{
	{"all", 2, 1, 32, one, nil, 1, false, model.Limits{Lost: 1, Killed: 1, Buried: 2, Stopped: 1, Forgot: 1, Failed: 1}},
	{"sweeps", 2, 2, 1, []model.Element{{Job: 1}, {Job: 2, Crashes: 2, Token: 1}}, nil, 0, false, model.Limits{Killed: 1, Buried: 2, Stopped: 1}},
	{"calm", 2, 2, 1, one, nil, 1, false, model.Limits{Buried: 1, Killed: 1, Failed: 1}},
	{"lost", 1, 1, 32, one, nil, 1, false, model.Limits{Lost: 3, Failed: 1}},
	{"late", 2, 1, 32, one, nil, 1, false, model.Limits{Lost: 1, Buried: 1, Killed: 1}},
	{"forgotten", 1, 1, 32, nil, nil, 2, false, model.Limits{Lost: 1, Killed: 1, Buried: 2, Forgot: 1}},
	{"suspects", 1, 2, 32, nil, []model.Element{{Job: 1, Crashes: 2, Token: 1}, {Job: 2, Crashes: 2, Token: 2}}, 0, false, model.Limits{Lost: 1, Buried: 1, Failed: 1}},
	{"equal", 1, 1, 32, nil, nil, 2, true, model.Limits{Lost: 2}},
}
