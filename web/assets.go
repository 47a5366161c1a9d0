package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed assets/*.css assets/*.js assets/*.svg
var assetFiles embed.FS

// asset is a file that pages refer to by a name with its sum in it, so that a browser may
// keep it for ever.
type asset struct {
	name   string // app-0123456789abcdef.css
	kind   string
	plain  []byte
	zipped []byte
}

// assets are the files by their plain names, and by those with the sum.
var assets = sync.OnceValue(func() map[string]*asset {
	all := map[string]*asset{}
	entries, _ := assetFiles.ReadDir("assets") // it was embedded, so it can be read
	for _, e := range entries {
		text, _ := assetFiles.ReadFile("assets/" + e.Name())
		sum := sha256.Sum256(text)
		ext := path.Ext(e.Name())
		a := &asset{name: strings.TrimSuffix(e.Name(), ext) + "-" + hex.EncodeToString(sum[:8]) + ext, kind: mime.TypeByExtension(ext), plain: text}
		var zipped bytes.Buffer
		z, _ := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
		_, _ = z.Write(text) // into memory
		_ = z.Close()
		a.zipped = zipped.Bytes()
		switch ext { // whatever the system's tables say
		case ".js":
			a.kind = "text/javascript; charset=utf-8"
		case ".css":
			a.kind = "text/css; charset=utf-8"
		case ".svg":
			a.kind = "image/svg+xml"
		}
		all[e.Name()], all[a.name] = a, a
	}
	return all
})

// assetURL is where a page finds a file.
func assetURL(name string) string { return "static/" + assets()[name].name }

func serveAsset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	a := assets()[name]
	if a == nil || a.name != name {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := a.plain
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = a.zipped
	}
	_, _ = w.Write(body) // who has gone away needs nothing
}

func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, q, _ := strings.Cut(strings.ReplaceAll(part, " ", ""), ";")
		if strings.EqualFold(name, "gzip") {
			q, given := strings.CutPrefix(q, "q=")
			return !given || strings.Trim(q, "0.") != ""
		}
	}
	return false
}
