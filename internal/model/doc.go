// Package model says in plain Go what the scripts of internal/store do, and what
// workers and sweepers do with them.
//
// It has two halves. Queue is what Redis holds of one queue; each script is a method
// of the same stem (enqueue.go, fetch.go, settle.go, sweep.go), written from the
// header of the script and not from its body. Tests run both side by side and compare
// all that they hold.
//
// World is a Queue with small workers and sweepers around it, which lose replies, send
// late, die and are taken for dead. Search goes through everything that can happen in
// it up to a depth, and checks in each state that no job is lost or doubled.
//
// Records is the same for recorded jobs: their records, pointers and locks, in a queue of
// their own, so that a World stays small. It is compared with the server after each call
// of random sequences, in which every call may come again at any time later.
//
// What the model leaves out: keys of a wrong type, a full server, the bounds of one
// call (500 jobs, 250 due), messages on channels, and bytes: an element is a job's
// number with what the scripts' callers write into it.
package model
