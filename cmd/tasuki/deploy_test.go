package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
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
