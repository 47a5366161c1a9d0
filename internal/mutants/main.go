// Command mutants breaks the code on purpose, one mistake at a time, and demands that
// a test notices.
//
//	go run ./internal/mutants              # all of them
//	go run ./internal/mutants -run settle  # those with a name like this
//
// A mistake is a patch in this directory. What stands before its first file says in a
// sentence what goes wrong, and names the tests that have to fail:
//
//	An outcome is written although the job is not held any more.
//	Test: ./internal/store ^TestScripts$
//
// Each is applied to a copy of the tree, built and tested. A patch that does not
// apply or build, or that no test notices, is an error.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const dir = "internal/mutants"

// patience is how long the tests of one mutant may take: a mistake that stops
// everything is noticed by that.
const patience = 3 * time.Minute

// mutant is one mistake.
type mutant struct {
	name  string // of the file, without .patch
	patch string // its path
	what  string // goes wrong
	tests []check
}

// check is tests of one package.
type check struct{ pkg, run string }

func (c check) String() string { return c.pkg + " " + c.run }

// verdict is what came of a mutant.
type verdict struct {
	caught string // by which test; empty: by none
	err    error  // it could not be tried
	took   time.Duration
	output string
}

func main() {
	only := flag.String("run", "", "`REGEXP` of names; default all")
	jobs := flag.Int("j", 2, "`NUMBER` of mutants at a time")
	report := flag.String("report", "", "`DIRECTORY` in which to write mutants.md")
	first := flag.Bool("baseline", true, "run the tests on the tree as it is first: they have to pass")
	verbose := flag.Bool("v", false, "show what the tests of a mutant that survives have printed")
	flag.Parse()
	if err := run(*only, *jobs, *report, *first, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(only string, jobs int, report string, first, verbose bool) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	root, err := output(".", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	root = strings.TrimSpace(root)
	mutants, err := load(root)
	if err != nil {
		return err
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !pattern.MatchString(m.name) })
	if len(mutants) == 0 {
		return errors.New("there are no mutants of that name")
	}
	start := time.Now()
	if first {
		if err := baseline(root, mutants); err != nil {
			return err
		}
	}
	verdicts := make([]verdict, len(mutants))
	var wg sync.WaitGroup
	var printing sync.Mutex
	temp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	// A path that comes again has the packages that a mutant does not touch come from
	// the build cache.
	places := make(chan string, max(jobs, 1))
	for i := range cap(places) {
		places <- filepath.Join(temp, strconv.Itoa(i))
	}
	for i, m := range mutants {
		place := <-places
		wg.Go(func() {
			defer func() { places <- place }()
			v := try(root, place, m)
			verdicts[i] = v
			printing.Lock()
			defer printing.Unlock()
			fmt.Printf("%-9s %5.1fs  %-34s %s\n", v.word(), v.took.Seconds(), m.name, m.what)
			if v.err != nil {
				fmt.Println(v.err)
			}
			if v.word() != "caught" && verbose {
				fmt.Println(v.output)
			}
		})
	}
	wg.Wait()
	took := time.Since(start).Round(time.Second)
	bad := 0
	for _, v := range verdicts {
		if v.word() != "caught" {
			bad++
		}
	}
	fmt.Printf("%d mutants, %d caught, in %v\n", len(mutants), len(mutants)-bad, took)
	if report != "" {
		if err := os.WriteFile(filepath.Join(report, "mutants.md"), []byte(page(mutants, verdicts, took)), 0o666); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d mutants survive or cannot be tried", bad)
	}
	return nil
}

func (v verdict) word() string {
	switch {
	case v.err != nil:
		return "broken"
	case v.caught == "":
		return "SURVIVES"
	}
	return "caught"
}

var testLine = regexp.MustCompile(`(?m)^Test: (\./\S*|\.) (\S+)$`)

// load reads all patches, in the order of their names.
func load(root string) ([]mutant, error) {
	paths, err := filepath.Glob(filepath.Join(root, dir, "*.patch"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("there are no patches in %s (%v)", dir, err)
	}
	var mutants []mutant
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		head, _, ok := strings.Cut(string(text), "\n--- ")
		head, _, _ = strings.Cut(head, "\ndiff --git ")
		m := mutant{name: strings.TrimSuffix(filepath.Base(path), ".patch"), patch: path}
		for _, found := range testLine.FindAllStringSubmatch(head, -1) {
			m.tests = append(m.tests, check{found[1], found[2]})
		}
		m.what = strings.Join(strings.Fields(testLine.ReplaceAllString(head, "")), " ")
		if !ok || m.what == "" || len(m.tests) == 0 {
			return nil, fmt.Errorf("%s: before the first file there have to be a sentence and a line Test: ./PACKAGE ^NAME$", path)
		}
		mutants = append(mutants, m)
	}
	return mutants, nil
}

// baseline demands that the tests pass while nothing is broken: else they would
// notice everything.
func baseline(root string, mutants []mutant) error {
	tests := map[string][]string{}
	for _, m := range mutants {
		for _, c := range m.tests {
			if !slices.Contains(tests[c.pkg], c.run) {
				tests[c.pkg] = append(tests[c.pkg], c.run)
			}
		}
	}
	for pkg, runs := range tests {
		cmd := exec.Command("go", "test", "-count=1", "-run", strings.Join(runs, "|"), pkg)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("the tests of %s fail while nothing is broken: %w\n%s", pkg, err, out)
		}
	}
	return nil
}

// try applies a mutant to a copy of the tree, and runs its tests until one fails.
func try(root, tree string, m mutant) (v verdict) {
	start := time.Now()
	defer func() { v.took = time.Since(start) }()
	defer os.RemoveAll(tree)
	if err := copyTree(root, tree); err != nil {
		return verdict{err: err}
	}
	if _, err := output(tree, "git", "apply", m.patch); err != nil {
		return verdict{err: err}
	}
	for i, c := range m.tests {
		binary := filepath.Join(tree, fmt.Sprintf("mutant%d.test", i))
		if _, err := output(tree, "go", "test", "-ldflags=-w", "-c", "-o", binary, c.pkg); err != nil {
			return verdict{err: err}
		}
		pkg := filepath.Join(tree, c.pkg)
		if names, err := output(pkg, binary, "-test.list", c.run); err != nil || strings.TrimSpace(names) == "" {
			return verdict{err: fmt.Errorf("%v: there is no such test (%v)", c, err)}
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience+10*time.Second)
		cmd := exec.CommandContext(ctx, binary, "-test.run", c.run, "-test.timeout", patience.String(), "-test.failfast")
		cmd.Dir = pkg
		cmd.WaitDelay = 5 * time.Second // what it has started may hold its output
		out, err := cmd.CombinedOutput()
		cancel()
		v.output += string(out)
		if err != nil {
			v.caught = c.String()
			return v
		}
	}
	return v
}

// copyTree copies what git would: the working tree, without what is ignored.
func copyTree(root, to string) error {
	names, err := output(root, "git", "ls-files", "-z", "-co", "--exclude-standard")
	if err != nil {
		return err
	}
	for _, name := range strings.Split(strings.TrimSuffix(names, "\x00"), "\x00") {
		from, target := filepath.Join(root, name), filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
			return err
		}
		if err := copyFile(from, target); err != nil && !errors.Is(err, os.ErrNotExist) { // it was removed
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, info.Mode())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func output(dir string, words ...string) (string, error) {
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir = dir
	// A copy of the tree is in no repository, whatever lies above it.
	cmd.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+os.TempDir())
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(words, " "), err, out, errs.Bytes())
	}
	return string(out), nil
}

// page is what docs/proof/mutants.md says.
func page(mutants []mutant, verdicts []verdict, took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Mutants

A test that cannot fail proves nothing. So the code is broken on purpose, with one mistake at
a time, most of which other job queues have made or this one might have: each has to be
noticed by a test that is there for it.

%d mistakes, %s, %v with %s on %d processors.

| mistake | noticed by | seconds |
|---|---|---|
`, len(mutants), count(verdicts), took, runtime.Version(), runtime.NumCPU())
	for i, m := range mutants {
		v := verdicts[i]
		by := "**" + v.word() + "**"
		if v.caught != "" {
			by = "`" + strings.Trim(strings.TrimPrefix(v.caught, "./"), "^$") + "`"
			by = strings.ReplaceAll(strings.ReplaceAll(by, "^", ""), "|", "\\|")
		}
		fmt.Fprintf(&b, "| [%s](../../%s/%s.patch) %s | %s | %.0f |\n", m.name, dir, m.name, m.what, by, v.took.Seconds())
	}
	b.WriteString(`
## Once more

    make mutants
    go run ./internal/mutants -run NAME -v

It copies the tree for each, applies the patch, builds and runs the tests that it names. That
every patch applies and names a test that is there is checked by ` + "`make test`" + `.
`)
	return b.String()
}

func count(verdicts []verdict) string {
	bad := 0
	for _, v := range verdicts {
		if v.word() != "caught" {
			bad++
		}
	}
	if bad == 0 {
		return "all of them noticed"
	}
	return fmt.Sprintf("%d of them not", bad)
}
