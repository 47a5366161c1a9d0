package wire

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"time"
)

// Alphabet is Crockford's base 32 in lower case: its order is that of ASCII, so
// that ids sort by the time in front of them.
const Alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

const idLen = 26

// NewID returns an id for a job: 26 characters, 48 bits of milliseconds and 80
// random bits (the layout of https://github.com/ulid/spec, in lower case).
//
// The random bits come from math/rand/v2, which the runtime seeds from the
// operating system for every process: an id has to be unlike all others, not
// secret, and this costs nanoseconds.
func NewID(now time.Time) string {
	var b [idLen]byte
	ms := uint64(now.UnixMilli())
	for i := 9; i >= 0; i-- {
		b[i] = Alphabet[ms&31]
		ms >>= 5
	}
	encode(b[10:18], rand.Uint64())
	encode(b[18:26], rand.Uint64())
	return string(b[:])
}

// TimeOf returns when an id was made, if it looks like one of NewID.
func TimeOf(id string) (at time.Time, ok bool) {
	if len(id) != idLen {
		return time.Time{}, false
	}
	var ms int64
	for i := range len(id) {
		v := strings.IndexByte(Alphabet, id[i])
		if v < 0 {
			return time.Time{}, false
		}
		if i < 10 {
			ms = ms<<5 | int64(v)
		}
	}
	at = time.UnixMilli(ms)
	return at, at.Year() <= 9999
}

// NewToken returns 12 random characters (60 bits), for Job.Token.
func NewToken() string {
	var b [12]byte
	encode(b[:], rand.Uint64())
	return string(b[:])
}

// NewIncarnation returns the id of one start of a worker: 26 characters, 128
// bits from crypto/rand. Two workers with one id would run each other's jobs,
// so this does not rest on a seed that a copied virtual machine shares.
func NewIncarnation() string {
	var r [16]byte
	crand.Read(r[:]) // never fails: it crashes the program instead
	var b [idLen]byte
	encode(b[:13], binary.LittleEndian.Uint64(r[:8]))
	encode(b[13:], binary.LittleEndian.Uint64(r[8:]))
	return string(b[:])
}

// encode fills dst with the low bits of v, five to a character.
func encode(dst []byte, v uint64) {
	for i := range dst {
		dst[i] = Alphabet[v&31]
		v >>= 5
	}
}
