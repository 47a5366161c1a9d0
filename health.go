package tasuki

import (
	"context"
	"time"

	"github.com/tasuki-dev/tasuki/internal/holes"
	"github.com/tasuki-dev/tasuki/internal/store"
)

// healthTimeout is how long the look at the server may take. It delays nothing, and
// a stop ends it.
const healthTimeout = 10 * time.Second

// tellHealth warns of a server that may lose jobs, once, after the start of the
// worker. What the server does not tell is none of its business here: tasuki doctor
// says all of it.
func (s *session) tellHealth(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	// Who has made users of their own has most likely not given them CONFIG, and the
	// server would note each refusal.
	servers, err := s.w.client.store.Servers(ctx, s.w.client.store.IsDefaultUser())
	if err != nil {
		return
	}
	evicts, forgets, old := unfit(servers)
	log := s.w.log
	switch {
	case evicts != nil && evicts.Evicts():
		log.Warn("tasuki: redis removes keys when it is full, and jobs with them: set maxmemory-policy to noeviction",
			"server", evicts.Address, "maxmemory-policy", evicts.Policy(), "removed", evicts.Evicted())
	case evicts != nil:
		log.Warn("tasuki: redis was full and has removed keys since it started; jobs may have been among them: tasuki check tells",
			"server", evicts.Address, "removed", evicts.Evicted())
	}
	if forgets != nil {
		log.Warn("tasuki: redis writes nothing to a disk: all jobs are gone when it restarts; run CONFIG SET appendonly yes, do not restart it with that", "server", forgets.Address)
	}
	if old != nil {
		product, version := old.Product()
		log.Warn("tasuki: this version of the server has known holes; tasuki doctor tells which", "server", old.Address, "is", product+" "+version)
	}
}

// unfit picks of several servers the one to name for each reason to warn; nil if there
// is none. Of one that did not answer nothing is known.
func unfit(servers []store.Server) (evicts, forgets, old *store.Server) {
	for i := range servers {
		v := &servers[i]
		// What will remove keys is worse than what has removed some.
		if v.Evicts() && (evicts == nil || !evicts.Evicts()) || v.Evicted() > 0 && evicts == nil {
			evicts = v
		}
		if v.Unsaved() {
			forgets = v
		}
		if product, version := v.Product(); holes.IsOriginal(v.Info["executable"]) && len(holes.Of(product, version)) > 0 {
			old = v
		}
	}
	return evicts, forgets, old
}
