package store

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"path"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// script is one file of lua/. Its header says what it takes and gives; the Go
// function with its name is the only one that calls it.
type script struct {
	name string
	text string
	sha  string
}

// One variable for each file of lua/; a test demands it.
var (
	scriptCronTake      = loadScript("cron_take")
	scriptCronWrite     = loadScript("cron_write")
	scriptQueue         = loadScript("define_queue")
	scriptEnqueue       = loadScript("enqueue")
	scriptImport        = loadScript("enqueue_import")
	scriptMoved         = loadScript("enqueue_moved")
	scriptRecord        = loadScript("enqueue_record")
	scriptFetch         = loadScript("fetch")
	scriptDue           = loadScript("fetch_due")
	scriptOpen          = loadScript("fetch_open")
	scriptRegister      = loadScript("fetch_register")
	scriptAppend        = loadScript("inspect_append")
	scriptForgetFailure = loadScript("inspect_forget")
	scriptOperate       = loadScript("inspect_operate")
	scriptRecords       = loadScript("inspect_records")
	scriptRights        = loadScript("inspect_rights")
	scriptSurvey        = loadScript("inspect_survey")
	scriptTally         = loadScript("inspect_tally")
	scriptNote          = loadScript("run_note")
	scriptAct           = loadScript("settle_act")
	scriptDiscard       = loadScript("settle_discard")
	scriptLeave         = loadScript("settle_leave")
	scriptMove          = loadScript("settle_move")
	scriptRestore       = loadScript("settle_restore")
	scriptRevive        = loadScript("settle_revive")
	scriptStats         = loadScript("settle_stats")
	scriptUnlock        = loadScript("settle_unlock")
	scriptSweep         = loadScript("sweep")
	scriptAnnounce      = loadScript("sweep_announce")
	scriptBeat          = loadScript("sweep_beat")
	scriptElect         = loadScript("sweep_elect")
	scriptEnded         = loadScript("sweep_ended")
	scriptForget        = loadScript("sweep_forget")
	scriptObserve       = loadScript("sweep_observe")
	scriptTombstone     = loadScript("sweep_tombstone")
	scriptTrim          = loadScript("sweep_trim")
)

func loadScript(name string) *script {
	text, err := luaFiles.ReadFile(path.Join("lua", name+".lua"))
	if err != nil {
		panic(err) // the file is compiled in: its absence is a mistake in this list
	}
	sum := sha1.Sum(text)
	return &script{name: name, text: string(text), sha: hex.EncodeToString(sum[:])}
}

// exec runs the script by its hash, and by its text on a server that has not
// seen it (the first time, after SCRIPT FLUSH, a restart or a failover).
func (s *script) exec(ctx context.Context, c rueidis.CoreClient, keys, args []string) rueidis.RedisResult {
	return s.either(func(whole bool) rueidis.RedisResult { return c.Do(ctx, s.command(c.B(), whole, keys, args)) })
}

// execAlone is exec over a connection that nobody else uses meanwhile. It comes from the
// pool of blocking commands, not from Dedicate: a connection of that is sent UNSUBSCRIBE
// when it is given back, if rueidis has begun to read it all the time (a sign of life that
// crossed a call is enough). The answers of a server that is BUSY to this are counted
// wrong, and rueidis panics. So whoever has a dedicated connection closes it.
func (s *script) execAlone(ctx context.Context, c rueidis.CoreClient, keys, args []string) rueidis.RedisResult {
	return s.either(func(whole bool) rueidis.RedisResult {
		name, what := "EVALSHA", s.sha
		if whole {
			name, what = "EVAL", s.text
		}
		return c.Do(ctx, c.B().Arbitrary(name, what, strconv.Itoa(len(keys))).Keys(keys...).Args(args...).Blocking())
	})
}

// either calls the script by its hash, and by its text if the server does not know that.
func (s *script) either(do func(whole bool) rueidis.RedisResult) rueidis.RedisResult {
	reply := do(false)
	if err, ok := rueidis.IsRedisErr(reply.Error()); ok && strings.Contains(err.Error(), "NOSCRIPT") {
		reply = do(true)
	}
	return reply
}

// command calls the script by its hash, or by its text.
func (s *script) command(b rueidis.Builder, whole bool, keys, args []string) rueidis.Completed {
	if whole {
		return b.Eval().Script(s.text).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
	}
	return b.Evalsha().Sha1(s.sha).Numkeys(int64(len(keys))).Key(keys...).Arg(args...).Build()
}
