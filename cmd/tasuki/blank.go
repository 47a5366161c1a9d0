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

// blankBegins blanks what follows on "://", if it is a secret or its begin.
func blankBegins(text string, secrets []string) string {
	for from := 0; ; {
		i := strings.Index(text[from:], "://")
		if i < 0 {
			return text
		}
		from += i + len("://")
		rest := text[from:]
		n := longest(secrets, func(secret string, n int) bool {
			return strings.HasPrefix(rest, secret[:n]) && (n == len(secret) || followsCut(rest[n:]))
		})
		if n > 0 {
			text = text[:from] + blanked + rest[n:]
			from += len(blanked)
		}
	}
}

// followsCut tells whether a text can stand behind what was cut: that ends the text or its
// quotes, and an escape may be what is left of a character.
func followsCut(rest string) bool {
	return rest == "" || strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, `\x`) || strings.HasPrefix(rest, "...")
}

// blankEnds blanks what stands before "@", if it is a secret or its end in quotes.
func blankEnds(text string, secrets []string) string {
	for to := len(text); ; {
		to = strings.LastIndexByte(text[:to], '@')
		if to < 0 {
			return text
		}
		head := text[:to]
		n := longest(secrets, func(secret string, n int) bool {
			before, found := strings.CutSuffix(head, secret[len(secret)-n:])
			return found && (n == len(secret) || before == "" || strings.HasSuffix(before, `"`))
		})
		if n > 0 {
			text = text[:to-n] + blanked + text[to:]
			to -= n
		}
	}
}

// longest is of how many bytes the largest part of a secret is that fits; 0 if none does.
func longest(secrets []string, fits func(secret string, n int) bool) int {
	most := 0
	for _, secret := range secrets {
		for n := len(secret); n > most; n-- {
			if fits(secret, n) {
				most = n
			}
		}
	}
	return most
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
