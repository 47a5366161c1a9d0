//go:build !linux

package top

func isAlone() bool { return false }
