package run

import (
	"math"
	"slices"
	"testing"
	"time"

	"fedtab/protocol"
	"fedtab/strategy"
)

// A round's time is divided along the path of the contribution that came last, its norms are
// those that were sent, and each order is counted by how far it came.
func TestTimes(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	b, pb := f.join(t)
	activities := func(want ...Activity) {
		t.Helper()
		var got []Activity
		for _, p := range f.Present() {
			got = append(got, p.Activity)
		}
		if !slices.Equal(got, want) {
			t.Errorf("the participants are %v, want %v", got, want)
		}
	}
	activities(Downloading, Downloading)
	orderA, orderB := last[*protocol.Order](pa), last[*protocol.Order](pb)
	f.env.advance(2 * time.Second)
	f.Receive(a, pa, &protocol.Progress{Order: orderA.Order})
	activities(Training, Downloading)
	f.env.advance(time.Second)
	f.Receive(b, pb, &protocol.Progress{Order: orderB.Order})
	first := f.contribution(orderA, 1, 10)
	first.Metrics = protocol.Metrics{Examples: 10, Steps: 1}
	f.offer(a, pa, first)
	activities(Waiting, Training)
	f.env.advance(4 * time.Second)
	second := f.contribution(orderB, 3, 10)
	for range 2 { // a connection asks again while the body comes
		if !f.Announce(b, pb, second) {
			t.Fatal("the second contribution is not wanted")
		}
		activities(Waiting, Uploading)
		f.env.advance(4 * time.Second)
	}
	f.env.busy = true
	f.Offer(b, pb, f.inspect(second))
	f.env.advance(time.Second)
	f.env.release()
	rec := f.Rounds()[0]
	if want := (Times{Download: 3 * time.Second, Training: 4 * time.Second, Upload: 8 * time.Second, Commit: time.Second, Begun: true}); rec.Times == nil || *rec.Times != want {
		t.Errorf("times %+v, want %+v", rec.Times, want)
	}
	root := math.Sqrt(float64(f.n))
	if n := rec.Norms; n == nil || math.Abs(n.Min-root) > 1e-6 || math.Abs(n.Median-2*root) > 1e-6 || math.Abs(n.Max-3*root) > 1e-6 {
		t.Errorf("norms %+v, want 1, 2 and 3 times %g", n, root)
	}
	if p := f.Present(); p[0].Rate != 10 || p[1].Rate != 0 || p[0].Owed != 0 {
		t.Errorf("the participants are %+v, want the first at 10 examples a second", p)
	}
	if s := f.State().Ledger.Shapes; s != [Shapes]int64{Contributed: 2} {
		t.Errorf("shapes %v, want two contributions", s)
	}
}

// A straggler whose round is closed is waiting for the next one, whatever it was doing.
func TestActivityOfStraggler(t *testing.T) {
	f := newFixture(t, nil)
	a, pa := f.join(t)
	f.join(t)
	f.Receive(a, pa, &protocol.Progress{Order: last[*protocol.Order](pa).Order})
	if got := f.Present()[0].Activity; got != Training {
		t.Fatalf("it is %v, want training", got)
	}
	f.closed = 1
	if got := f.Present()[0].Activity; got != Waiting {
		t.Errorf("it is %v once its round is closed, want waiting", got)
	}
	f.Leave(a, pa, Lost)
	if got := f.Present()[0].Activity; got != Away {
		t.Errorf("it is %v without a connection, want away", got)
	}
}

// A contribution of a participant that does not tell when it begins has no download, and
// nothing is older than its round.
func TestTimesUntold(t *testing.T) {
	at := func(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second))) }
	for name, c := range map[string]struct {
		trail trail
		want  *Times
	}{
		"nothing":      {trail{}, nil},
		"untold":       {trail{sent: at(1), announced: at(3), arrived: at(3)}, &Times{Training: 2 * time.Second, Commit: 7 * time.Second}},
		"asynchronous": {trail{sent: at(-9), began: at(-5), announced: at(2), arrived: at(4)}, &Times{Training: 2 * time.Second, Upload: 2 * time.Second, Commit: 6 * time.Second, Begun: true}},
		"set back":     {trail{sent: at(5), began: at(4), announced: at(6), arrived: at(7)}, &Times{Training: time.Second, Upload: time.Second, Commit: 3 * time.Second, Begun: true}},
	} {
		got := c.trail.times(at(0), at(10))
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// Every way in which an order ends has its shape.
func TestShapes(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(f *fixture, a uint32, p *fakePeer, o *protocol.Order)
		want Shape
	}{
		"accepted": {func(f *fixture, a uint32, p *fakePeer, o *protocol.Order) { f.offer(a, p, f.contribution(o, 1, 10)) }, Contributed},
		"refused": {func(f *fixture, a uint32, p *fakePeer, o *protocol.Order) {
			f.offer(a, p, f.contribution(o, float32(math.NaN()), 10))
		}, Refused},
		"lost in its upload": {func(f *fixture, a uint32, p *fakePeer, o *protocol.Order) {
			f.Announce(a, p, f.contribution(o, 1, 10))
			f.End("over")
		}, BrokeUpload},
		"the end comes while it trains": {func(f *fixture, a uint32, p *fakePeer, o *protocol.Order) {
			f.Receive(a, p, &protocol.Progress{Order: o.Order})
			f.End("over")
		}, BrokeTraining},
		"it diverges": {func(f *fixture, a uint32, p *fakePeer, o *protocol.Order) {
			f.Receive(a, p, &protocol.Progress{Order: o.Order})
			f.Receive(a, p, &protocol.Decline{Order: o.Order, Reason: protocol.ReasonDiverged})
		}, FailedTrain},
		"it is paused": {func(f *fixture, a uint32, p *fakePeer, o *protocol.Order) {
			f.Receive(a, p, &protocol.Progress{Order: o.Order})
			f.Receive(a, p, &protocol.Decline{Order: o.Order, Reason: protocol.ReasonPaused})
		}, BrokeTraining},
		"it leaves, and does not come back": {func(f *fixture, a uint32, p *fakePeer, o *protocol.Order) {
			f.Leave(a, p, Left)
			f.End("over")
		}, BrokeStart},
		"it cannot": {func(f *fixture, a uint32, p *fakePeer, o *protocol.Order) {
			f.Receive(a, p, &protocol.Decline{Order: o.Order, Reason: protocol.ReasonUnsupported})
		}, Declined},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, nil)
			a, pa := f.join(t)
			f.join(t)
			c.do(f, a, pa, last[*protocol.Order](pa))
			if got := f.State().Ledger.Shapes; got[c.want] < 1 || c.want == Contributed && got[Refused] != 0 {
				t.Errorf("shapes %v, want one of %s", got, c.want)
			}
			f.End("over")
			total := int64(0)
			for _, n := range f.State().Ledger.Shapes {
				total += n
			}
			if total < 2 {
				t.Errorf("%d orders have ended, want both", total)
			}
		})
	}
}

// A contribution that was refused may be followed by one that is accepted: it counts once.
func TestShapeOnce(t *testing.T) {
	f := newFixture(t, func(_ *Config, s *strategy.Config) { s.Kind = "fedbuff" })
	a, pa := f.join(t)
	f.join(t)
	o := last[*protocol.Order](pa)
	wrong := f.contribution(o, 1, 10)
	wrong.Round = 99
	f.offer(a, pa, wrong)
	f.offer(a, pa, f.contribution(o, 1, 10))
	if got := f.State().Ledger.Shapes; got[Contributed] != 1 || got[Refused] != 0 {
		t.Errorf("shapes %v, want one contribution", got)
	}
}

// Organisers' streams of events ask four times a second who is present.
func BenchmarkPresent(b *testing.B) {
	f := newFixture(b, nil)
	for range 1000 {
		f.join(b)
	}
	for b.Loop() {
		f.Present()
	}
}
