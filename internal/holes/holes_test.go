package holes

import (
	"slices"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	t.Parallel()
	const (
		woken   = "CVE-2026-23479"
		synced  = "CVE-2026-23631"
		lua2025 = "CVE-2025-49844, -46817, -46818, -46819"
		lua2024 = "CVE-2024-46981"
		bit     = "CVE-2024-31449"
		cjson   = "CVE-2022-24834"
	)
	for _, tt := range []struct {
		product, version string
		want             []string // each with the version that mends it
	}{
		{"Redis", "6.0.16", []string{lua2025 + " 6.2.20", lua2024 + " 6.2.17", bit + " 6.2.16", cjson + " 6.0.20"}},
		{"Redis", "6.2.20", nil},
		{"Redis", "7.0.11", []string{synced + " 7.2.14", lua2025 + " 7.2.11", lua2024 + " 7.2.7", bit + " 7.2.6", cjson + " 7.0.12"}},
		{"Redis", "7.0.15", []string{synced + " 7.2.14", lua2025 + " 7.2.11", lua2024 + " 7.2.7", bit + " 7.2.6"}},
		{"Redis", "7.2.0", []string{woken + " 7.2.14", synced + " 7.2.14", lua2025 + " 7.2.11", lua2024 + " 7.2.7", bit + " 7.2.6"}},
		{"Redis", "7.4.8", []string{woken + " 7.4.9", synced + " 7.4.9"}},
		{"Redis", "7.4.10", nil}, // not less than 7.4.9
		{"Redis", "8.0.6", []string{woken + " 8.2.6", synced + " 8.2.6"}},
		{"Redis", "8.6.3", nil},
		{"Redis", "8.10.1", nil},
		{"Valkey", "8.1.3", []string{woken + " 8.1.7", synced + " 8.1.7", lua2025 + " 8.1.4"}},
		{"Valkey", "9.0.4", nil},
		{"Valkey", "10.0.0", nil},
		{"Dragonfly", "1.0.0", nil},
		{"Redis", "", nil},
		{"Redis", "unstable", nil},
		{"Redis", "7.2.-1", nil},
	} {
		var got []string
		for _, h := range Of(tt.product, tt.version) {
			got = append(got, h.IDs+" "+h.Fixed)
			if h.What == "" {
				t.Errorf("%s: nothing is said of it", h.IDs)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s %s: %q, want %q", tt.product, tt.version, got, tt.want)
		}
	}
}

func TestListIsInOrder(t *testing.T) {
	t.Parallel()
	for _, e := range list {
		for product, fixed := range e.fixed {
			last := [3]int{}
			for _, text := range fixed {
				v, ok := parse(text)
				if !ok || slices.Compare(last[:2], v[:2]) >= 0 {
					t.Errorf("%s, %s: %q: want one version of each line, the lowest first", e.ids, product, fixed)
				}
				last = v
			}
		}
		if !strings.HasPrefix(e.ids, "CVE-") {
			t.Errorf("%q is no number", e.ids)
		}
	}
}

func TestIsOriginal(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{"/data/redis-server": true, "/data/valkey-server": true, "/usr/bin/redis-server": false, "": false} {
		if IsOriginal(path) != want {
			t.Errorf("%q: %t", path, !want)
		}
	}
}
