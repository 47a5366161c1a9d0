//go:build unix && !linux

package main

import (
	"os"
	"syscall"
)

// groupOfItsOwn puts a child into a process group of its own, so that a Ctrl-C in
// the terminal is not for it and all that it starts can be ended with it. Nothing
// here ends it when this process is killed.
func groupOfItsOwn() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// groupLives tells whether a process of the group is left.
func groupLives(leader *os.Process) bool { return syscall.Kill(-leader.Pid, 0) == nil }
