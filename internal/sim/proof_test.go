package sim

// introduction is the beginning of docs/proof/simulation.md, which the test writes with -sim.proof.
const introduction = `# Simulation

Written by ` + "`TestSimulation`" + ` of internal/sim with ` + "`-sim.proof`" + `; the text comes from proof_test.go there.

## What it is

Whole clients and workers run in one process: the library as it is, with beat, observer, sweeper, timers and waits. Each
of their *processes* has a host of its own on a network in memory, and all reach the embedded server. Everything is in a
bubble of testing/synctest, so the clock is fake, and that of the server (TIME in scripts, time limits of BLMOVE) is
the same: half an hour of silence takes no time.

A seed is a scenario. It says how many processes there are, with which workers, queues (strict or by weight) and slots; which
jobs are enqueued when, alone or together, for later, with an id given twice; what each handler does each time (succeed,
fail, snooze, RetryIn, Kill, panic, Goexit, wait for the end of its context, ignore it, end its process) and how long it
takes; when queues are paused, added and removed, processes stopped and started, jobs cancelled; and what goes wrong, when
and to whom. There are six weathers: calm, deaths of processes, cuts of connections, silence, a server that refuses
or forgets, and all of it.

When the faults have ended everything has to drain. Then a ledger in memory, which producers and handlers have
written, is compared with the server:

- Every job that was accepted has ended, once: its queue has counted as many ends as jobs are in, it is dead for
  a reason that its handlers gave, or a handler has succeeded whose process was alive. An enqueue that was answered
  with an error other than ` + "`ErrUncertain`" + ` never runs. A second enqueue of an id changes nothing.
- A job runs beside itself only if the process of the earlier run was killed, or away for so long that it may be taken
  for dead. Fencing numbers grow from run to run.
- No worker runs more jobs than it has slots; no process two suspects.
- Nothing begins before its time, whether scheduled, snoozed or retried.
- ` + "`inspect.Check`" + ` finds nothing, no key of a worker is left, every worker stops, and no goroutine stays.
- In calm weather: nothing is more than a second late, and every job runs exactly as often as its handler asks for.
- When one process is killed beside others: its jobs run again within 8 s.

## What it is not

- One seed gives one scenario, but not one order of goroutines: the library's jitter and the scheduler are not seeded. So
  a violation may need several runs of its seed. The command that is printed makes twenty.
- A process cannot be frozen or killed inside of another. A frozen one is a host on which nothing arrives in either
  direction, and later all of it does; a killed one has lost its connections for ever, and its handlers are told to
  end. Real signals are for the tests that [guarantees.md](../guarantees.md) names.
- The server is the embedded one, and its refusals are put in its mouth by the network. It loses nothing by itself.
- Of the three records that name a worker a seed loses two at most: what a worker held that dies and is in none of
  them, nobody can find.
- Idle connections are not closed after half a minute as they are otherwise: rueidis holds a lock over a round trip
  then, and in a bubble who waits for a lock stops the clock.

## Again

    go test -race ./internal/sim                                               # as many seeds as fit into 50 s
    go test ./internal/sim -run TestSimulation -sim.seeds=100000 -timeout 0    # more
    go test ./internal/sim -run TestSimulation -sim.seed=1234                  # one, and what happens in it

`
