// Package cron enqueues jobs again and again, at the times that an expression names.
//
// An Entry says when, and what job. Entries are data in Redis: a program declares them as
// a set, in revisions, or they are set and changed by hand. A Table looks at them and
// changes them, and its Run enqueues their jobs, in as many processes as one likes:
//
//	worker.Attach(cron.New(client, cron.Declared{Name: "reports", Revision: 1, Entries: []cron.Entry{
//		{Name: "nightly", Expr: "30 2 * * *", Zone: "Europe/Berlin", Kind: "report.nightly"},
//	}}))
//
// Parse reads an expression by itself.
package cron
