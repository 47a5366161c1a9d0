package web

import (
	"io/fs"
	"net/http"
)

// Route is one of the routes, as tests see it.
type Route struct {
	Pattern string
	Right   Right
}

func Routes() []Route {
	var all []Route
	for _, rt := range (&Dashboard{}).routes() {
		all = append(all, Route{rt.pattern, rt.right})
	}
	return all
}

func Messages() map[string]map[string]string { return messages }

func Templates() fs.FS { return templateFiles }

// AssetSizes are bytes of each file, compressed.
func AssetSizes() map[string]int {
	sizes := map[string]int{}
	for _, a := range assets() {
		sizes[a.name] = len(a.zipped)
	}
	return sizes
}

func LanguageOf(r *http.Request) string { return languageOf(r) }

// Streams are how many live pages are open.
func (d *Dashboard) Streams() int {
	d.live.mu.Lock()
	defer d.live.mu.Unlock()
	return len(d.live.streams)
}
