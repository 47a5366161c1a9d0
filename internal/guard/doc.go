// Package guard holds the tests that keep the shape of the project: which package
// may import which, what the modules require, what is exported, how scripts are
// written, and that what documentation says is so. It has no code of its own.
package guard
