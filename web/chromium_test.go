package web_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// chromium is a headless browser that is driven over pipes with the DevTools protocol: JSON
// messages with a NUL behind each.
type chromium struct {
	t   testing.TB
	cmd *exec.Cmd
	out io.WriteCloser

	mu    sync.Mutex
	last  int
	calls map[int]chan reply
	tabs  map[string]*tab // by session
}

type reply struct {
	Result json.RawMessage
	Error  *struct{ Message string }
}

func startChromium(t testing.TB) *chromium {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("there is no chromium: make setup installs it")
	}
	fromTest, toBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	fromBrowser, toTest, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	// Without the sandbox, as it cannot be had in many containers; the pages are our own. Nothing is
	// looked up, so that nothing leaves the machine.
	b := &chromium{t: t, out: toBrowser, calls: map[int]chan reply{}, tabs: map[string]*tab{}}
	b.cmd = exec.Command(path, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
		"--force-color-profile=srgb", "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--disable-sync", "--no-default-browser-check",
		"--disable-background-timer-throttling", "--disable-renderer-backgrounding", "--disable-backgrounding-occluded-windows", "--no-proxy-server",
		"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--user-data-dir="+home, "about:blank")
	b.cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home, "DBUS_SESSION_BUS_ADDRESS=disabled:")
	b.cmd.ExtraFiles = []*os.File{fromTest, toTest}
	b.cmd.WaitDelay = 5 * time.Second
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fromTest.Close()
	toTest.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.read(fromBrowser)
	}()
	t.Cleanup(func() {
		_, _ = b.call("", "Browser.close", nil) // it may have ended
		toBrowser.Close()
		done := make(chan struct{})
		go func() { b.cmd.Wait(); close(done) }() //nolint:errcheck // it ends as it likes
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			b.cmd.Process.Kill() //nolint:errcheck // it may have ended
			<-done
		}
		<-ended
		fromBrowser.Close()
	})
	return b
}

func (b *chromium) read(from io.Reader) {
	in := bufio.NewReaderSize(from, 1<<20)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			for id, c := range b.calls {
				delete(b.calls, id)
				c <- reply{Error: &struct{ Message string }{"the browser has ended"}}
			}
			return
		}
		var m struct {
			reply
			ID        int
			Method    string
			Params    json.RawMessage
			SessionID string
		}
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		if m.ID != 0 {
			if c := b.calls[m.ID]; c != nil {
				delete(b.calls, m.ID)
				c <- m.reply
			}
		} else if tab := b.tabs[m.SessionID]; tab != nil {
			tab.event(m.Method, m.Params)
		}
		b.mu.Unlock()
	}
}

func (b *chromium) call(session, method string, params any) (json.RawMessage, error) {
	b.mu.Lock()
	b.last++
	c := make(chan reply, 1)
	b.calls[b.last] = c
	message := map[string]any{"id": b.last, "method": method, "params": params}
	if params == nil {
		message["params"] = struct{}{}
	}
	if session != "" {
		message["sessionId"] = session
	}
	text, err := json.Marshal(message)
	if err == nil {
		_, err = b.out.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case r := <-c:
		if r.Error != nil {
			return nil, fmt.Errorf("%s: %s", method, r.Error.Message)
		}
		return r.Result, nil
	case <-time.After(60 * time.Second):
		return nil, fmt.Errorf("%s: no answer", method)
	}
}

// tab is a page of its own, with cookies of its own.
type tab struct {
	*chromium
	t       testing.TB
	session string

	events   sync.Mutex
	loaded   chan struct{}
	trouble  []string // what a page must not do
	requests []string // where something was fetched
}

// tripwire is in a page before anything of it.
const tripwire = `
window.tripped = []
window.trip = why => { window.tripped.push(String(why)) }
window.alert = window.confirm = window.prompt = window.trip
addEventListener('securitypolicyviolation', e => trip('csp: ' + e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sample))
addEventListener('error', e => trip('error: ' + e.message))
addEventListener('unhandledrejection', e => trip('rejection: ' + e.reason))`

func (b *chromium) open(t testing.TB, width, height int, dark bool, headers map[string]string) *tab {
	t.Helper()
	p := &tab{chromium: b, t: t, loaded: make(chan struct{}, 1)}
	var context struct{ BrowserContextID string }
	p.must("", "Target.createBrowserContext", nil, &context)
	var target struct{ TargetID string }
	p.must("", "Target.createTarget", map[string]any{"url": "about:blank", "browserContextId": context.BrowserContextID}, &target)
	var attached struct{ SessionID string }
	p.must("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	p.session = attached.SessionID
	b.mu.Lock()
	b.tabs[p.session] = p
	b.mu.Unlock()
	t.Cleanup(func() {
		_, _ = b.call("", "Target.disposeBrowserContext", map[string]any{"browserContextId": context.BrowserContextID}) // with the browser it goes too
		b.mu.Lock()
		delete(b.tabs, p.session)
		b.mu.Unlock()
	})
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	for _, c := range []struct {
		method string
		params any
	}{
		{"Page.enable", nil}, {"Runtime.enable", nil}, {"Log.enable", nil}, {"Network.enable", nil},
		{"Network.setExtraHTTPHeaders", map[string]any{"headers": headers}},
		{"Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": tripwire}},
		{"Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}},
		{"Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}},
		{"Emulation.setFocusEmulationEnabled", map[string]any{"enabled": true}},
	} {
		p.must(p.session, c.method, c.params, nil)
	}
	return p
}

func (p *tab) must(session, method string, params, result any) {
	p.t.Helper()
	text, err := p.call(session, method, params)
	if err == nil && result != nil {
		err = json.Unmarshal(text, result)
	}
	if err != nil {
		p.t.Fatalf("chromium: %s: %v", method, err)
	}
}

// event is called with the browser's lock.
func (p *tab) event(method string, params json.RawMessage) {
	p.events.Lock()
	defer p.events.Unlock()
	switch method {
	case "Page.loadEventFired":
		select {
		case p.loaded <- struct{}{}:
		default:
		}
	case "Page.javascriptDialogOpening", "Runtime.exceptionThrown":
		p.trouble = append(p.trouble, method+" "+string(params))
	case "Log.entryAdded":
		var log struct {
			Entry struct{ Level, Text, URL string }
		}
		_ = json.Unmarshal(params, &log) // of whatever it is, nothing is known
		// A page that says "not found" is one of ours.
		if log.Entry.Level == "error" && !strings.Contains(log.Entry.Text, "the server responded with a status of") {
			p.trouble = append(p.trouble, log.Entry.Text+" "+log.Entry.URL)
		}
	case "Network.requestWillBeSent":
		var sent struct{ Request struct{ URL string } }
		_ = json.Unmarshal(params, &sent)
		p.requests = append(p.requests, sent.Request.URL)
	}
}

// visit loads a page, and waits until it is there.
func (p *tab) visit(url string) {
	p.t.Helper()
	select {
	case <-p.loaded:
	default:
	}
	p.must(p.session, "Page.navigate", map[string]any{"url": url}, nil)
	p.waitLoad()
}

func (p *tab) waitLoad() {
	p.t.Helper()
	select {
	case <-p.loaded:
	case <-time.After(60 * time.Second):
		p.t.Fatal("chromium: the page is not loaded")
	}
}

// eval returns what an expression is, which may be a promise, as JSON.
func (p *tab) eval(expression string, value any) {
	p.t.Helper()
	var result struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	p.must(p.session, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &result)
	if e := result.ExceptionDetails; e != nil {
		p.t.Fatalf("chromium: %.100s: %s %s", expression, e.Text, e.Exception.Description)
	}
	if value != nil {
		if err := json.Unmarshal(result.Result.Value, value); err != nil {
			p.t.Fatalf("chromium: %.100s is %s: %v", expression, result.Result.Value, err)
		}
	}
}

// wait polls until an expression is true.
func (p *tab) wait(what, expression string) {
	p.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		var is bool
		p.eval("!!("+expression+")", &is)
		if is {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("chromium: waiting for %s: %s", what, expression)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// press presses a key, as "g" or "Enter".
func (p *tab) press(keys ...string) {
	p.t.Helper()
	for _, key := range keys {
		down := map[string]any{"type": "keyDown", "key": key}
		if len(key) == 1 {
			down["text"] = key
		}
		if key == "Enter" {
			down["text"], down["windowsVirtualKeyCode"] = "\r", 13
		}
		if key == "Escape" {
			down["windowsVirtualKeyCode"] = 27
		}
		p.must(p.session, "Input.dispatchKeyEvent", down, nil)
		p.must(p.session, "Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key}, nil)
	}
}

// troubles is what pages have done that they must not.
func (p *tab) troubles() []string {
	p.t.Helper()
	var tripped []string
	p.eval("window.tripped", &tripped)
	p.events.Lock()
	defer p.events.Unlock()
	all := append(tripped, p.trouble...)
	p.trouble = nil
	return all
}

// screenshot returns a PNG of what is seen.
func (p *tab) screenshot() []byte {
	p.t.Helper()
	var shot struct{ Data string }
	p.must(p.session, "Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	png, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	return png
}

var _ = context.Background
var _ = errors.New
