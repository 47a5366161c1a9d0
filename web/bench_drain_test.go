package web_test

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// drainer measures from the first job to the last of a number of them.
type drainer struct {
	want int64
	end  func()

	n, began, cpu atomic.Int64 // the last two in ns
	took          drained
}

func (d *drainer) one() {
	switch d.n.Add(1) {
	case 1:
		d.began.Store(time.Now().UnixNano())
		d.cpu.Store(int64(processorTime()))
	case d.want:
		d.took = drained{Wall: time.Duration(time.Now().UnixNano() - d.began.Load()), CPU: processorTime() - time.Duration(d.cpu.Load())}
		d.end()
	}
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // there is nothing about it that can fail
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func stopOnTerm(stop context.CancelCauseFunc) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	<-c
	stop(nil)
}
