// Package holes knows versions of Redis and Valkey with holes in what tasuki makes
// use of: scripts and blocking commands. It is a list to warn by, never to refuse:
// distributions mend a version and leave its number as it is.
package holes

import (
	"slices"
	"strconv"
	"strings"
)

// Hole is a mistake of the server that was published.
type Hole struct {
	IDs   string // CVE numbers
	What  string
	Fixed string // the version of the server's own line, or of the oldest newer one, that has it mended
}

// entry is one row of the list.
type entry struct {
	ids, what string
	since     map[string]string   // by product; missing: all versions
	fixed     map[string][]string // by product: the first good version of each line, the lowest first
}

// list was put together from the release notes of both projects and from the pull
// requests that brought the versions into the official images. What is marked with ?
// was not found there: it is taken from other lists, or from the order of releases.
var list = []entry{
	{
		ids: "CVE-2026-23479", what: "use after free when a blocked client is woken",
		since: map[string]string{"Redis": "7.2.0", "Valkey": "7.2.0"},
		fixed: map[string][]string{
			"Redis":  {"7.2.14" /* ? */, "7.4.9", "8.2.6", "8.4.3", "8.6.3"},
			"Valkey": {"7.2.13", "8.0.9", "8.1.7", "9.0.4", "9.1.0"}, // 8.0.8 was withdrawn
		},
	},
	{
		ids: "CVE-2026-23631", what: "use after free when a replica synchronises while a script runs",
		since: map[string]string{"Redis": "7.0.0" /* ?; 6.2 is not affected */, "Valkey": "7.2.0"},
		fixed: map[string][]string{
			"Redis":  {"7.2.14" /* ? */, "7.4.9", "8.2.6", "8.4.3", "8.6.3"},
			"Valkey": {"7.2.13", "8.0.9", "8.1.7", "9.0.4", "9.1.0"},
		},
	},
	{
		ids: "CVE-2025-49844, -46817, -46818, -46819", what: "a script can run code in the server, or as another user",
		fixed: map[string][]string{
			"Redis":  {"6.2.20", "7.2.11", "7.4.6", "8.0.4", "8.2.2"},
			"Valkey": {"7.2.11" /* ? */, "8.0.6" /* ? */, "8.1.4"},
		},
	},
	{
		ids: "CVE-2024-46981", what: "a script can run code in the server",
		fixed: map[string][]string{"Redis": {"6.2.17", "7.2.7", "7.4.2"}, "Valkey": {"7.2.8" /* ? */, "8.0.2" /* ? */}},
	},
	{
		ids: "CVE-2024-31449", what: "a script can overflow the server's stack",
		fixed: map[string][]string{"Redis": {"6.2.16", "7.2.6", "7.4.1" /* ? */}, "Valkey": {"7.2.7" /* ? */, "8.0.1" /* ? */}},
	},
	{
		ids: "CVE-2022-24834", what: "a script can overflow the server's heap with cjson",
		fixed: map[string][]string{"Redis": {"6.0.20" /* ? */, "6.2.13", "7.0.12" /* ? */}},
	},
}

// Of returns the holes that a version has by its number, the newest first; none for
// a product or a number that is not known.
func Of(product, version string) []Hole {
	v, ok := parse(version)
	if !ok {
		return nil
	}
	var holes []Hole
	for _, e := range list {
		if fixed := mendedIn(v, e.since[product], e.fixed[product]); fixed != "" {
			holes = append(holes, Hole{IDs: e.ids, What: e.what, Fixed: fixed})
		}
	}
	return holes
}

// mendedIn returns the version in which v is mended, or "" if it is whole.
func mendedIn(v [3]int, since string, fixed []string) string {
	if first, ok := parse(since); ok && slices.Compare(v[:], first[:]) < 0 {
		return ""
	}
	for _, text := range fixed {
		good, _ := parse(text)
		switch slices.Compare(v[:2], good[:2]) {
		case 0:
			if v[2] < good[2] {
				return text
			}
			return ""
		case -1:
			return text // its own line has no good version that is known
		}
	}
	return ""
}

func parse(text string) (v [3]int, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return v, false
	}
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

// IsOriginal tells whether a server runs a program as its makers have built it, by
// its path as INFO gives it: that of the official images. There the number says
// what is mended; of others it may lie.
func IsOriginal(executable string) bool {
	return slices.Contains([]string{"/data/redis-server", "/data/valkey-server"}, executable)
}
