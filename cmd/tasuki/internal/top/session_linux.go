package top

import (
	"os"
	"syscall"
)

// isAlone tells whether the process leads its session: then there is no shell that could let it go
// on once it is suspended, and Linux does not suspend it. So it is in a container.
func isAlone() bool {
	session, _, errno := syscall.RawSyscall(syscall.SYS_GETSID, 0, 0, 0)
	return errno == 0 && int(session) == os.Getpid()
}
