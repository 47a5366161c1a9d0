package tasuki_test

import (
	"context"
	"fmt"
	"runtime/pprof"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

// A profile says of which queue and kind the job was that took the time.
func ExamplePprofLabels() {
	worker := tasukitest.NewWorker(&tasuki.WorkerConfig{Use: []tasuki.Middleware{tasuki.PprofLabels}})
	resize := tasuki.Define[string]("image.resize")
	tasuki.Handle(worker, resize, func(ctx context.Context, job *tasuki.Job[string]) error {
		kind, _ := pprof.Label(ctx, "tasuki_kind") // as it stands in the profile
		fmt.Println("tasuki_kind is", kind)
		return nil
	})
	_, err := tasukitest.Run(context.Background(), worker, resize.Spec("cat.jpg"))
	check(err)
	// Output: tasuki_kind is image.resize
}
