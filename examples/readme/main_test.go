package main

import (
	"testing"
	"testing/synctest"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/tasukitest"
)

func TestWelcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // its five seconds pass at once
		worker := tasukitest.NewWorker(nil)
		tasuki.Handle(worker, Welcome, welcome)
		result, err := tasukitest.Run(t.Context(), worker, Welcome.Spec("Ada"))
		if err != nil || result.Outcome != tasukitest.Done {
			t.Errorf("%+v, %v", result, err)
		}
	})
}
