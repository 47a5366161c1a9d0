package store

import (
	"time"

	"github.com/redis/rueidis"
)

// followEvery is how often it is looked whether Sentinel names another master while
// a call is under way.
const followEvery = time.Second

// master is the address of the master that Sentinel has named last; "" where there
// is no Sentinel.
func master(c rueidis.Client) string {
	if c.Mode() != rueidis.ClientModeSentinel {
		return ""
	}
	for address := range c.Nodes() {
		return address
	}
	return ""
}

// follow calls end as soon as was is the master no more, until stop is called. A
// master that has died with its machine closes no connection, and what was sent to it
// waits for its whole time. rueidis gives out connections to the new one then, and
// leaves those that are in use as they are.
func follow(c rueidis.Client, was string, end func()) (stop func()) {
	if was == "" {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	// Most calls are over before there is anything to look at.
	timer := time.AfterFunc(followEvery, func() {
		defer close(ended)
		ticker := time.NewTicker(followEvery)
		defer ticker.Stop()
		for master(c) == was {
			select {
			case <-ticker.C:
			case <-done:
				return
			}
		}
		end()
	})
	return func() {
		if timer.Stop() {
			return
		}
		// The connection may be given to another only after that.
		close(done)
		<-ended
	}
}
