package redistest

import "syscall"

// sysProcAttr is for systems with process groups.
func sysProcAttr() *syscall.SysProcAttr { return nil }
