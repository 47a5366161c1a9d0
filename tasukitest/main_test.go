package tasukitest_test

import (
	"testing"

	"github.com/tasuki-dev/tasuki"
	"github.com/tasuki-dev/tasuki/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

type welcomeArgs struct {
	Name string `json:"name"`
}

var (
	welcome = tasuki.Define[welcomeArgs]("email.welcome")
	number  = tasuki.Define[int]("number")
)
