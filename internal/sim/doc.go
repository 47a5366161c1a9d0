// Package sim has only tests. They run whole clients and workers against the embedded
// server on fake time, hurt them in every way that a seed says, and count at the end
// whether each job has ended as it should. See docs/proof/simulation.md.
package sim
