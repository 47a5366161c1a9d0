package proof

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// ledger is a file to which one process appends what happens. Several processes
// may append to one.
type ledger struct {
	file *os.File
	mu   sync.Mutex
	line []byte // guarded by mu
}

func openLedger(name string) (*ledger, error) {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return &ledger{file: f}, nil
}

// note appends a line with one write(2): when note returns, the line is in the file
// whatever becomes of the process. What cannot be noted must not go on.
func (l *ledger) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line = append(fmt.Appendf(l.line[:0], format, args...), '\n')
	if _, err := l.file.Write(l.line); err != nil {
		panic(err)
	}
}

func (l *ledger) close() { l.file.Close() }

// micros is the time in ledgers: µs since 1970. All processes have one clock.
func micros() int64 { return time.Now().UnixMicro() }

// The lines of ledgers. N is the number of a job, T a time in micros, R the number
// of a run within its process.
//
// A producer:
//
//	try FIRST COUNT          jobs are about to be enqueued in one call
//	accepted FIRST COUNT     it has returned no error for these
//	uncertain FIRST COUNT    ErrUncertain
//	full FIRST COUNT         ErrFull: they are not in
//	refused FIRST COUNT      another error: they are not in
//
// A worker:
//
//	up T                     the process has begun
//	id WORKER                the id under which it is listed in Redis
//	start R N T              a handler begins
//	fence R F                it knows its fencing number; 0 if the job was lost before
//	end R T HOW              it is about to return: ok, fail, snooze, kill, or why it gave up
//	took WORKER T            it has put back what a worker held that it took for dead
//	gone T                   it was taken for dead itself
//	exit T                   a job is about to end the process
//	down T                   Run has returned
//
// The nemesis, PROCESS being the name of a ledger of a worker:
//
//	kill PROCESS T           kill -9, noted just before it is sent: a line of the process can be later
//	stop PROCESS T, cont PROCESS T    SIGSTOP and SIGCONT, both noted before
//	cut PROCESS T, heal PROCESS T     replies to it are lost
//	sever T                  connections are closed, and can be made anew
//	fault T WHAT             anything else
