package redistest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// userPassword is that of all users. It is an odd one, so that every test shows
// that such a password arrives.
const userPassword = `p@ss:w/rd?#%20&`

// ACL returns the words of a user of deploy/acl: "producer", "worker", "operator" or
// "viewer".
func ACL(t testing.TB, role string) []string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "..", "deploy", "acl", role+".acl"))
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	words := strings.Fields(string(text))
	if len(words) < 3 || words[0] != "user" || words[1] != "tasuki-"+role {
		t.Fatalf("redistest: %s.acl does not begin with user tasuki-%s", role, role)
	}
	return words
}

// As makes the user of deploy/acl that has a role, for one namespace and for the
// lists of other programs whose name has it in it, and returns the URL with that
// user.
func (s *Server) As(t testing.TB, role, namespace string) string {
	t.Helper()
	words := ACL(t, role)
	name := role + "-" + namespace
	command := []string{"ACL", "SETUSER", name}
	for _, word := range words[2:] {
		switch {
		case strings.HasPrefix(word, ">"):
			word = ">" + userPassword
		case strings.HasPrefix(word, "~"), strings.HasPrefix(word, "&"):
			word = strings.Replace(word, "tasuki:", namespace+":", 1)
		}
		command = append(command, word)
	}
	command = append(command, "~"+namespace+"[^:]*", "~?*"+namespace+"*")
	s.must(t, command...)
	u := url.URL{Scheme: "unix", User: url.UserPassword(name, userPassword), Path: s.Socket()}
	return u.String()
}

// As returns the URL of the shared server with a user of a role, if url is the
// shared server's; else url, as on a server of its own a test decides itself.
func As(t testing.TB, url, role, namespace string) string {
	t.Helper()
	s := shared.server.Load()
	if s == nil || url != s.URL() {
		return url
	}
	return s.As(t, role, namespace)
}

// refusals is what the server has refused to users, as ACL LOG tells it; "" if
// nothing. Scripts may hide it, as they go on where they can.
func (s *Server) refusals() (string, error) {
	conn, err := net.Dial("unix", s.Socket())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	fmt.Fprint(conn, "ACL LOG\r\n")
	raw, _, err := readReply(bufio.NewReader(conn))
	if err != nil || bytes.HasPrefix(raw, []byte("*0")) {
		return "", err
	}
	if !bytes.HasPrefix(raw, []byte("*")) {
		return "", errors.New(string(raw))
	}
	return string(raw), nil
}

// StartWithACL starts a server with a file of users, in place of those that it has by
// itself.
func StartWithACL(t testing.TB, users string, args ...string) *Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users.acl")
	if err := os.WriteFile(file, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	return Start(t, append([]string{"--aclfile", file}, args...)...)
}
