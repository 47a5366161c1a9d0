// Package proof holds the long proofs of what docs/guarantees.md promises: tests
// that kill, freeze, cut and fill up real processes and servers, count what became
// of every job, and write a report.
//
// go test ./internal/proof runs every row at a hundredth of its size. At full size,
// with a report and a seed:
//
//	go test ./internal/proof -run 'TestKillWorkers$' -timeout 3h \
//		-proof.scale=1 -proof.seed=7 -proof.report=docs/proof
//
// # How it works
//
// Every process keeps a ledger: an append-only file that gets a line with one
// write(2) for each thing that happens, before it takes effect or right after it was
// answered. A ledger survives kill -9 of who writes it. Jobs are numbers from 0 on;
// producers note which they tried and what they were told, workers note the begin,
// the fencing number and the end of each run, the test itself notes each fault. At
// the end the ledgers are read and compared with what is in Redis: see judge.
//
// # How to add a row
//
// A row is a test in a file of its own, such as kill_workers_test.go:
//
//	// TestSomething does this and that.
//	//
//	//fault:area what happens | what holds
//	func TestSomething(t *testing.T) {
//		r := begin(t, "something", "One sentence that says what was done.")
//		s := r.site(redistest.Start(t))          // a namespace on a server, with ledgers
//		w := s.startWorker("w1", workerConfig{}) // a process
//		s.produce(plan{Jobs: r.scaled(100_000), Rate: 1000, Batch: 10})
//		… w.kill(), w.restart(), w.freeze(), s.noteFault("what") …
//		s.drain()                                // waits until all is done
//		s.stopWorkers()
//		v := s.judge(tolerance{})                // reads ledgers and Redis
//		r.judged(v)                              // lost, phantom, … as figures with aims
//		r.figure("kills", kills)                 // more figures; r.demand is for those with an aim
//	}
//
// Everything random comes from r.rng, which comes from the seed. Sizes go through
// r.scaled; a figure that only means something at full size or on a quiet machine is
// r.timing, which fails the test at full size only.
package proof
