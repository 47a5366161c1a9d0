package proof

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// checkout is the root of the module: tests run in the directory of their package.
func checkout() string { return filepath.Join("..", "..") }

// inCheckout is a path that a flag has given: one that is not absolute begins where
// go.mod is, and not in the directory of the package, in which tests run.
func inCheckout(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(checkout(), path)
}

// commit is what was tested.
func commit() string {
	// With its subject: a branch may be rebased before others see it.
	hash, err := exec.Command("git", "log", "-1", "--format=%h (%s)", "--abbrev=12").Output()
	if err != nil {
		return "not known"
	}
	text := strings.TrimSpace(string(hash))
	// The reports themselves do not count.
	changed, err := exec.Command("git", "status", "--porcelain", "--", ":/", ":(exclude,top)docs/proof").Output()
	if err != nil || len(changed) > 0 {
		text += ", dirty"
	}
	return text
}

// niceness is the priority of this process and of those it starts, "" if it is the
// usual one or not known.
func niceness() string {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return ""
	}
	// The name of the command, in parentheses, is the second field; this the 19th.
	_, rest, _ := strings.Cut(string(text), ") ")
	if fields := strings.Fields(rest); len(fields) > 16 && fields[16] != "0" {
		return "; all processes of this run have nice " + fields[16]
	}
	return ""
}

// loadAverage is the system's own figure for one, five and fifteen minutes.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "not known"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
