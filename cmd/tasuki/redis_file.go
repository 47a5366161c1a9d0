package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxRedisFile is more than any URL needs.
const maxRedisFile = 64 << 10

// readRedisFile sets the server's URL to what --redis-file holds: one URL, with blanks
// and line ends around it. A secret that is mounted into a container, or that systemd
// hands over, is such a file; it is in no list of processes and in no environment.
func (a *app) readRedisFile() error {
	switch {
	case a.redisFile == "":
		return nil
	case a.redis != "":
		return usageError(errors.New("--redis and --redis-file: both are given: allowed is one of them"))
	}
	f, err := os.Open(a.redisFile)
	if err != nil {
		return usageError(fmt.Errorf("--redis-file: %w", err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRedisFile+1))
	if err != nil {
		return usageError(fmt.Errorf("--redis-file: %w", err))
	}
	text = bytes.TrimSpace(text)
	// Of what is in the file nothing is said: it may be another secret.
	if len(text) == 0 || len(text) > maxRedisFile || bytes.ContainsAny(text, " \t\r\n\x00") {
		return usageError(fmt.Errorf("--redis-file: %s: allowed is a file with the URL of the server and nothing else", a.redisFile))
	}
	a.redis, a.redisFile = string(text), ""
	return nil
}
