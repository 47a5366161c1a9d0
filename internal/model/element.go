package model

import (
	"cmp"
	"fmt"
	"strconv"
)

// Element is a job as it lies in a list. Two that are equal are the same bytes.
type Element struct {
	Job      uint16
	Attempts uint8
	Crashes  uint8
	Stops    uint8
	Token    uint32 // of the write that put it where it is; 0 as a producer pushed it
}

// String is the element as bytes, in the order that internal/wire writes.
func (e Element) String() string {
	b := append([]byte(`{"id":"j`), strconv.Itoa(int(e.Job))...)
	b = append(b, `","kind":"k"`...)
	for _, n := range []struct {
		name  string
		value uint8
	}{{"attempts", e.Attempts}, {"crashes", e.Crashes}, {"stops", e.Stops}} {
		if n.value != 0 {
			b = fmt.Appendf(b, `,"%s":%d`, n.name, n.value)
		}
	}
	if e.Token != 0 {
		b = fmt.Appendf(b, `,"token":"t%d"`, e.Token)
	}
	return string(append(b, `,"args":null}`...))
}

// Tag names a delivery. The one of a real queue is higher by store.FirstTag.
type Tag uint32

// Incarnation is one right of a worker to claim: its number, and how often it has
// lost that right before.
type Incarnation struct{ Worker, Epoch uint8 }

// String is its name in Redis.
func (i Incarnation) String() string {
	if i.Epoch == 0 {
		return fmt.Sprintf("w%d", i.Worker)
	}
	return fmt.Sprintf("w%d.%d", i.Worker, i.Epoch)
}

func compareIncarnations(a, b Incarnation) int {
	return cmp.Or(cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.Epoch, b.Epoch))
}
