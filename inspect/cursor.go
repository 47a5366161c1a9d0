package inspect

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
)

// ErrCursor says that a cursor is none of this query.
var ErrCursor = errors.New("cursor: allowed is the Cursor of a Page of the same query")

// position is where a page ends: a place, and how far in it. What has been read last is known
// again by sums of its elements, as a list shifts while it is pushed to and taken from.
type position struct {
	Query string `json:"h"` // sum of the query
	Queue string `json:"q"`
	State int    `json:"s"`           // index in States
	Part  string `json:"p,omitempty"` // of the places of a state, which
	Node  int    `json:"o,omitempty"` // of a SCAN for those that are parked
	Scan  uint64 `json:"c,omitempty"`

	Index int64    `json:"i,omitempty"` // how many lie before
	Left  int64    `json:"l,omitempty"` // how many lay behind
	Read  int64    `json:"r,omitempty"` // how many were read in this place
	Score float64  `json:"z,omitempty"` // of the last one in a sorted set
	Same  int64    `json:"m,omitempty"` // how many with this score lie before
	Last  []uint32 `json:"e,omitempty"` // sums of the last elements, the last one first
}

// lastSums is how many elements a position knows again.
const lastSums = 8

const maxCursor = 4096

// sum of a query, so that its cursors are known from those of others.
func (q *Query) sum() string {
	h := fnv.New64a()
	h.Write([]byte(q.String()))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func elementSum(element string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(element))
	return h.Sum32()
}

// cursor is the position as a text that a URL can have.
func (p *position) cursor() string {
	p.Score = min(max(p.Score, -math.MaxFloat64), math.MaxFloat64) // JSON has no infinity, and a sorted set has
	text, _ := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(text)
}

// parseCursor reads what cursor has written; "" is the begin.
func parseCursor(q *Query, cursor string) (*position, error) {
	if cursor == "" {
		return nil, nil
	}
	if len(cursor) > maxCursor {
		return nil, fmt.Errorf("%w: this one has %d bytes", ErrCursor, len(cursor))
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, fmt.Errorf("%w: this one is damaged", ErrCursor)
	}
	var p position
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("%w: this one is damaged", ErrCursor)
	}
	if p.Query != q.sum() {
		return nil, fmt.Errorf("%w: this one is of another", ErrCursor)
	}
	const most = math.MaxInt64 / 4
	for _, n := range []int64{p.Index, p.Left, p.Read, p.Same} {
		if n < 0 || n > most {
			return nil, fmt.Errorf("%w: this one is damaged", ErrCursor)
		}
	}
	if p.State < 0 || p.State >= len(States) || p.Node < 0 || len(p.Last) > lastSums || !q.hasQueue(p.Queue) {
		return nil, fmt.Errorf("%w: this one is damaged", ErrCursor)
	}
	return &p, nil
}
