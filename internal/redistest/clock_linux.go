package redistest

import (
	_ "embed"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

//go:embed testdata/clock.c
var clockSource []byte

// Clock is the clock of a server that StartWithClock has started.
type Clock struct{ file *os.File }

// StartWithClock is Start for a server whose clock can be set: that of the day, the
// monotonic one stays as it is. It needs a C compiler; a missing one is a failure,
// never a skip.
func StartWithClock(t testing.TB, args ...string) (*Server, *Clock) {
	t.Helper()
	dir := t.TempDir()
	source, library, name := filepath.Join(dir, "clock.c"), filepath.Join(dir, "clock.so"), filepath.Join(dir, "offset")
	if err := os.WriteFile(source, clockSource, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("cc", "-shared", "-fPIC", "-O1", "-Wall", "-o", library, source).CombinedOutput()
	if err != nil {
		t.Fatalf("redistest: cc: %v\n%s\ninstall a C compiler (apt-get install gcc libc6-dev), or run make test, which does", err, out)
	}
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	c := &Clock{file}
	c.Set(t, 0)
	s := start(t, []string{"LD_PRELOAD=" + library, "REDISTEST_CLOCK=" + name}, args)
	return s, c
}

// Set has the server's clock differ from that of the machine by d from now on.
func (c *Clock) Set(t testing.TB, d time.Duration) {
	t.Helper()
	var word [8]byte
	binary.NativeEndian.PutUint64(word[:], uint64(d))
	if _, err := c.file.WriteAt(word[:], 0); err != nil {
		t.Fatalf("redistest: clock: %v", err)
	}
}
