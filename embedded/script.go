package embedded

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"regexp"
	"strings"
)

// miniredis reports every error of a script as one of its compilation.
const scriptFailed = "-ERR Error compiling script (new function): "

var (
	// at is where in the script an error was raised. error() with level 0 leaves it out.
	at = regexp.MustCompile(`^:(\d+): `)
	// code is the first word of an error reply.
	code = regexp.MustCompile(`^[A-Z][A-Z0-9_]* `)
)

// EVAL script numkeys [key …] [arg …], EVALSHA sha1 numkeys …
func eval(c *conn, p *port, args []string) {
	sha := strings.ToLower(args[1])
	if strings.HasPrefix(strings.ToUpper(args[0]), "EVALSHA") {
		args[1] = sha
	} else {
		sum := sha1.Sum([]byte(args[1]))
		sha = hex.EncodeToString(sum[:])
	}
	start, resp3 := len(p.replies()), p.Resp3
	c.srv.dispatch(p.Peer, args)
	p.Resp3 = resp3 // what a script said with redis.setresp outlasts it in miniredis if it fails
	reply := p.replies()[start:]
	if !bytes.HasPrefix(reply, []byte(scriptFailed)) {
		return
	}
	message := scriptError(string(reply[len(scriptFailed):len(reply)-2]), sha)
	p.buf.Truncate(start)
	p.WriteError(message)
}

// scriptError is how Redis 7 says what miniredis said of a script: with the error code first when it was a command that
// failed, for clients look at that.
func scriptError(said, sha string) string {
	said, trace, ran := strings.Cut(said, " stack traceback:")
	if !ran {
		return strings.TrimPrefix(scriptFailed, "-") + said
	}
	line := "?"
	where := at.FindStringSubmatch(said)
	if where != nil {
		line = where[1]
		said = said[len(where[0]):]
	}
	ofCommand := strings.HasPrefix(trace, "  [G]: in function 'call'")
	said, _, _ = strings.Cut(said, " script: "+sha)
	switch {
	case ofCommand && code.MatchString(said):
	case ofCommand || where == nil:
		said = "ERR " + said
	default:
		said = "ERR user_script:" + line + ": " + said
	}
	return said + " script: " + sha + ", on @user_script:" + line + "."
}

// SCRIPT LOAD|EXISTS|FLUSH
func script(c *conn, p *port, args []string) {
	switch sub := subcommand(args); sub {
	case "LOAD", "EXISTS", "FLUSH":
		c.srv.dispatch(p.Peer, args)
	default:
		p.WriteError("ERR " + unsupported("SCRIPT "+sub))
	}
}
