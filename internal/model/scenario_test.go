package model_test

import "github.com/tasuki-dev/tasuki/internal/model"

// scenario is a world to begin with: two jobs, or what is left of them, and the faults
// that are still to come. Each is about one kind of fault and small enough to be gone
// through to its depth; with all of them together there are too many states to get deep.
type scenario struct {
	name    string
	about   string
	workers int
	slots   int
	portion int
	ready   []model.Element
	suspect []model.Element
	toPush  int
	equal   bool
	limits  model.Limits
	depth   int
}

func (s *scenario) world() *model.World {
	w := model.NewWorld(s.workers, s.slots, s.portion, s.ready, s.suspect, s.toPush, s.limits)
	w.Equal = s.equal
	return w
}

var (
	one      = []model.Element{{Job: 1}}
	two      = []model.Element{{Job: 1}, {Job: 2, Crashes: 1, Token: 1}}
	suspects = []model.Element{{Job: 1, Crashes: 2, Token: 1}, {Job: 2, Crashes: 2, Token: 2}}
)

var scenarios = []scenario{
	{
		name: "sweeps", about: "two workers, one is killed, and two sweepers, which take anybody for dead and move one job at a time",
		workers: 2, slots: 1, portion: 1, ready: two, limits: model.Limits{Killed: 1, Buried: 2}, depth: 12,
	},
	{
		name: "calm", about: "two workers with two slots; one is killed, no reply is lost",
		workers: 2, slots: 2, portion: 1, ready: one, toPush: 1, limits: model.Limits{Buried: 1, Killed: 1}, depth: 10,
	},
	{
		name: "lost", about: "a worker of which two calls, replies or connections are lost, and a handler that fails",
		workers: 1, slots: 1, portion: 32, ready: one, toPush: 1, limits: model.Limits{Lost: 2, Failed: 1}, depth: 12,
	},
	{
		name: "late", about: "two workers, one taken for dead, and a call that comes late",
		workers: 2, slots: 1, portion: 32, ready: one, toPush: 1, limits: model.Limits{Lost: 1, Buried: 1}, depth: 12,
	},
	{
		name: "killed", about: "the same with one job, and a worker that is killed",
		workers: 2, slots: 1, portion: 32, ready: one, limits: model.Limits{Lost: 1, Buried: 1, Killed: 1}, depth: 12,
	},
	{
		name: "forgotten", about: "a worker that is killed while it waits, and a tombstone that is removed",
		workers: 1, slots: 1, portion: 32, toPush: 1, limits: model.Limits{Killed: 1, Buried: 2, Stopped: 1, Forgot: 1}, depth: 16,
	},
	{
		name: "suspects", about: "two jobs with two crashes behind them, and a worker that could run both",
		workers: 1, slots: 2, portion: 32, suspect: suspects, limits: model.Limits{Lost: 1, Buried: 1, Failed: 1}, depth: 12,
	},
	{
		// Who is dead by then, or was taken for dead and still holds something, nobody
		// finds any more: what it holds only inspect.Check shows.
		name: "deleted", about: "a worker whose list of workers is deleted, and a call that is lost or late",
		workers: 1, slots: 1, portion: 32, ready: one, toPush: 1, limits: model.Limits{Lost: 1, Deleted: 1}, depth: 14,
	},
	{
		name: "equal", about: "two jobs of the same bytes, and two calls that are lost or come late",
		workers: 1, slots: 1, portion: 32, toPush: 2, equal: true, limits: model.Limits{Lost: 2}, depth: 20,
	},
}

// everything is for a longer run: all faults at once.
var everything = scenario{
	name: "everything", about: "two workers, two jobs, two sweepers, and all faults in one",
	workers: 2, slots: 1, portion: 32, ready: one, toPush: 1,
	limits: model.Limits{Lost: 1, Killed: 1, Buried: 2, Stopped: 1, Forgot: 1, Failed: 1}, depth: 12,
}
