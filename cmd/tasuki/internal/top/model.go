package top

import (
	"context"
	"os/exec"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/tasuki-dev/tasuki/inspect"
)

// model is the state of the program: messages go in, a screen comes out. It reads and changes
// nothing by itself; what is to be done it returns as commands. The program's loop owns it.
type model struct {
	look     Source
	find     Finder
	ledger   Ledger
	counted  Statistics
	change   Changer
	write    bool
	where    string // the server and the namespace
	interval time.Duration
	now      func() time.Time
	// run makes a command of what may block.
	run func(limit time.Duration, do func(ctx context.Context) tea.Msg) (tea.Cmd, context.CancelFunc)
	// exec makes a command of another program, which has the terminal while it runs.
	exec   func(c *exec.Cmd, done tea.ExecCallback) tea.Cmd
	editor string // and its arguments
	alone  bool   // there is no shell that has started it

	w, h  int
	views []page // by number
	stack []page // what is shown, above what it was opened from; the first is a view

	stats   *inspect.Stats
	rates   map[string]inspect.Rate
	tracks  map[string]*track // by queue
	partial error             // why stats do not say all
	away    *outage

	frozen   bool     // nothing is read but what is asked for
	sampling bool     // stats are being read
	reading  *reading // of a page's data
	failed   error    // of the last such

	begins map[string]*pace // operations that were begun from here, and have not ended

	ask    *question
	input  *input
	help   bool
	helpAt int
	note   piece // what was done last, or why it was not

	crashed error // by a panic
}

// outage is that Redis cannot be asked.
type outage struct {
	err   error
	since time.Time
}

// reading is a look at a page's data that is under way.
type reading struct {
	page page
	stop context.CancelFunc
}

// track is what was done and has failed in a queue, per second, look by look: the newest
// last.
type track struct{ done, failed []float64 }

// tracked is how many looks are kept.
const tracked = 60

// page is one screen. A page is not asked by two goroutines at a time.
type page interface {
	// title says what it shows, place where its keys are among the bindings.
	title() string
	place() string
	// read returns what reads the data of the page, and that returns what puts them in; nil
	// if stats are all it needs. It is called before each look.
	read(m *model) func(ctx context.Context) (put func(), err error)
	// press does what a key says, and tells whether it has a meaning here.
	press(m *model, key string) (tea.Cmd, bool)
	// draw returns at most h lines of w cells.
	draw(m *model, w, h int) []string
}

// Messages.
type (
	tickMsg    struct{}
	sampledMsg struct {
		stats *inspect.Stats
		err   error
	}
	readMsg struct {
		of  *reading
		put func()
		err error
	}
	crashedMsg struct{ err error }
	countedMsg struct {
		of       page
		question *question // nil if there is no job for it
	}
	editedMsg struct {
		of        *job
		was, text []byte
		err       error
	}
	changedMsg struct {
		outcome Outcome
		err     error
	}
	operationMsg struct {
		id  string
		op  inspect.Operation
		err error
	}
)

// How long a look may take. One that is longer is an outage.
const (
	sampleLimit = 5 * time.Second
	readLimit   = 10 * time.Second
)

// Init begins the looks.
func (m *model) Init() tea.Cmd { return tea.Batch(m.tick(), m.sample()) }

func (m *model) tick() tea.Cmd {
	return tea.Tick(m.interval, func(time.Time) tea.Msg { return tickMsg{} })
}

// Update is told what has happened.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
		return m, m.readPage() // there may be room for more
	case tickMsg:
		if m.frozen {
			return m, tea.Batch(m.tick(), m.followed())
		}
		return m, tea.Batch(m.tick(), m.sample(), m.readPage(), m.followed())
	case sampledMsg:
		m.sampling = false
		m.sampled(msg)
	case readMsg:
		m.read(msg)
	case changedMsg:
		m.note = msg.outcome.note(msg.err)
		var follow tea.Cmd
		if o := msg.outcome.Began; o != nil {
			follow = m.begun(*o)
		}
		return m, tea.Batch(m.sample(), m.readPage(), follow)
	case operationMsg:
		return m, m.operated(msg)
	case countedMsg:
		if m.top() == msg.of && m.input == nil {
			m.note, m.ask = piece{}, msg.question
			if msg.question == nil {
				m.note = piece{"nothing to do: no job that matches is in a state for it", magenta | bold}
			}
		}
	case editedMsg:
		if m.top() == msg.of && m.input == nil {
			msg.of.edited(m, msg)
		}
	case crashedMsg:
		m.crashed = msg.err
		return m, tea.Quit
	case tea.PasteMsg:
		if m.input != nil {
			m.input.insert(msg.Content)
		}
	case tea.KeyPressMsg:
		return m, m.press(msg.String(), msg.Text)
	}
	return m, nil
}

// sample reads the stats, unless that is under way.
func (m *model) sample() tea.Cmd {
	if m.sampling {
		return nil
	}
	m.sampling = true
	cmd, _ := m.run(sampleLimit, func(ctx context.Context) tea.Msg {
		s, err := m.look.Stats(ctx)
		return sampledMsg{s, err}
	})
	return cmd
}

func (m *model) sampled(msg sampledMsg) {
	m.partial = nil
	if msg.stats == nil {
		m.lost(msg.err)
		return
	}
	m.partial, m.away = msg.err, nil
	if m.stats != nil {
		m.rates = msg.stats.Rates(m.stats)
		for _, q := range msg.stats.Queues {
			t := m.tracks[q.Name]
			if t == nil {
				t = &track{}
				m.tracks[q.Name] = t
			}
			if r, ok := m.rates[q.Name]; ok {
				t.done, t.failed = push(t.done, r.Done), push(t.failed, r.Failed)
			}
		}
		tracks := make(map[string]*track, len(msg.stats.Queues)) // queues can go
		for _, q := range msg.stats.Queues {
			tracks[q.Name] = m.tracks[q.Name]
		}
		m.tracks = tracks
	}
	m.stats = msg.stats
}

func push(values []float64, v float64) []float64 {
	values = append(values, v)
	return values[max(0, len(values)-tracked):]
}

// lost notes that Redis cannot be asked.
func (m *model) lost(err error) {
	if m.away == nil {
		m.away = &outage{since: m.now()}
	}
	m.away.err = err
}

// readPage reads the data of the page that is shown, unless that is under way. What another
// page has begun is ended: so there is one such look at a time.
func (m *model) readPage() tea.Cmd {
	p := m.top()
	if r := m.reading; r != nil && r.page == p {
		return nil
	}
	m.again()
	do := p.read(m)
	if do == nil {
		return nil
	}
	r := &reading{page: p}
	cmd, stop := m.run(readLimit, func(ctx context.Context) tea.Msg {
		put, err := do(ctx)
		return readMsg{r, put, err}
	})
	r.stop, m.reading = stop, r
	return cmd
}

// again has the page be read anew: what is under way is not what is to be shown any more.
func (m *model) again() {
	if m.reading != nil {
		m.reading.stop()
		m.reading = nil
	}
}

// read puts in what was read of a page.
func (m *model) read(msg readMsg) {
	if msg.of != m.reading { // the page was left
		return
	}
	m.reading, m.failed = nil, msg.err
	if msg.put != nil {
		msg.put()
	}
}

func (m *model) top() page { return m.stack[len(m.stack)-1] }

// open shows a page above the one that is shown.
func (m *model) open(p page) tea.Cmd {
	m.stack = append(m.stack, p)
	return m.turned()
}

// show shows a view.
func (m *model) show(n int) tea.Cmd {
	m.stack = []page{m.views[n]}
	return m.turned()
}

// back leaves the page for the one that it was opened from.
func (m *model) back() tea.Cmd {
	if len(m.stack) == 1 {
		return nil
	}
	m.stack = m.stack[:len(m.stack)-1]
	return m.turned()
}

func (m *model) turned() tea.Cmd {
	m.note, m.failed = piece{}, nil
	return m.readPage()
}

// press does what a key says.
func (m *model) press(key, typed string) tea.Cmd {
	switch {
	case key == "ctrl+c":
		return tea.Quit
	case key == "ctrl+z":
		if m.alone {
			m.note = piece{"there is no shell to go back to", magenta | bold}
			return nil
		}
		return tea.Suspend
	case m.input != nil:
		return m.input.press(m, key, typed)
	case m.ask != nil:
		return m.answer(key)
	case m.help:
		var ok bool
		if m.helpAt, ok = moved(key, m.helpAt, len(m.helpLines()), m.bodyHeight()); !ok {
			m.help = false
		}
		return nil
	}
	m.note = piece{}
	if cmd, ok := m.top().press(m, key); ok {
		return cmd
	}
	tab := slices.Index(m.views, m.stack[0])
	switch key {
	case "q":
		return m.leave()
	case "?":
		m.help, m.helpAt = true, 0
	case "esc", "backspace":
		return m.back()
	case "enter": // there is nothing to open
	case "tab", "right", "l":
		return m.show((tab + 1) % len(m.views))
	case "shift+tab", "left", "h":
		return m.show((tab + len(m.views) - 1) % len(m.views))
	case "r":
		return tea.Batch(m.sample(), m.readPage())
	case "space":
		m.frozen = !m.frozen
	default:
		if len(key) == 1 && key[0] >= '1' && int(key[0]-'1') < len(m.views) {
			return m.show(int(key[0] - '1'))
		}
		m.note = piece{"there is nothing on this key here: ? shows the keys", faint}
	}
	return nil
}
