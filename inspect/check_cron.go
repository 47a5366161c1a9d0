package inspect

import (
	"maps"
	"slices"
)

// cron looks at the periodic entries. What is odd at one look may be about to be changed: a
// problem is what is odd at two.
func (c *check) cron() error {
	odd, err := c.oddEntries()
	if err != nil || len(odd) == 0 {
		return err
	}
	again, err := c.oddEntries()
	for _, name := range slices.Sorted(maps.Keys(odd)) {
		if again[name] == odd[name] {
			c.add(Problem{Key: c.store.CronEntry(name), What: odd[name], Do: "set the entry again, or remove it: tasuki cron"})
		}
	}
	return err
}

// oddEntries says of periodic entries what should not be.
func (c *check) oddEntries() (map[string]string, error) {
	odd := map[string]string{}
	due, err := c.store.CronDue(c.ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for last := ""; ; {
		names, err := c.store.CronNames(c.ctx, last, 500)
		if err != nil {
			return nil, err
		}
		entries, err := c.store.CronEntries(c.ctx, names)
		if err != nil {
			return nil, err
		}
		for i, name := range names {
			known[name], c.explained[c.store.CronEntry(name)] = true, true
			switch e := &entries[i]; {
			case e.Err != nil:
				odd[name] = "the periodic entry cannot be read: it is no hash, or its version is no number"
			case e.Version == 0:
				odd[name] = "the directory of periodic entries names it, and it is not there"
			case e.Turn != "" && !due[name]:
				odd[name] = "the periodic entry never comes due"
			}
		}
		if len(names) < 500 {
			break
		}
		last = names[len(names)-1]
	}
	for name := range due {
		if !known[name] {
			odd[name] = "it comes due, and the directory of periodic entries does not name it"
		}
	}
	return odd, nil
}
