//go:build !unix

package main

import (
	"os"
	"syscall"
)

// groupOfItsOwn does nothing: there are no process groups here.
func groupOfItsOwn() *syscall.SysProcAttr { return nil }

// terminate kills: there is nothing gentler here.
func terminate(p *os.Process) { kill(p) }

func kill(p *os.Process) {
	p.Kill() //nolint:errcheck // it may have ended
}

func groupLives(*os.Process) bool { return false }
