package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// groupOfItsOwn puts a child into a process group of its own, so that a Ctrl-C in
// the terminal is not for it and all that it starts can be ended with it. It dies
// with the thread that has started it: see starter.
func groupOfItsOwn() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// groupLives tells whether a process of the group is left, whose leader was waited
// for. One that has ended belongs to the group until somebody waits for it, and
// the first process of a container may never do that, or be this one.
func groupLives(leader *os.Process) bool {
	for {
		if pid, err := syscall.Wait4(-leader.Pid, nil, syscall.WNOHANG, nil); pid <= 0 && err != syscall.EINTR {
			break
		}
	}
	if syscall.Kill(-leader.Pid, 0) != nil {
		return false
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return true
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return true
	}
	for _, name := range names {
		// proc(5): pid (name) state ppid pgrp …; the name can hold anything.
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // it is no process, or none any more
		}
		var state string
		var parent, group int
		_, err = fmt.Sscan(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), &state, &parent, &group)
		if err == nil && group == leader.Pid && state != "Z" && state != "X" {
			return true
		}
	}
	return false
}
