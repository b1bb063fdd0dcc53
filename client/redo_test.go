package client

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"

	"fedtab/protocol"
)

// twins are a client that works and one that repeats its calls.
type twins struct {
	t              *testing.T
	works, repeats *Client
	workspace      *Workspace
}

// call has one twin make a call and the other repeat it, and compares them.
func (w *twins) call(make func(*Client) []protocol.Message) {
	w.t.Helper()
	out := make(w.works)
	done := w.works.AppendDone(nil, out)
	got, err := w.repeats.Redo(done)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(got) != len(out) {
		w.t.Fatalf("%d messages are repeated, want %d", len(got), len(out))
	}
	for i := range out {
		if a, b := appendMessage(nil, got[i]), appendMessage(nil, out[i]); !bytes.Equal(a, b) {
			w.t.Errorf("message %d is %+v, want %+v", i, got[i], out[i])
		}
	}
	w.compare(done)
	if err := w.repeats.RestoreVectors(w.works.AppendVectors(nil)); err != nil {
		w.t.Fatal(err)
	}
	if a, b := w.repeats.AppendVectors(nil), w.works.AppendVectors(nil); !bytes.Equal(a, b) {
		w.t.Error("the vectors differ")
	}
	if !reflect.DeepEqual(w.repeats.Local(), w.works.Local()) {
		w.t.Error("the local models differ")
	}
}

// compare wants the twins to be in the state that the call has left.
func (w *twins) compare(done []byte) {
	w.t.Helper()
	a, b := w.works, w.repeats
	if got, want := b.AppendDone(nil, nil), a.AppendDone(nil, nil); !bytes.Equal(got, want) || !bytes.HasPrefix(done, want) {
		w.t.Errorf("the state is %x, want %x", got, want)
	}
	if b.Kept() != a.Kept() || len(b.kept) != len(a.kept) || b.Order() != a.Order() || b.Ready() != a.Ready() {
		w.t.Errorf("%d contributions, the newest of order %d, order %d, ready: %v; want %d, %d, %d, %v", len(b.kept), b.Kept(), b.Order(), b.Ready(), len(a.kept), a.Kept(), a.Order(), a.Ready())
	}
}

// both hands the twins a message that is no call.
func (w *twins) both(m protocol.Message) {
	w.t.Helper()
	receive(w.t, w.works, m)
	receive(w.t, w.repeats, m)
}

func (w *twins) work() {
	w.t.Helper()
	w.call(func(c *Client) []protocol.Message { return c.Work(w.workspace, math.MaxInt) })
}

// A call that is repeated leaves the client as it was after the call, whatever its kind,
// though nothing is trained.
func TestRedo(t *testing.T) {
	feedback := func(w *protocol.Welcome, number uint64) *protocol.Order {
		o := order(w, number)
		o.Hyper.Codec, o.Hyper.Bits, o.Hyper.Feedback = protocol.CodecDeadzone, 1, true
		return o
	}
	diverging := func(w *protocol.Welcome, number uint64) *protocol.Order {
		o := order(w, number)
		o.Hyper.LR, o.Hyper.Epochs = 1e30, 50
		return o
	}
	parts := func(w *protocol.Welcome, number uint64) *protocol.Order {
		o := order(w, number)
		o.Kind, o.Hyper.Parts = protocol.OrderBase, 3
		return o
	}
	for name, order := range map[string]func(*protocol.Welcome, uint64) *protocol.Order{
		"fit": order, "feedback": feedback, "diverging": diverging, "parts": parts, "control": controlOrder,
		"far": func(w *protocol.Welcome, number uint64) *protocol.Order { return monitorOrder(w, number, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			w := &twins{t: t}
			var hello *protocol.Welcome
			w.works, hello = joined(t)
			w.repeats, _ = joined(t)
			w.workspace = w.works.NewWorkspace()
			for n := uint64(1); n <= 3; n++ {
				w.both(order(hello, n))
				w.work()
				w.both(&protocol.Ack{Order: n})
				w.both(&protocol.Status{Round: n + 1, Closed: n})
				w.both(hello) // it has been away
			}
		})
	}
	t.Run("monitor", func(t *testing.T) {
		w := &twins{t: t}
		var hello *protocol.Welcome
		w.works, hello = joined(t)
		w.repeats, _ = joined(t)
		w.workspace = w.works.NewWorkspace()
		fetch := func(order uint64) {
			w.call(func(c *Client) []protocol.Message { return receive(t, c, &protocol.Fetch{Order: order}) })
		}
		w.both(monitorOrder(hello, 1, math.Inf(1)))
		w.work()
		w.work()
		fetch(9) // another order
		fetch(1)
		fetch(1) // it is on its way
		w.both(monitorOrder(hello, 2, math.Inf(1)))
		fetch(2) // not begun
		w.both(monitorOrder(hello, 3, 0))
		w.work()
	})
}

// What was not written by AppendDone and AppendVectors is refused.
func TestRedoRefuses(t *testing.T) {
	c, w := joined(t)
	receive(t, c, order(w, 1))
	out := work(c, math.MaxInt)
	done, vectors := c.AppendDone(nil, out), c.AppendVectors(nil)
	for n := range done {
		again, w := joined(t)
		receive(t, again, order(w, 1))
		if got, err := again.Redo(done[:n]); err == nil && len(got) == len(out) || err != nil && !errors.Is(err, ErrSaved) {
			t.Fatalf("the first %d bytes of %d: %v, %v", n, len(done), got, err)
		}
	}
	for _, bad := range [][]byte{nil, {9}, append(vectors, 1, 2, 3), {1, 9}} {
		if err := c.RestoreVectors(bad); !errors.Is(err, ErrSaved) {
			t.Errorf("vectors %v: %v, want ErrSaved", bad, err)
		}
	}
}
