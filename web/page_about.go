package web

import (
	"net/http"
	"runtime"
	"runtime/debug"
)

type aboutPage struct {
	Version, Revision, Go, Platform string
	Rights                          []Right
}

func (d *Dashboard) about(c *call) {
	p := &aboutPage{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Rights: Rights}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == "github.com/tasuki-dev/tasuki" && m.Version != "" {
				p.Version = m.Version
			}
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				p.Revision = s.Value
			}
		}
	}
	c.render(http.StatusOK, "about", c.T("about.title"), p)
}
