//go:build unix && !linux

package redisserver

import "syscall"

// Attr puts a process into a process group of its own, so that Ctrl-C is
// for the test.
func Attr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
