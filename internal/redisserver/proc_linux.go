package redisserver

import "syscall"

// Attr puts a process into a process group of its own, so that Ctrl-C is
// for the test, and has it die with the test binary however that ends.
func Attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
