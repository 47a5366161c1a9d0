package tasuki_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/inspect"
)

// What a recorded job logs is kept with its record.
func ExampleRecordLog() {
	export := tasuki.Define[int]("export").With(tasuki.Opts{Record: true})
	logger := slog.New(tasuki.RecordLog(slog.NewTextHandler(io.Discard, nil)))

	client, end := exampleClient()
	defer end()
	worker, err := tasuki.NewWorker(client, nil)
	check(err)
	tasuki.Handle(worker, export, func(ctx context.Context, job *tasuki.Job[int]) error {
		logger.InfoContext(ctx, "exported", "rows", job.Args)
		return nil
	})
	defer exampleRun(worker)()

	ctx := context.Background()
	info, err := export.Enqueue(ctx, client, 300)
	check(err)
	_, err = client.Wait(ctx, info.Address())
	check(err)
	lines, err := inspect.New(client).Log(ctx, info.Address(), 0)
	check(err)
	for _, line := range lines {
		_, text, _ := strings.Cut(line.Text, " ") // behind the time
		fmt.Println(line.N, text)
	}
	// Output:
	// 1 level=INFO msg=exported rows=300
}
