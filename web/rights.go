package web

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Right is what somebody may do. Each route needs one, which is checked on the server
// whatever a page shows.
type Right string

// The rights.
const (
	View    Right = "view"    // see all pages
	Pause   Right = "pause"   // pause and resume queues
	Retry   Right = "retry"   // make jobs ready that are scheduled, wait for a retry or are dead
	Cancel  Right = "cancel"  // end jobs that wait, ask those that run to end
	Remove  Right = "remove"  // take jobs away
	Move    Right = "move"    // put jobs into another queue
	Edit    Right = "edit"    // change the arguments and options of jobs
	Enqueue Right = "enqueue" // put in new jobs
	Undo    Right = "undo"    // undo, stop and go on with what is done to many jobs; it needs the right of that too
	Unlock  Right = "unlock"  // free uniqueness keys
	Control Right = "worker"  // quiet, stop and dump workers
	Cron    Right = "cron"    // pause, resume and run periodic entries, remove them, and set them together with Enqueue
)

// Rights are all of them.
var Rights = []Right{View, Pause, Retry, Cancel, Remove, Move, Edit, Enqueue, Undo, Unlock, Control, Cron}

// Actor is who has sent a request.
type Actor struct {
	// Name is shown, and stands beside what was done, such as a pause.
	Name string
	// Rights are what it may do. One without View may do nothing.
	Rights []Right
}

// May tells whether the actor has a right.
func (a *Actor) May(r Right) bool {
	return slices.Contains(a.Rights, View) && slices.Contains(a.Rights, r)
}

// ErrUnknown is what an Authorize returns for a request that does not say, or not truly,
// who has sent it: the answer is 401. After any other error it is 403.
var ErrUnknown = errors.New("who are you?")

// ParseRights reads rights, separated by commas; "all" are all of them.
func ParseRights(text string) ([]Right, error) {
	if text == "all" {
		return slices.Clone(Rights), nil
	}
	var rights []Right
	for word := range strings.SplitSeq(text, ",") {
		if !slices.Contains(Rights, Right(word)) {
			names := make([]string, len(Rights))
			for i, r := range Rights {
				names[i] = string(r)
			}
			return nil, fmt.Errorf("right %.40q: allowed are all, or some of %s", word, strings.Join(names, ","))
		}
		rights = append(rights, Right(word))
	}
	return rights, nil
}
