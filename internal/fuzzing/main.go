// Command fuzzing runs every fuzz target of the repository, one after the other, and
// writes what came of it to a page.
//
//	go run ./internal/fuzzing -time 10m -log /var/tmp/fuzz.jsonl -report docs/proof
//
// Each target that has ended is a line in the log. A second call with the same log
// goes on behind the last, and one for which all have ended only writes the page.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// target is a function that go test -fuzz can call.
type target struct {
	Package string `json:"package"` // as go test takes it: ./internal/wire
	Name    string `json:"name"`
	Doc     string `json:"doc"` // the first sentence of its comment, without its name
}

// result is what a run of a target has come to.
type result struct {
	target
	Commit  string        `json:"commit"`
	Go      string        `json:"go"`
	Date    string        `json:"date"`
	Took    time.Duration `json:"took_ns"`
	Runs    int64         `json:"runs"`
	Corpus  int64         `json:"corpus"` // inputs that reach something of their own
	Finding string        `json:"finding,omitempty"`
}

func main() {
	long := flag.Duration("time", 10*time.Minute, "`DURATION` of each target")
	log := flag.String("log", "", "`FILE` of results, a line for each target that has ended")
	report := flag.String("report", "", "`DIRECTORY` in which to write fuzz.md")
	only := flag.String("run", "", "`REGEXP` of the names of targets; default all")
	flag.Parse()
	if err := run(*long, *log, *report, *only); err != nil {
		fmt.Fprintln(os.Stderr, "fuzzing:", err)
		os.Exit(1)
	}
}

func run(long time.Duration, log, report, only string) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	targets, err := find(".")
	if err != nil {
		return err
	}
	done, err := read(log)
	if err != nil {
		return err
	}
	failed := 0
	var all []result
	for _, t := range targets {
		if !pattern.MatchString(t.Name) {
			continue
		}
		i := slices.IndexFunc(done, func(r result) bool { return r.Package == t.Package && r.Name == t.Name })
		var r result
		if i >= 0 {
			r = done[i]
			r.Doc = t.Doc
		} else {
			fmt.Printf("%s %s for %v\n", t.Package, t.Name, long)
			if r, err = fuzz(t, long); err != nil {
				return err
			}
			if err := write(log, r); err != nil {
				return err
			}
			fmt.Printf("%d runs, a corpus of %d\n", r.Runs, r.Corpus)
		}
		if r.Finding != "" {
			failed++
			fmt.Printf("%s %s has found something:\n%s\n", t.Package, t.Name, r.Finding)
		}
		all = append(all, r)
	}
	if report != "" {
		if err := os.WriteFile(filepath.Join(report, "fuzz.md"), []byte(page(all)), 0o666); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d targets have found something", failed)
	}
	return nil
}

// find returns the targets below a directory, in the order of packages and files.
func find(root string) ([]target, error) {
	var targets []target
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			targets = append(targets, target{"./" + filepath.ToSlash(filepath.Dir(path)), f.Name.Name, sentence(f)})
		}
		return nil
	})
	if err == nil && len(targets) == 0 {
		err = errors.New("there is no target")
	}
	return targets, err
}

// sentence is the first of a function's comment, without the function's name.
func sentence(f *ast.FuncDecl) string {
	text := strings.Join(strings.Fields(f.Doc.Text()), " ")
	text, _, _ = strings.Cut(text, ". ")
	return strings.TrimLeft(strings.TrimSuffix(strings.TrimPrefix(text, f.Name.Name), "."), ": ")
}

// A line such as: fuzz: elapsed: 9s, execs: 42523 (5299/sec), new interesting: 9 (total: 690)
var progress = regexp.MustCompile(`execs: (\d+) .*\(total: (\d+)\)`)

// fuzz runs a target for a time, on one processor.
func fuzz(t target, long time.Duration) (result, error) {
	commit, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return result{}, fmt.Errorf("git describe: %w", err)
	}
	r := result{target: t, Commit: strings.TrimSpace(string(commit)), Go: runtime.Version(), Date: time.Now().UTC().Format(time.DateOnly)}
	// Minimizing what is only new to the coverage would take most of the time.
	cmd := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+t.Name+"$", "-fuzztime", long.String(), "-fuzzminimizetime", "100x",
		"-parallel", "1", "-timeout", "0", t.Package)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	r.Took = time.Since(start).Round(time.Second)
	for _, m := range progress.FindAllStringSubmatch(string(out), -1) {
		r.Runs, _ = strconv.ParseInt(m[1], 10, 64)
		r.Corpus, _ = strconv.ParseInt(m[2], 10, 64)
	}
	if err == nil {
		return r, nil
	}
	_, finding, failed := strings.Cut(string(out), "--- FAIL")
	if !failed {
		return r, fmt.Errorf("%v: %w\n%s", cmd.Args, err, out)
	}
	// On a busy machine go test takes the end of its time for a failure now and
	// then. A real one names the input.
	if strings.Contains(finding, t.Name+"/") || !strings.Contains(finding, "context deadline exceeded") {
		r.Finding = finding
	}
	return r, nil
}

func read(log string) (done []result, err error) {
	file, err := os.Open(log)
	if log == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("%s: %w", log, err)
		}
		done = append(done, r)
	}
	return done, lines.Err()
}

func write(log string, r result) error {
	if log == "" {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}

// page is what docs/proof/fuzz.md says.
func page(all []result) string {
	var b strings.Builder
	var runs, took = int64(0), time.Duration(0)
	for _, r := range all {
		runs += r.Runs
		took += r.Took
	}
	fmt.Fprintf(&b, `# Fuzzing

Everything that reads bytes from outside has a fuzz target: elements, names, URLs, flags and
their values, the lines that are read in bulk, the replies of the server. A target checks
what has to hold for any input, not only that nothing panics.

%d targets, %d runs in %v, each on one processor beside other work. What was found was mended
before; a run that finds something is named here.

| target | what it checks | time | runs | corpus | new findings | Go | commit | date |
|---|---|---|---|---|---|---|---|---|
`, len(all), runs, took.Round(time.Minute))
	for _, r := range all {
		finding := "none"
		if r.Finding != "" {
			finding = "**yes**"
		}
		fmt.Fprintf(&b, "| `%s` `%s` | %s | %v | %d | %d | %s | %s | %s | %s |\n",
			r.Package, r.Name, strings.ReplaceAll(r.Doc, "|", "\\|"), r.Took, r.Runs, r.Corpus, finding, strings.TrimPrefix(r.Go, "go"), r.Commit, r.Date)
	}
	b.WriteString(`
The corpus is how many inputs the fuzzer keeps because each reaches code, or reaches it in a
way, that no other does. It lies in Go's build cache. In the repository
(` + "`testdata/fuzz`" + `) lie only inputs that have found something once, and the seeds are in
the code; ` + "`make test`" + ` runs both.

## Once more

    make fuzz                      # every target for 10 minutes, and this page anew
    go test -run '^$' -fuzz '^FuzzParse$' ./internal/wire

An input that fails is written to ` + "`testdata/fuzz`" + ` of its package. It stays there with the
fix, as a test.
`)
	return b.String()
}
