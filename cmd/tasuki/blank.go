package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
)

// wordsOf is what the call was given: its arguments, and tasuki's variables.
func wordsOf(args []string) []string {
	words := slices.Clone(args)
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "TASUKI_") {
			words = append(words, value)
		}
	}
	return words
}

// blank takes out of a text about some words what stands in one of them between
// "://" and "@": it can be a password, wherever the URL was given. In the text a word
// may be escaped, or only its begin or its end.
func blank(text string, words []string) string {
	for _, word := range words {
		_, rest, _ := strings.Cut(word, "://")
		at := strings.LastIndexByte(rest, '@')
		if at < 1 {
			continue
		}
		escaped := strconv.Quote(rest[:at])
		for _, secret := range []string{rest[:at], escaped[1 : len(escaped)-1]} {
			text = blankOne(text, secret)
		}
	}
	return text
}

func blankOne(text, secret string) string {
	const blanked = "xxxxx"
	for from := 0; ; {
		i := strings.Index(text[from:], "://")
		if i < 0 {
			break
		}
		from += i + len("://")
		n := 0
		for n < len(secret) && strings.HasPrefix(text[from:], secret[:n+1]) {
			n++
		}
		if end := text[from+n:]; n == len(secret) || n > 0 && (end == "" || strings.HasPrefix(end, `"`) || strings.HasPrefix(end, "...")) {
			text = text[:from] + blanked + end
		}
	}
	for from := 0; ; {
		i := strings.IndexByte(text[from:], '@')
		if i < 0 {
			return text
		}
		from += i + 1
		before := text[:from-1]
		n := 0
		for n < len(secret) && strings.HasSuffix(before, secret[len(secret)-n-1:]) {
			n++
		}
		if begin := before[:len(before)-n]; n > 0 && (n == len(secret) || begin == "" || strings.HasSuffix(begin, `"`)) {
			text = begin + blanked + text[from-1:]
			from = len(begin) + len(blanked) + 1
		}
	}
}

// hasStrayURL tells whether a server's URL stands where none belongs.
func hasStrayURL(args []string) bool {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		scheme, _, isURL := strings.Cut(arg, "://")
		if isURL && slices.Contains([]string{"redis", "rediss", "valkey", "valkeys", "unix"}, scheme) && (i == 0 || args[i-1] != "--redis") {
			return true
		}
	}
	return false
}
