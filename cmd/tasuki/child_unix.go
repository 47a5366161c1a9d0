//go:build unix

package main

import (
	"os"
	"syscall"
)

// terminate and kill are for the whole process group. That it has ended in between
// is no error: its number is not given to others at once, as numbers are given in
// turn.
func terminate(leader *os.Process) {
	syscall.Kill(-leader.Pid, syscall.SIGTERM) //nolint:errcheck // see above
	// One that is stopped hears nothing else.
	syscall.Kill(-leader.Pid, syscall.SIGCONT) //nolint:errcheck // see above
}

func kill(leader *os.Process) {
	syscall.Kill(-leader.Pid, syscall.SIGKILL) //nolint:errcheck // see above
}
