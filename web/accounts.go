package web

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Accounts know who may come in with a password (HTTP Basic) or a token (HTTP Bearer).
// They keep no secret, only sums with a key that lives as long as the process. Their
// Authorize is for Config.
type Accounts struct {
	key  []byte
	list []account
}

type account struct {
	actor Actor
	sum   []byte // the HMAC of the secret's SHA-256
}

const (
	leastSecret = 12
	mostSecret  = 1024
	mostName    = 128
)

// ReadAccounts reads accounts, one a line: a name, rights as ParseRights reads them, and a
// secret, with spaces or tabs between. The secret is what a browser asks for as the password,
// and what a program sends as its token. In place of it there may be its sum, as sha256:HEX.
// Empty lines and those that begin with # are left out.
func ReadAccounts(r io.Reader) (*Accounts, error) {
	a := &Accounts{key: make([]byte, 32)}
	if _, err := rand.Read(a.key); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := a.add(strings.Fields(line)); err != nil {
			return nil, fmt.Errorf("accounts: line %d: %w", n, err) // without the line: it has a secret
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	if len(a.list) == 0 {
		return nil, errors.New("accounts: there is none: allowed are lines of NAME RIGHTS SECRET")
	}
	return a, nil
}

func (a *Accounts) add(words []string) error {
	if len(words) != 3 {
		return fmt.Errorf("%d words: allowed are three: NAME RIGHTS SECRET", len(words))
	}
	name, secret := words[0], words[2]
	rights, err := ParseRights(words[1])
	switch {
	case err != nil:
		return err
	case len(name) > mostName || strings.ContainsAny(name, ":"):
		return fmt.Errorf("name: allowed are up to %d bytes without a colon", mostName)
	case slices.ContainsFunc(a.list, func(o account) bool { return o.actor.Name == name }):
		return fmt.Errorf("name %.128q: it is there twice", name)
	}
	sum := sha256.Sum256([]byte(secret))
	if text, ok := strings.CutPrefix(secret, "sha256:"); ok {
		if n, err := hex.Decode(sum[:], []byte(text)[:min(len(text), 2*len(sum))]); err != nil || n != len(sum) || len(text) != 2*n {
			return errors.New("secret: allowed behind sha256: are 64 hexadecimal digits")
		}
	} else if len(secret) < leastSecret || len(secret) > mostSecret {
		return fmt.Errorf("secret: allowed are %d to %d bytes", leastSecret, mostSecret)
	}
	a.list = append(a.list, account{Actor{name, rights}, a.seal(sum)})
	return nil
}

func (a *Accounts) seal(sum [sha256.Size]byte) []byte {
	h := hmac.New(sha256.New, a.key)
	h.Write(sum[:])
	return h.Sum(nil)
}

// Authorize returns the actor of a request, or ErrUnknown. It takes as long for a wrong secret
// as for a right one.
func (a *Accounts) Authorize(r *http.Request) (Actor, error) {
	name, secret, basic := r.BasicAuth()
	if !basic {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return Actor{}, ErrUnknown
		}
		secret = strings.TrimSpace(token)
	}
	if len(secret) > mostSecret {
		return Actor{}, ErrUnknown
	}
	sum := a.seal(sha256.Sum256([]byte(secret)))
	found := -1
	for i := range a.list {
		match := subtle.ConstantTimeCompare(sum, a.list[i].sum)
		if basic {
			match &= subtle.ConstantTimeCompare([]byte(name), []byte(a.list[i].actor.Name))
		}
		found = subtle.ConstantTimeSelect(match, i, found)
	}
	if found < 0 {
		return Actor{}, ErrUnknown
	}
	return a.list[found].actor, nil
}
