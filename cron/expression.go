package cron

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // for machines that have no time zones of their own
)

// maxLength bounds an expression, in bytes.
const maxLength = 256

// The longest interval of @every.
const maxEvery = 366 * 24 * time.Hour

// Schedule is an expression that was read: it says when an entry runs. It does not
// change, and any number of goroutines may use it. Its zero value is none: Parse
// makes one.
type Schedule struct {
	text  string // as String returns it, without the zone
	every int64  // seconds; of @every, and then no field is of use

	second, minute, hour values
	date, month, weekday values
	plainDates           bool // the days are those of date.plain

	clock clock
}

// shorthands are the names of common expressions.
var shorthands = map[string]string{
	"@hourly":   "0 * * * *",
	"@daily":    "0 0 * * *",
	"@midnight": "0 0 * * *",
	"@weekly":   "0 0 * * 0",
	"@monthly":  "0 0 1 * *",
	"@yearly":   "0 0 1 1 *",
	"@annually": "0 0 1 1 *",
}

// Parse reads an expression: five fields, or six with the second in front, or one
// of the shorthands, such as @daily and @every 90s. docs/cron-expressions.md has
// the whole syntax.
//
// zone is the name of a time zone, such as Europe/Berlin. Without one it is that of
// the expression, which may begin with CRON_TZ=Europe/Berlin, and else UTC. Two
// that differ are an error. name is that of the entry: H takes its values from it.
//
// An error names the field, what was given and what is allowed.
func Parse(expr, zone, name string) (*Schedule, error) {
	s, err := parse(expr, zone, name)
	if err != nil {
		return nil, fmt.Errorf("cron: %w", err)
	}
	return s, nil
}

func parse(expr, zone, name string) (*Schedule, error) {
	if len(expr) > maxLength {
		return nil, fmt.Errorf("the expression has %d bytes: allowed are %d", len(expr), maxLength)
	}
	words := strings.Fields(expr)
	if len(words) > 0 {
		if key, given, ok := strings.Cut(words[0], "="); ok && (key == "CRON_TZ" || key == "TZ") {
			switch {
			case given == "":
				return nil, fmt.Errorf("%s=: the time zone is missing: allowed is a name such as Europe/Berlin", key)
			case zone != "" && zone != given:
				return nil, fmt.Errorf("two time zones, %.80q and %s=%.80q: allowed is one", zone, key, given)
			}
			zone, words = given, words[1:]
		}
	}
	location, err := findZone(zone)
	if err != nil {
		return nil, err
	}
	s := &Schedule{clock: clock{zone: location}}
	switch {
	case len(words) == 0:
		return nil, errors.New("the expression is empty: allowed are five fields such as 0 9 * * MON-FRI, six with the second in front, and @daily, @every 90s and the like")
	case strings.HasPrefix(words[0], "@"):
		return s, s.readShorthand(words)
	}
	s.text = strings.ToUpper(strings.Join(words, " "))
	return s, s.readFields(words, name)
}

// findZone returns a time zone by its name.
func findZone(name string) (*time.Location, error) {
	if name == "Local" { // is another one on every machine
		return nil, errors.New(`time zone "Local": allowed are names such as Europe/Berlin, and UTC: this one would mean something else on every machine`)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone %.80q is unknown: allowed are the names of the IANA database, such as Europe/Berlin, and UTC", name)
	}
	return zone, nil
}

// readShorthand reads what begins with @.
func (s *Schedule) readShorthand(words []string) error {
	name := strings.ToLower(words[0])
	if name == "@every" {
		return s.readEvery(words[1:])
	}
	expr, ok := shorthands[name]
	switch {
	case name == "@reboot":
		return errors.New("@reboot: there is no such moment for entries that many processes share: enqueue the job when the program starts")
	case !ok:
		return fmt.Errorf("%.80q: allowed are @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, and @every with an interval", words[0])
	case len(words) > 1:
		return fmt.Errorf("%s takes nothing behind it: leave out %.80q", name, words[1])
	}
	s.text = name
	return s.readFields(strings.Fields(expr), "")
}

func (s *Schedule) readEvery(words []string) error {
	const allowed = "allowed are whole seconds from 1s to 8784h, such as 90s or 1h30m"
	switch {
	case len(words) == 0:
		return errors.New("@every: the interval is missing: " + allowed)
	case len(words) > 1:
		return fmt.Errorf("@every takes one interval: leave out %.80q", words[1])
	}
	every, err := time.ParseDuration(words[0])
	if err != nil || every < time.Second || every > maxEvery || every%time.Second != 0 {
		return fmt.Errorf("@every: interval %.80q: %s", words[0], allowed)
	}
	s.every = int64(every / time.Second)
	s.text = "@every " + every.String()
	return nil
}

// readFields reads five or six fields.
func (s *Schedule) readFields(words []string, name string) error {
	into := []*values{&s.second, &s.minute, &s.hour, &s.date, &s.month, &s.weekday}
	kinds := fields[:]
	switch len(words) {
	case 5:
		s.second.plain = 1
		into, kinds = into[1:], kinds[1:]
	case 6:
	default:
		n := fmt.Sprintf("%d fields", len(words))
		if len(words) == 1 {
			n = fmt.Sprintf("%.80q is 1 field", words[0])
		}
		return fmt.Errorf("%s: allowed are 5, which are minute, hour, day of month, month and day of week, or 6 with the second in front", n)
	}
	for i, word := range words {
		var err error
		if *into[i], err = kinds[i].read(word, name); err != nil {
			return fmt.Errorf("%s (field %d): %w", kinds[i].name, i+1, err)
		}
	}
	d, w := s.date, s.weekday
	s.plainDates = w.wildcard && w.plain == span(0, 6) && d.fromLast|d.nearest == 0 && !d.lastWorkday
	if !s.happens() {
		return fmt.Errorf("day of month %.80q and month %.80q: there is no such day in any year, so that it would never run", words[len(words)-3], words[len(words)-2])
	}
	return nil
}

// happens tells whether there is a day on which it runs. The calendar repeats
// itself after 400 years, weekdays included.
func (s *Schedule) happens() bool {
	for year := 2000; year < 2400; year++ {
		for month := range s.month.plain.all() {
			if s.datesOf(year, time.Month(month)) != 0 {
				return true
			}
		}
	}
	return false
}

// String returns the expression, in capitals and with single spaces, and begins with
// CRON_TZ= unless the zone is UTC. Parse makes the same schedule of it, given the
// same name.
func (s *Schedule) String() string {
	if zone := s.clock.zone.String(); zone != "UTC" {
		return "CRON_TZ=" + zone + " " + s.text
	}
	return s.text
}

// Zone returns the time zone: UTC if none was given.
func (s *Schedule) Zone() *time.Location { return s.clock.zone }
