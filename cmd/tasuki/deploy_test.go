package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// deployed are the files of deploy that call the command, and what stands in each before
// a variable of it.
func deployed(t *testing.T) map[string]string {
	t.Helper()
	names := []string{"../../deploy/docker/Dockerfile", "../../deploy/systemd/tasuki-worker@.service"}
	manifests, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil || len(manifests) == 0 {
		t.Fatal("no manifests", err)
	}
	texts := map[string]string{}
	for _, name := range append(names, manifests...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	return texts
}

// calls are the arguments with which a file of deploy calls the command.
func calls(text string) [][]string {
	var all [][]string
	for _, found := range regexp.MustCompile(`(?m)^ *args: \[(.*)\]$|ENTRYPOINT \["/usr/local/bin/tasuki", (.*)\]$|^ExecStart=/usr/local/bin/tasuki (.*)$`).FindAllStringSubmatch(text, -1) {
		split := strings.Split(found[1]+found[2], ", ")
		if found[3] != "" {
			split = strings.Fields(found[3])
		}
		for i, word := range split {
			split[i] = strings.Trim(word, `"`)
		}
		all = append(all, split)
	}
	return all
}

// TestDeployedCalls: what is in deploy calls the command as it is.
func TestDeployedCalls(t *testing.T) {
	t.Parallel()
	var called int
	for name, text := range deployed(t) {
		for _, args := range calls(text) {
			called++
			cmd, rest, err := newRoot().Find(args)
			if err != nil || cmd.Parent() == nil {
				t.Errorf("%s: %q is no command (%v)", name, args, err)
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%s: %q: %v", name, args, err)
				continue
			}
			if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Errorf("%s: %q: %v", name, args, err)
			}
		}
	}
	if called < 4 {
		t.Errorf("%d calls were found, of four that there are", called)
	}
}

// TestDeployedVariables: every variable in deploy is one of the command.
func TestDeployedVariables(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	root := newRoot()
	for _, cmd := range append(root.Commands(), root) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known[envOf(f.Name)] = true })
		cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { known[envOf(f.Name)] = true })
	}
	for name, text := range deployed(t) {
		for _, found := range regexp.MustCompile(`\b(TASUKI_[A-Z_]*[A-Z])( *=|, value|\b.*tasuki )`).FindAllStringSubmatch(text, -1) {
			if !known[found[1]] {
				t.Errorf("%s: no flag has the variable %s", name, found[1])
			}
		}
	}
}

// TestDeployedGrace: Kubernetes waits for as long as a stop may take.
func TestDeployedGrace(t *testing.T) {
	t.Parallel()
	text := deployed(t)["../../deploy/kubernetes/worker.yaml"]
	grace := regexp.MustCompile(`--grace, ([0-9a-z]+),`).FindStringSubmatch(text)
	period := regexp.MustCompile(`terminationGracePeriodSeconds: ([0-9]+)`).FindStringSubmatch(text)
	if grace == nil || period == nil {
		t.Fatal("no grace, or no period")
	}
	d, err := time.ParseDuration(grace[1])
	seconds, _ := strconv.Atoi(period[1])
	if least := d + stopSlack; err != nil || time.Duration(seconds)*time.Second < least {
		t.Errorf("terminationGracePeriodSeconds is %d, and a stop may take %v", seconds, least)
	}
}
