package wire

import "fmt"

const (
	kindRule  = "1 to 128 of A-Z a-z 0-9 . _ : / - beginning with a letter or digit"
	queueRule = "1 to 128 of A-Z a-z 0-9 . _ - beginning with a letter or digit"
	idRule    = "1 to 128 of A-Z a-z 0-9 . _ : @ = + ~ - beginning with a letter or digit"
)

// CheckKind returns an error that says what is allowed when kind is no kind.
func CheckKind(kind string) error { return checkName("kind", kind, "._:/-", kindRule) }

// CheckQueue does the same for a queue, and for a namespace, which has the same
// alphabet: neither may hold a brace or a colon, for they end up in key names.
func CheckQueue(field, queue string) error { return checkName(field, queue, "._-", queueRule) }

// CheckID does the same for an id that a caller chooses. It has no slash, so
// that an address QUEUE/ID has one meaning.
func CheckID(id string) error { return checkName("id", id, "._:@=+~-", idRule) }

func checkName(field, s, punctuation, rule string) error {
	ok := len(s) >= 1 && len(s) <= 128 && isAlphanumeric(s[0])
	for i := 1; ok && i < len(s); i++ {
		ok = isAlphanumeric(s[i]) || contains(punctuation, s[i])
	}
	if ok {
		return nil
	}
	if len(s) > 140 {
		return fmt.Errorf("%s: %q… (%d bytes): allowed are %s", field, s[:128], len(s), rule)
	}
	return fmt.Errorf("%s: %q: allowed are %s", field, s, rule)
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func contains(s string, c byte) bool {
	for i := range len(s) {
		if s[i] == c {
			return true
		}
	}
	return false
}
