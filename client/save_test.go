package client

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"fedtab/protocol"
)

// trained returns a client that keeps a contribution whose block has so many
// bytes, and its order.
func trained(t testing.TB, size int) (*Client, *protocol.Order) {
	t.Helper()
	c, w := joined(t)
	o := order(w, 1)
	receive(t, c, o)
	work(c, 100)
	if !c.Keeps() {
		t.Fatal("the client keeps nothing after its work")
	}
	c.kept[0].Vectors[0].Block = bytes.Repeat([]byte{1, 2, 3, 4}, size/4)
	return c, o
}

const small, large = 400, 300_000 // in one frame, and in chunks

// A tab that is reloaded comes back as the same participant and offers what it
// had finished, without training again.
func TestSave(t *testing.T) {
	for name, size := range map[string]int{"one frame": small, "chunks": large} {
		t.Run(name, func(t *testing.T) {
			c, o := trained(t, size)
			saved := c.Save()
			again := New(c.cfg)
			if err := again.Restore(saved); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again.Save(), saved) {
				t.Error("saved again, it is something else")
			}
			h := again.Hello()
			if !bytes.Equal(h.ResumeToken, c.welcome.ResumeToken) || h.HeldHash != nil {
				t.Errorf("its hello is %+v", h)
			}
			if _, err := again.Receive(c.welcome); err != nil {
				t.Fatal(err)
			}
			out, err := again.Receive(o)
			if err != nil || len(out) != 1 {
				t.Fatalf("the order is answered with %v, %v", out, err)
			}
			got, ok := out[0].(*protocol.Contribution)
			if !ok || !slices.Equal(got.Vectors[0].Block, c.kept[0].Vectors[0].Block) || got.Weight != c.kept[0].Weight || got.Metrics != c.kept[0].Metrics {
				t.Errorf("the order is answered with %+v, want what was kept", out[0])
			}
			if again.Ready() {
				t.Error("it trains again")
			}
		})
	}
}

// What belongs to another run is forgotten.
func TestSaveOtherRun(t *testing.T) {
	c, o := trained(t, small)
	again := New(c.cfg)
	if err := again.Restore(c.Save()); err != nil {
		t.Fatal(err)
	}
	w := *c.welcome
	w.Run = "another"
	if _, err := again.Receive(&w); err != nil {
		t.Fatal(err)
	}
	if again.Keeps() {
		t.Error("a contribution to another run is kept")
	}
	if out, _ := again.Receive(o); len(out) > 0 {
		if _, ok := out[0].(*protocol.Contribution); ok {
			t.Error("a contribution is offered to another run")
		}
	}
}

// A tab that was paused before it joined says so, and resumes.
func TestPausedBeforeWelcome(t *testing.T) {
	c := New(Config{})
	c.SetTab(protocol.TabPaused)
	receive(t, c, welcome(t))
	if got := c.Progress().Activity; got != Paused {
		t.Errorf("the client is %s, want paused", got)
	}
	c.SetTab(protocol.TabVisible)
	if got := c.Progress().Activity; got != Waiting {
		t.Errorf("the client is %s, want waiting", got)
	}
}

func TestSaveNothing(t *testing.T) {
	if b := New(Config{}).Save(); b != nil {
		t.Errorf("a client that has not been welcomed saves %x", b)
	}
}

func TestRestoreRefuses(t *testing.T) {
	c, _ := trained(t, large)
	good := c.Save()
	for name, b := range map[string][]byte{
		"nothing": nil, "another format": append([]byte{9}, good[1:]...), "cut off": good[:len(good)-1],
		"without its last chunk": good[:len(good)/2], "more than one": append(slices.Clone(good), good[1:]...),
		"no token": {savedVersion, 0, 0, 1},
	} {
		again := New(Config{})
		if err := again.Restore(b); !errors.Is(err, ErrSaved) || again.welcome != nil || again.kept != nil {
			t.Errorf("%s: got %v, want ErrSaved and an untouched client", name, err)
		}
	}
}

func FuzzRestore(f *testing.F) {
	for _, size := range []int{small, large} {
		c, _ := trained(f, size)
		f.Add(c.Save())
	}
	f.Add([]byte{savedVersion, 1, 'r', 1, 't', 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := New(Config{})
		if err := c.Restore(b); err != nil {
			return
		}
		again := New(Config{})
		if err := again.Restore(c.Save()); err != nil || !bytes.Equal(again.Save(), c.Save()) {
			t.Errorf("%x: restored and saved it is something else: %v", b, err)
		}
	})
}
