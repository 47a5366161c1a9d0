package inspect

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tasuki-dev/tasuki/internal/holes"
	"github.com/tasuki-dev/tasuki/internal/legible"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// Thresholds of what is measured.
const (
	roundTrips = 25
	// An observer counts a round only if its answer came within half a second: slower
	// ones delay the notice of deaths.
	slowestRound = 500 * time.Millisecond
	// Every job costs a round trip, shared with others only when many run.
	slowRound = 10 * time.Millisecond
	// A replica confirms once a second what it has.
	laggingAfter = 10
	clockApart   = time.Second
)

// rounds looks at the way to the server.
func (d *doctor) rounds() error {
	took, err := d.store.RoundTrips(d.ctx, roundTrips)
	if err = d.unknown("latency", "TIME", err); err != nil {
		return err
	}
	if len(took) > 0 {
		slices.Sort(took)
		half, most := took[len(took)/2], took[len(took)-1]
		what := fmt.Sprintf("a round trip takes %v (p50), the slowest of %d took %v", legible.Duration(half), len(took), legible.Duration(most))
		const do = "look for a busy server (SLOWLOG), a slow network, or a machine without time for either"
		switch {
		case most > slowestRound:
			d.add("latency", Warning, what, "beyond 500 ms the workers' watch over each other stands still, and a death is noticed late", do)
		case half > slowRound:
			d.add("latency", Note, what, "a worker starts a job after one round trip and ends it with another", do)
		default:
			d.add("latency", OK, what, "", "")
		}
	}
	ahead, within, err := d.store.Ahead(d.ctx)
	if err != nil {
		return d.unknown("clock", "TIME", err)
	}
	if apart := ahead.Abs(); apart <= clockApart+within {
		d.add("clock", OK, fmt.Sprintf("the clocks of this machine and of Redis are %v apart, to within %v", legible.Duration(apart), legible.Duration(within)), "", "")
		return nil
	}
	where := "ahead of"
	if ahead < 0 {
		where = "behind"
	}
	d.add("clock", Warning, fmt.Sprintf("Redis' clock is %v %s this machine's, to within %v", legible.Duration(ahead.Abs()), where, legible.Duration(within)),
		"jobs for a time of day that programs here enqueue start that much early or late, and ages that are shown are wrong; nothing else goes by these clocks",
		"run NTP on both machines")
	return nil
}

// servers looks at what each server says of itself.
func (d *doctor) servers() error {
	mode, err := d.store.Mode(d.ctx)
	if err != nil {
		return err
	}
	servers, err := d.store.Servers(d.ctx, true)
	if err != nil {
		return err
	}
	all := d.findings
	for i := range servers {
		d.findings = nil
		d.server(&servers[i], mode)
		for _, f := range d.findings {
			if len(servers) > 1 {
				f.What = servers[i].Address + ": " + f.What
			}
			all = append(all, f)
		}
	}
	d.findings = all
	return nil
}

func (d *doctor) server(v *store.Server, mode string) {
	if v.Err != nil {
		d.away = true
		d.add("server", Danger, "it does not answer: "+v.Err.Error(),
			"the jobs of the queues that it has wait until it is back, or a replica takes its place; other queues go on, if cluster-require-full-coverage is no",
			"start it, or look at the network between it and here")
		return
	}
	product, version := v.Product()
	switch {
	case v.InfoErr != nil:
		_ = d.unknown("server", "INFO", v.InfoErr) // it is a refusal
	case v.IsEmbedded():
		d.add("server", Note, fmt.Sprintf("%s, like Redis %s, on this machine", product, version), "it lives in a process and keeps nothing: it is for a first try and for tests", "")
	default:
		d.add("server", OK, fmt.Sprintf("%s %s, %s%s, up for %s", product, version, mode, role(v), uptime(v)), "", "")
		d.holes(product, version, v.Info["executable"])
	}
	d.persistence(v)
	if v.IsEmbedded() {
		return // what follows it does not have
	}
	d.eviction(v)
	d.memory(v)
	d.clients(v)
	d.replicas(v)
}

func role(v *store.Server) string {
	if v.Info["role"] == "slave" {
		return ", a replica"
	}
	return ""
}

func uptime(v *store.Server) string {
	n, _ := v.Int("uptime_in_seconds")
	return legible.Duration(time.Duration(n) * time.Second)
}

func (d *doctor) holes(product, version, executable string) {
	all := holes.Of(product, version)
	if len(all) == 0 {
		return
	}
	text := make([]string, len(all))
	for i, h := range all {
		text[i] = fmt.Sprintf("%s: %s (mended in %s)", h.IDs, h.What, h.Fixed)
	}
	level := Note // the number may lie
	if holes.IsOriginal(executable) {
		level = Warning
	}
	d.add("holes", level, fmt.Sprintf("by its number, %s %s has known holes: %s", product, version, strings.Join(text, "; ")),
		"who may run scripts or blocking commands there may take over the server. Distributions mend holes and keep the number, so this may not be true of yours",
		"compare with your distribution's list, or upgrade; let nobody but tasuki's users reach the server")
}

func (d *doctor) persistence(v *store.Server) {
	const name = "persistence"
	// With appendonly in its file or on its command line, and no AOF yet, Redis begins
	// with an empty one, and leaves the snapshot unread.
	const keep = "run CONFIG SET appendonly yes on the running server, wait until INFO persistence shows aof_rewrite_in_progress:0 " +
		"and aof_rewrite_scheduled:0, then write it into the server's file, with appendfsync everysec; not by a restart, which would begin empty"
	if v.IsEmbedded() {
		d.add(name, Danger, "nothing is written to a disk", "when the process ends, all jobs are gone", "use a Redis or Valkey server for what matters")
		return
	}
	save, told := v.Config["save"]
	if v.Info == nil {
		_ = d.unknown(name, "INFO", v.InfoErr)
		return
	}
	if v.Info["aof_enabled"] == "1" {
		switch fsync := v.Config["appendfsync"]; {
		case v.ConfigErr != nil:
			d.add(name, Note, "AOF is on; how often it is written to the disk is unknown, because CONFIG is refused",
				"with appendfsync everysec about the last second is lost when the machine dies, with always nothing, with no about half a minute", "look at appendfsync in the server's configuration")
		case fsync == "always":
			d.add(name, OK, "AOF, appendfsync always", "nothing that was answered is lost when Redis or its machine dies", "")
		case fsync == "no":
			d.add(name, Warning, "AOF, appendfsync no", "what the system has not written yet, about half a minute, is lost when the machine dies", "set appendfsync to everysec")
		default:
			d.add(name, OK, "AOF, appendfsync "+fsync, "nothing that was answered is lost when Redis dies, about the last second when its machine does", "")
		}
		if v.Info["aof_last_write_status"] == "err" {
			d.add(name, Danger, "the last write to the AOF has failed", "Redis refuses writes: nothing can be enqueued or settled", "look at the server's log and at its disk")
		}
		if v.Info["aof_last_bgrewrite_status"] == "err" {
			d.add(name, Warning, "the AOF could not be rewritten the last time", "it grows until that works", "look at the server's log, its disk, and its memory (vm.overcommit_memory)")
		}
	} else {
		since := ""
		if n, ok := v.Int("rdb_last_save_time"); ok && n > 0 {
			changes, _ := v.Int("rdb_changes_since_last_save")
			since = fmt.Sprintf("; the last is of %s, and %s ago", time.Unix(n, 0).UTC().Format(time.RFC3339), count(changes, "change"))
		}
		switch {
		case !told:
			d.add(name, Warning, "AOF is off; whether snapshots are made is unknown, because CONFIG is refused", "what was accepted since the last snapshot is lost when Redis or its machine dies, and everything if there are none", keep)
		case save == "":
			d.add(name, Danger, "neither AOF nor snapshots are on", "all jobs are gone when Redis or its machine restarts, and a replica forgets them too", keep)
		default:
			d.add(name, Warning, "snapshots only (save "+save+")"+since, "what was accepted since the last snapshot is lost when Redis or its machine dies", keep)
		}
	}
	if v.Info["rdb_last_bgsave_status"] == "err" {
		const what, do = "the last snapshot has failed", "look at the server's log, its disk, and its memory (vm.overcommit_memory)"
		if told && save == "" {
			d.add(name, Warning, what, "new replicas and backups need one; writes go on, as no save points are configured", do)
		} else {
			d.add(name, Danger, what, "Redis refuses writes while that is so, unless stop-writes-on-bgsave-error is no", do)
		}
	}
}

func (d *doctor) eviction(v *store.Server) {
	const name, do = "eviction", "set maxmemory-policy to noeviction; a cache belongs into a server of its own"
	policy := v.Policy()
	limit, _ := v.Int("maxmemory")
	switch {
	case policy == "":
		d.add(name, Note, "unknown, because INFO and CONFIG are refused", "with any policy but noeviction a full server may remove jobs", "see that maxmemory-policy is noeviction")
	case v.Evicts():
		means := "when the server is full it removes keys, and jobs with them, without a word"
		if limit == 0 {
			means = "as soon as somebody sets maxmemory, the server removes keys when it is full, and jobs with them, without a word"
		}
		d.add(name, Danger, "maxmemory-policy is "+policy, means, do)
	case policy == "noeviction":
		d.add(name, OK, "maxmemory-policy is noeviction", "when the server is full it refuses new jobs, and keeps those that it has", "")
	default:
		d.add(name, Warning, "maxmemory-policy is "+policy, "keys with an expiry are removed when the server is full; tasuki's have none, but what else shares the server may", do)
	}
	if n := v.Evicted(); n > 0 {
		d.add(name, Danger, count(n, "key")+" removed since the server started, because it was full", "jobs may have been among them",
			"run tasuki check: counters that do not add up show it. "+do)
	}
}

func (d *doctor) memory(v *store.Server) {
	const name = "memory"
	used, ok := v.Int("used_memory")
	if !ok {
		return // said under server
	}
	limit, _ := v.Int("maxmemory")
	machine, _ := v.Int("total_system_memory")
	if limit == 0 {
		what := fmt.Sprintf("%s in use, and no maxmemory", size(used))
		if machine > 0 {
			what += fmt.Sprintf("; the machine has %s", size(machine))
		}
		level, means := Note, "a backlog grows until the system ends the server"
		if machine > 0 && used > machine/10*8 {
			level = Warning
		}
		d.add(name, level, what, means, "set maxmemory to what the machine can spare, about two thirds of it")
		return
	}
	what := fmt.Sprintf("%s of %s in use, %s left", size(used), size(limit), size(max(limit-used, 0)))
	const do = "raise maxmemory, add workers, or look for what else grows there"
	switch {
	case used >= limit-limit/100: // what it counts moves with the buffers of clients
		d.add(name, Danger, what, "new jobs are refused (ErrFull) if nothing is evicted; workers go on with those that are there", do)
	case used > limit/10*9:
		d.add(name, Warning, what, "when it is full, new jobs are refused", do)
	default:
		d.add(name, OK, what, "", "")
	}
}

func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

func (d *doctor) clients(v *store.Server) {
	have, ok := v.Int("connected_clients")
	most, ok2 := v.Int("maxclients")
	if !ok || !ok2 {
		return
	}
	what := fmt.Sprintf("%s of at most %d", count(have, "connection"), most)
	if have*10 > most*9 {
		d.add("clients", Warning, what, "beyond it nobody can connect. A worker has about 5 connections and 2 for each of its queues, a producer with Replicas up to 64", "raise maxclients, and the limit of open files with it")
	} else {
		d.add("clients", OK, what, "", "")
	}
	if n, _ := v.Int("rejected_connections"); n > 0 {
		d.add("clients", Warning, count(n, "connection")+" refused since the server started, because there were too many", "programs could not reach Redis then", "raise maxclients, and the limit of open files with it")
	}
}

func (d *doctor) replicas(v *store.Server) {
	const name = "replicas"
	if v.Info == nil {
		return // said under server
	}
	if v.Info["role"] == "slave" {
		d.add(name, Danger, "this server is a replica", "it takes no writes: nothing can be enqueued or run through it", "name the master in the URL, or Sentinels with master_set")
		return
	}
	n, _ := v.Int("connected_slaves")
	// Redis counts the replicas that were seen within min-replicas-max-lag.
	good, told := v.Int("min_slaves_good_slaves")
	if !told {
		good = n
	}
	if need, _ := number(v.Config["min-replicas-to-write"]); need > good && v.Config["min-replicas-max-lag"] != "0" {
		d.add(name, Danger, fmt.Sprintf("%s in step, and min-replicas-to-write is %d", count(good, "replica"), need),
			"the server refuses all writes: nothing is enqueued, claimed or settled", "bring the replicas back, or set min-replicas-to-write to what there is")
	} else if n == 0 {
		d.add(name, Note, "no replica", "when the server's machine is lost, all jobs are; while it is away, nothing runs", "add a replica, and Sentinels or a Cluster for the failover")
	}
	offset, _ := v.Int("master_repl_offset")
	for i := range n {
		r := fields(v.Info[fmt.Sprintf("slave%d", i)])
		place := r["ip"] + ":" + r["port"]
		lag, _ := number(r["lag"])
		behind, _ := number(r["offset"])
		what := fmt.Sprintf("replica %s is %s, %s behind, seen %s ago", place, r["state"], size(max(offset-behind, 0)), time.Duration(lag)*time.Second)
		if r["state"] != "online" || lag > laggingAfter {
			d.add(name, Warning, what, "what a replica does not have is lost in a failover", "look at the replica's log and at the network")
		} else {
			d.add(name, OK, what, "what it does not have is lost in a failover: replication does not wait", "")
		}
	}
}
