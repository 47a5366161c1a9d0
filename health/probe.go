package health

import (
	"encoding/json"
	"net/http"
)

// answer is the body of an answer.
type answer struct {
	OK      bool     `json:"ok"`
	Reasons []string `json:"reasons,omitempty"` // why not
}

// maxReasons are told: a supervisor logs what it gets.
const maxReasons = 10

// probe answers with the reasons that pick finds.
func (h *Health) probe(pick func(*look) []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "allowed are GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		l := h.look(r.Context())
		reasons := pick(&l)
		a := answer{OK: len(reasons) == 0, Reasons: reasons[:min(len(reasons), maxReasons)]}
		body, err := json.Marshal(a)
		if err != nil { // of texts there is none
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !a.OK {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		w.Write(append(body, '\n')) //nolint:errcheck // who has asked has gone
	})
}
