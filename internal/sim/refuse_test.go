package sim

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// refusal is a state of the server in which it does not do what it is asked.
type refusal int

// The states, and what a real server says in them.
const (
	willing  refusal = iota
	busy             // a script takes too long
	loading          // it has just been started
	full             // maxmemory, noeviction
	readOnly         // it is a replica now
)

var refusals = map[refusal]struct {
	name, says string
	is         func(name, script string) bool
}{
	busy:    {"-BUSY", "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", notHandshake},
	loading: {"-LOADING", "LOADING Redis is loading the dataset in memory", notHandshake},
	full: {"-OOM", "OOM command not allowed when used memory > 'maxmemory'.", func(name, script string) bool {
		// The other scripts begin with a write that a full server allows, and go on.
		return slices.Contains([]string{"RPUSH", "LPUSH", "SADD", "HSET", "ZADD", "BLMOVE"}, name) || script == "enqueue" || script == "settle_revive"
	}},
	readOnly: {"-READONLY", "READONLY You can't write against a read only replica.", func(name, script string) bool {
		return slices.Contains([]string{"RPUSH", "LPUSH", "SADD", "SREM", "HSET", "HDEL", "ZADD", "BLMOVE", "BLPOP", "EVAL", "EVALSHA"}, name) &&
			script != "sweep_observe" && script != "inspect_tally"
	}},
}

func notHandshake(name, _ string) bool {
	return !slices.Contains([]string{"HELLO", "CLIENT", "SUBSCRIBE", "UNSUBSCRIBE", "PUBLISH", "PING"}, name)
}

// scripts are the names of the library's scripts by hash.
var scripts = func() map[string]string {
	all := map[string]string{}
	files, err := filepath.Glob("../store/lua/*.lua")
	if err != nil {
		panic(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			panic(err)
		}
		sum := sha1.Sum(text)
		all[hex.EncodeToString(sum[:])] = strings.TrimSuffix(filepath.Base(file), ".lua")
	}
	return all
}()

// rewrite returns the whole commands at the beginning of b. While the server refuses, those that it refuses become a
// script that answers with the error: so it comes in the order of the replies.
func (n *network) rewrite(b []byte) []byte {
	n.mu.Lock()
	r, mode := refusals[n.refusal], n.refusal
	n.mu.Unlock()
	whole := b[:len(b)-left(b)]
	if mode == willing {
		return whole
	}
	var out []byte
	for len(whole) > 0 {
		size, words := command(whole)
		name, script := string(bytes.ToUpper(words[0])), ""
		switch name {
		case "EVALSHA":
			script = scripts[string(words[1])]
		case "EVAL":
			sum := sha1.Sum(words[1])
			script = scripts[hex.EncodeToString(sum[:])]
		}
		if r.is(name, script) {
			const says = "return redis.error_reply(ARGV[1])"
			out = fmt.Appendf(out, "*4\r\n$4\r\nEVAL\r\n$%d\r\n%s\r\n$1\r\n0\r\n$%d\r\n%s\r\n", len(says), says, len(r.says), r.says)
			n.mu.Lock()
			n.refused++
			n.mu.Unlock()
		} else {
			out = append(out, whole[:size]...)
		}
		whole = whole[size:]
	}
	return out
}

// left is how many bytes at the end of b are no whole command.
func left(b []byte) int {
	for len(b) > 0 {
		size, _ := command(b)
		if size == 0 {
			break
		}
		b = b[size:]
	}
	return len(b)
}

// command returns the size of the first command in b, 0 if it is not whole, and its first two words.
// https://redis.io/docs/latest/develop/reference/protocol-spec/#sending-commands-to-a-redis-server
func command(b []byte) (size int, words [2][]byte) {
	number := func(mark byte) (int, bool) {
		end := bytes.IndexByte(b[size:], '\n')
		if end < 0 {
			return 0, false
		}
		n, err := strconv.Atoi(string(b[size+1 : size+end-1]))
		if b[size] != mark || err != nil {
			panic(fmt.Sprintf("the client speaks in tongues: %q", b[size:size+end]))
		}
		size += end + 1
		return n, true
	}
	n, ok := number('*')
	if !ok {
		return 0, words
	}
	for i := range n {
		length, ok := number('$')
		if !ok || len(b) < size+length+2 {
			return 0, words
		}
		if i < len(words) {
			words[i] = b[size : size+length]
		}
		size += length + 2
	}
	return size, words
}
