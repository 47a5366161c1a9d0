package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schedule stands in for the one that reads whole expressions.
type Schedule struct {
	every        time.Duration
	minute, hour int
	text         string
}

// Parse reads "@every D" and "M H * * *".
func Parse(expr, zone, name string) (*Schedule, error) {
	if zone != "" && zone != "UTC" {
		return nil, fmt.Errorf("zone: %q: unknown", zone)
	}
	if d, ok := strings.CutPrefix(expr, "@every "); ok {
		every, err := time.ParseDuration(d)
		if err != nil || every <= 0 {
			return nil, fmt.Errorf("expression: %q: no duration", expr)
		}
		return &Schedule{every: every, text: expr}, nil
	}
	f := strings.Fields(expr)
	if len(f) != 5 {
		return nil, fmt.Errorf("expression: %q: want five fields", expr)
	}
	m, err := strconv.Atoi(f[0])
	if err != nil {
		return nil, err
	}
	h, err := strconv.Atoi(f[1])
	if err != nil {
		return nil, err
	}
	return &Schedule{minute: m, hour: h, text: expr}, nil
}

// Next is the next time.
func (s *Schedule) Next(after time.Time) time.Time {
	if s.every > 0 {
		return after.Truncate(s.every).Add(s.every)
	}
	after = after.UTC()
	t := time.Date(after.Year(), after.Month(), after.Day(), s.hour, s.minute, 0, 0, time.UTC)
	if !t.After(after) {
		t = t.AddDate(0, 0, 1)
	}
	return t
}

// Explain says it in words.
func (s *Schedule) Explain(string) string { return s.text }

// Warnings are none.
func (s *Schedule) Warnings() []string { return nil }

func (s *Schedule) String() string { return s.text }
