// Package tasuki runs background jobs on Redis lists.
//
// # The model
//
// A job is one element of a Redis list: a JSON object with a kind and arguments.
// A producer pushes it at the tail, a worker takes it at the head. An idle worker
// does not poll: it waits in a blocking move, so a job starts when it is pushed.
// A job that a worker has taken stays in Redis until its outcome is written, so
// that one whose worker dies is run by another.
//
//	Define ─► Enqueue ─► ready ─► claimed ─► held ─► run ─► settled
//	             │         ▲                          │
//	             │         ├── retry ◄────────────────┤ failed, snoozed
//	             └► scheduled                         └► dead: out of attempts, killed, poison
//
// A [Kind] is a value that both ends share. A [Client] enqueues: it is an
// [Enqueuer], as is whatever else takes jobs. A [Worker] takes jobs of one or more
// queues and runs handlers, as many at a time as it has slots.
//
//	var Welcome = tasuki.Define[string]("email.welcome")
//
//	client, err := tasuki.Open("redis://localhost:6379", nil)
//	info, err := Welcome.Enqueue(ctx, client, "Ada")
//
//	worker, err := tasuki.NewWorker(client, nil)
//	tasuki.Handle(worker, Welcome, func(ctx context.Context, job *tasuki.Job[string]) error { … })
//	err = worker.Run(ctx) // until ctx ends
//
// # What a handler returns
//
//	nil                   done, even if the context has ended
//	an error              a failed attempt: again after the backoff, dead after the last
//	RetryIn(d, err)       a failed attempt, again after d
//	Snooze(d)             again after d, no attempt counted
//	Kill(err)             dead
//
// An error after the context has ended is judged by the cause, [context.Cause]:
// after [ErrCancelled] the job is cancelled, after [ErrTimeout] the attempt has
// failed, after [ErrDeadline] the job is dead, after [ErrStopping] it goes back to
// the head and no attempt is counted; but Kill, and after the timeout or a stop
// Snooze, mean what they say all the same. After [ErrLeaseLost] nothing is written,
// whatever is returned. A panic is a failed attempt.
//
// # Around a handler
//
// The context of a handler knows its job: [Logger] and [LogHandler] log with its
// fields, [FromContext] returns it, [ContinueTrace] goes on with the trace that
// [CarryTrace] has put in. [WorkerConfig.OnChange] is told of every change of a job's
// state, also that one is dead. docs/context.md is about these.
//
// # Jobs that can be found
//
// With [Opts.Record] a job has a record under its address, QUEUE/ID: [Client.Get],
// [Client.Wait] and [Client.Watch] read it, [Client.Cancel], [Client.Reschedule],
// [Client.RunNow], [Client.Edit] and [Client.Remove] act on it. The jobs of a [Func]
// return a value. [Job.SetProgress], [Job.Checkpoint] and [RecordLog] write to it, and
// [Each] goes on where the last run has stopped. [Opts.Unique] keeps out what means the
// same as a job that is there. docs/recorded-jobs.md is about these.
//
// # Delivery
//
// Delivery is at least once. A job runs a second time when the process that ran it
// died, or was taken for dead, before its outcome was in Redis. Handlers have to
// stand that; [Job.Fence] helps a store that checks it. docs/guarantees.md says
// what holds under which fault.
//
// # Defaults
//
//	Opts.Queue, WorkerConfig.Queues   "default"
//	WorkerConfig.Concurrency          10 handlers at a time
//	WorkerConfig.MaxAttempts          20, about two days with DefaultBackoff
//	WorkerConfig.Timeout              none
//	Opts.Deadline, ExpireIn, ExpireAt none
//	WorkerConfig.Backoff              DefaultBackoff: 5 s · 1.7^(attempt-1), at most 24 h, ± 20 %
//	WorkerConfig.Grace                25 s from the stop until contexts end
//	WorkerConfig.DeadMax, DeadFor     10,000 dead jobs in each queue, 180 days
//	Opts.Keep, WorkerConfig.KeepMax   records of ended jobs stay 24 h, 10,000 in each queue
//	WorkerConfig.UnknownFor           24 h until a job that nobody handles is dead
//	ClientConfig.Namespace            "tasuki"
//	ClientConfig.MaxPayload           1 MiB of arguments
//	ClientConfig.SeenFor, SeenMax     ids of callers are known for 24 h, a million in each queue
//	ClientConfig.Replicas             none has to confirm a job; if told, for 1 s (ReplicasTimeout)
//	ClientConfig.Logger               slog.Default(), and for a worker that of its client
//
// # Reading the code
//
// The files in the order of a job's life: define.go, enqueue.go; fetch.go with
// exchange.go, wait.go and held.go; pool.go, run.go; settle.go; sweep.go. What they
// belong to: client.go, worker.go with session.go, heartbeat.go and stop.go; job.go,
// errors.go. Recorded jobs: record.go, unique.go and func.go for who enqueues,
// recording.go, notes.go and joblog.go for who runs. What stands around a job:
// context.go, trace.go, change.go. Below them are internal/native (a queue in tasuki's
// own format), internal/store (keys, commands and scripts; the scripts have the same
// stems) and internal/wire (the element). docs/life-of-a-job.md goes along.
package tasuki
