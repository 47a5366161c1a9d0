package proof

import (
	"flag"
	"os"
	"testing"
	"time"

	"github.com/tasuki-dev/tasuki/internal/redistest"
)

var (
	scaleFlag   = flag.Float64("proof.scale", 0.01, "the size of each row; 1 is the full size")
	seedFlag    = flag.Uint64("proof.seed", 0, "the seed of all that is random; 0 for another one each time")
	reportFlag  = flag.String("proof.report", "", "a directory that gets ROW.md for each row that ran")
	ledgersFlag = flag.String("proof.ledgers", "", "a directory in which ledgers and logs are kept; else they go with the test")
	forFlag     = flag.Duration("proof.for", 2*time.Minute, "how long the soak has faults")
)

// The variables that make the test binary another process.
const (
	workerEnv    = "TASUKI_PROOF_WORKER"
	producerEnv  = "TASUKI_PROOF_PRODUCER"
	schedulerEnv = "TASUKI_PROOF_SCHEDULER"
)

func TestMain(m *testing.M) {
	var w workerConfig
	if redistest.Self(workerEnv, &w) {
		os.Exit(w.main())
	}
	var p producerConfig
	if redistest.Self(producerEnv, &p) {
		os.Exit(p.main())
	}
	var s schedulerConfig
	if redistest.Self(schedulerEnv, &s) {
		os.Exit(s.main())
	}
	redistest.Main(m)
}
