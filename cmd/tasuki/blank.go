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
		secrets := []string{rest[:at], escaped[1 : len(escaped)-1]}
		text = blankEnds(blankBegins(text, secrets), secrets)
	}
	return text
}

const blanked = "xxxxx"

// blankBegins blanks what follows on "://", if it is a secret or its begin. One that
// was cut ends the text or its quotes; an escape may be what is left of a character.
func blankBegins(text string, secrets []string) string {
	for from := 0; ; {
		i := strings.Index(text[from:], "://")
		if i < 0 {
			return text
		}
		from += i + len("://")
		most := 0
		for _, secret := range secrets {
			n := 0
			for n < len(secret) && strings.HasPrefix(text[from:], secret[:n+1]) {
				n++
			}
			// Back to where it may have been cut: a quote can be the text's or the secret's.
			for n > 0 && n < len(secret) && text[from+n:] != "" && !strings.HasPrefix(text[from+n:], `"`) &&
				!strings.HasPrefix(text[from+n:], `\x`) && !strings.HasPrefix(text[from+n:], "...") {
				n--
			}
			most = max(most, n)
		}
		if most > 0 {
			text = text[:from] + blanked + text[from+most:]
			from += len(blanked)
		}
	}
}

// blankEnds blanks what stands before "@", if it is a secret or its end in quotes.
func blankEnds(text string, secrets []string) string {
	for to := len(text); ; {
		to = strings.LastIndexByte(text[:to], '@')
		if to < 0 {
			return text
		}
		most := 0
		for _, secret := range secrets {
			n := 0
			for n < len(secret) && strings.HasSuffix(text[:to], secret[len(secret)-n-1:]) {
				n++
			}
			for n > 0 && n < len(secret) && n < to && text[to-n-1] != '"' {
				n--
			}
			most = max(most, n)
		}
		if most > 0 {
			text = text[:to-most] + blanked + text[to:]
			to -= most
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
