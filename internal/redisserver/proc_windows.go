package redisserver

import "syscall"

// Attr is for systems with process groups.
func Attr() *syscall.SysProcAttr { return nil }
