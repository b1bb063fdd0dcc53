package run

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"fedtab/client"
	"fedtab/compress"
	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/strategy"
)

// bound returns a pointer to x.
func bound(x float64) *float64 { return &x }

// homes is a schema of a number that is far from 0 and one that is not, and two classes.
func homes() *data.Schema {
	return &data.Schema{
		Scale: data.FederatedScale, Holdout: 0.2, Min: 10, Max: 1000,
		Table: &data.TableSchema{
			Features: []data.Field{
				{Name: "area", Type: data.NumberField, Min: bound(0), Max: bound(1e5)},
				{Name: "rooms", Type: data.NumberField, Min: bound(0), Max: bound(20)},
			},
			Label: data.Field{Name: "sold", Type: data.CategoryField, Values: []string{"no", "yes"}},
		},
	}
}

// homesOf makes own data of n rows; only restricts the classes.
func homesOf(t testing.TB, s *data.Schema, n int, seed uint64, only ...float64) *data.Own {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	var text strings.Builder
	text.WriteString("area,rooms,sold\n")
	for range n {
		x, y := 5e4+100*r.NormFloat64(), float64(r.IntN(8))
		sold := "no"
		if x > 5e4+20*y-60 {
			sold = "yes"
		}
		if len(only) > 0 {
			sold = s.Table.Label.Values[int(only[0])]
		}
		fmt.Fprintf(&text, "%v,%v,%s\n", x, y, sold)
	}
	tab, err := data.ReadCSV(strings.NewReader(text.String()), "homes.csv", data.CSV{Target: "sold", Classes: s.Table.Label.Values})
	if err != nil {
		t.Fatal(err)
	}
	o, err := data.NewOwnTable(s, tab, seed)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// owner is a participant with data of its own: a client behind a peer.
type owner struct {
	fakePeer
	number uint32
	client *client.Client
	work   *client.Workspace
	lie    func(*protocol.Contribution) // changes what it sends; nil: honest
	mute   bool                         // answers nothing
	drops  bool                         // what it tells of versions gets lost
	read   int                          // messages of the run that the client has had
}

// village is a run with owners.
type village struct {
	*fixture
	owners []*owner
	enough func() bool // ends the pumping; nil: nothing but the end of the run
}

func newVillage(t testing.TB, s *data.Schema, edit func(*Config, *strategy.Config)) *village {
	t.Helper()
	return &village{fixture: newFixture(t, func(c *Config, sc *strategy.Config) {
		c.Shards, c.Own = Shards{}, &Own{Schema: s, Holdouts: true}
		sc.Epochs, sc.Batch, sc.LR, sc.MinClients = 1, 10, .1, 3
		if edit != nil {
			edit(c, sc)
		}
	})}
}

// add lets a participant join.
func (v *village) add(t testing.TB, own *data.Own) *owner {
	t.Helper()
	o := &owner{client: client.New(client.Config{Task: "test"})}
	if err := o.client.SetOwn(own); err != nil {
		t.Fatal(err)
	}
	var ok bool
	if o.number, ok = v.Join(o.client.Hello(), 0, &o.fakePeer); !ok {
		t.Fatalf("cannot join: %s", o.detail)
	}
	v.owners = append(v.owners, o)
	return o
}

// pump carries messages and lets clients work until nothing happens.
func (v *village) pump(t testing.TB) {
	t.Helper()
	for busy := true; busy; {
		busy = false
		for _, o := range v.owners {
			for o.read < len(o.got) && !o.mute {
				m := o.got[o.read]
				o.read++
				busy = true
				out, err := o.client.Receive(m)
				if err != nil {
					t.Fatal(err)
				}
				v.deliver(t, o, out)
			}
			if o.client.Welcome() != nil && o.client.Ready() && !o.mute {
				if o.work == nil {
					o.work = o.client.NewWorkspace()
				}
				busy = true
				v.deliver(t, o, o.client.Work(o.work, 1000))
			}
		}
		if v.finished != "" || v.enough != nil && v.enough() {
			return
		}
	}
}

// deliver hands messages to the run, as a connection would.
func (v *village) deliver(t testing.TB, o *owner, out []protocol.Message) {
	t.Helper()
	for _, m := range out {
		m, err := protocol.Decode(protocol.Append(nil, m))
		if err != nil {
			t.Fatal(err)
		}
		c, ok := m.(*protocol.Contribution)
		if !ok {
			if err := v.Receive(o.number, &o.fakePeer, m); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if o.drops && c.Order >= protocol.EnquiryOrders && c.Vectors[0].Name == protocol.EvaluationPayload {
			continue
		}
		if o.lie != nil {
			o.lie(c)
		}
		if v.Announce(o.number, &o.fakePeer, c) {
			v.Offer(o.number, &o.fakePeer, Inspect(c, 2, func(w *protocol.Vector, _ int) ([]float32, error) {
				values := make([]float32, v.n)
				return values, compress.Decode(w.Codec, values, w.Block)
			}))
		}
	}
}

// rejoin gives a client a new socket.
func (v *village) rejoin(t testing.TB, o *owner) {
	t.Helper()
	o.fakePeer, o.read = fakePeer{}, 0
	hello, resumed := o.client.Hello(), o.number
	number, ok := v.Join(hello, resumed, &o.fakePeer)
	if !ok && v.finished == "" {
		t.Fatalf("participant %d cannot come back: %v %s", resumed, o.closed, o.detail)
	}
	o.number = number
}

// turn gives a client its messages, and time for a few mini-batches.
func (v *village) turn(t testing.TB, o *owner) {
	t.Helper()
	for o.read < len(o.got) {
		m := o.got[o.read]
		o.read++
		out, err := o.client.Receive(m)
		if err != nil {
			t.Fatal(err)
		}
		v.deliver(t, o, out)
	}
	if o.client.Welcome() != nil && o.client.Ready() && o.client.Hello().TabState != protocol.TabFrozen {
		if o.work == nil {
			o.work = o.client.NewWorkspace()
		}
		v.deliver(t, o, o.client.Work(o.work, 3))
	}
}

// saved is what a store would give back.
func (j *memoryJournal) saved() *Saved {
	s := &Saved{Participants: 1, Paused: j.paused}
	if n := len(j.limits); n > 0 {
		s.Participants = j.limits[n-1]
	}
	if n := len(j.constants); n > 0 {
		s.Constants = &j.constants[n-1]
	}
	for _, c := range j.commits {
		s.Rounds = append(s.Rounds, RoundRecord{Round: c.Round, Participants: len(c.Participants), Weight: c.Weight, Hash: c.Hash, Committed: c.Committed})
	}
	if n := len(j.commits); n > 0 {
		last := j.commits[n-1]
		s.Last = &last
	}
	if n := len(j.evaluations); n > 0 {
		s.Evaluated = &j.evaluations[n-1]
	}
	if n := len(j.opens); n > 0 && (s.Last == nil || j.opens[n-1].Round > s.Last.Round) {
		s.Open = &j.opens[n-1]
	}
	return s
}

// pooledConstants are those of all owners' training rows in one place.
func pooledConstants(owns ...*data.Own) data.Constants {
	var columns [2][]float64
	for _, o := range owns {
		o.Each(func(numbers []float64, _ uint8) {
			for k, x := range numbers {
				columns[k] = append(columns[k], x)
			}
		})
	}
	c := data.Constants{Mean: make([]float64, 2), Deviation: make([]float64, 2)}
	for k, col := range columns {
		for _, x := range col {
			c.Mean[k] += x / float64(len(col))
		}
		for _, x := range col {
			c.Deviation[k] += (x - c.Mean[k]) * (x - c.Mean[k]) / float64(len(col))
		}
		c.Deviation[k] = math.Sqrt(c.Deviation[k])
	}
	return c
}

func near(a, b, by float64) bool { return math.Abs(a-b) <= by*max(math.Abs(b), 1e-12) }
