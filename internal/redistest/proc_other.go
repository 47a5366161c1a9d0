//go:build unix && !linux

package redistest

import "syscall"

// sysProcAttr puts the server into a process group of its own, so that Ctrl-C is
// for the test.
func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
