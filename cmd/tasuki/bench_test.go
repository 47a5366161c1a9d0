package main

import "testing"

// The benchmark runs, so that it does not rot; its figures are not judged.
func TestBench(t *testing.T) {
	t.Parallel()
	r := run(t, command(t, "bench", "--runs", "1", "--only", "enqueue", "-o", "json")).want(t, exitOK)
	report := decode[benchReport](t, r.stdout)
	for _, key := range []string{"enqueue_many_ratio", "enqueue_ratio"} {
		if report.Figures[key] <= 0 {
			t.Errorf("%s is %v", key, report.Figures[key])
		}
	}
	run(t, command(t, "bench", "--runs", "0")).want(t, exitUsage, "--runs")
	run(t, command(t, "bench", "-o", "xml")).want(t, exitUsage, "text and json")
}
