// Package web is the dashboard: an http.Handler that shows queues, jobs, schedules and
// workers, and acts on them for whom it may.
//
// Its pages are made on the server, and work without JavaScript. Handler makes one; it can
// be mounted anywhere, as all of its links are relative. docs/dashboard.md has examples.
package web
