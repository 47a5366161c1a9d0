//go:build !failpoint || !unix

package failpoint

// Hit is called where the process is at a point.
func Hit(Point) {}

// Err is Hit for a place that can fail.
func Err(Point) error { return nil }
