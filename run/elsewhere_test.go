package run

import (
	"fmt"
	"slices"
	"testing"

	"fedtab/combine"
	"fedtab/protocol"
	"fedtab/strategy"
)

// fakeEdge holds vectors and partial sums, as an edge of a cluster does. It answers Gather when
// it is told to, or at once.
type fakeEdge struct {
	t       *testing.T
	n       int
	sums    map[uint64][]*combine.Sum // by attempt
	late    bool                      // answer waits
	waiting []func()
	forgot  []uint64
	held    int // vectors that are neither added nor released
}

func newFakeEdge(t *testing.T, n int) *fakeEdge {
	return &fakeEdge{t: t, n: n, sums: map[uint64][]*combine.Sum{}}
}

func (e *fakeEdge) Forget(attempt uint64) {
	delete(e.sums, attempt)
	e.forgot = append(e.forgot, attempt)
}

func (e *fakeEdge) Gather(attempt uint64, then func([][]byte)) {
	answer := func() {
		var out [][]byte
		for _, s := range e.sums[attempt] {
			b, err := s.AppendBinary(nil)
			if err != nil {
				e.t.Error(err)
			}
			out = append(out, b)
		}
		delete(e.sums, attempt)
		then(out)
	}
	if e.late {
		e.waiting = append(e.waiting, answer)
		return
	}
	answer()
}

// take moves the vectors of an offer to the edge.
func (e *fakeEdge) take(o *Offer) *Offer {
	if o.Vectors == nil {
		return o
	}
	p := &fakePlace{e, o.Vectors}
	o.Vectors, o.Elsewhere = nil, p
	o.Packed = p
	e.held++
	return o
}

type fakePlace struct {
	edge    *fakeEdge
	vectors [][]float32
}

func (p *fakePlace) Edge() Edge { return p.edge }

func (p *fakePlace) Add(attempt uint64, bound, scale, weight float64) {
	e := p.edge
	if e.sums[attempt] == nil {
		for range p.vectors {
			s, err := combine.NewSum(e.n, bound)
			if err != nil {
				e.t.Fatal(err)
			}
			e.sums[attempt] = append(e.sums[attempt], s)
		}
	}
	for i, s := range e.sums[attempt] {
		s.AddScaled(p.vectors[i], scale, weight)
	}
	e.held--
}

func (p *fakePlace) Unpack() ([][]float32, func(), error) { return p.vectors, func() {}, nil }
func (p *fakePlace) Drop()                                {}

// placed is a run whose participants have edges: participant i that of index i, nil for none.
func placed(t *testing.T, where []int, edges int, edit func(*Config, *strategy.Config)) (*fixture, []*fakeEdge) {
	f := newFixture(t, func(c *Config, s *strategy.Config) {
		s.MinClients = len(where)
		if edit != nil {
			edit(c, s)
		}
	})
	var all []*fakeEdge
	for range edges {
		all = append(all, newFakeEdge(t, f.n))
	}
	return f, all
}

// Where contributions are added does not change a bit of any version, for schemes that add.
func TestElsewhereBits(t *testing.T) {
	for _, kind := range []string{"fedavg", "fedbuff", "scaffold"} {
		t.Run(kind, func(t *testing.T) {
			edit := func(c *Config, s *strategy.Config) {
				switch kind {
				case "fedbuff":
					*s = strategy.Config{Kind: kind, Epochs: 1, Batch: 1, LR: .1, MinClients: 1, Deadline: s.Deadline, Own: strategy.FedBuffSettings{Buffer: 4, Staleness: .5}}
				case "scaffold":
					s.Correction, c.Sums = kind, 2
				}
			}
			var want [32]byte
			for _, where := range [][]int{{-1, -1, -1, -1}, {0, 0, 0, 0}, {0, 1, -1, 0}, {1, -1, 0, 2}} {
				f, edges := placed(t, where, 3, edit)
				peers, numbers := make([]*fakePeer, 4), make([]uint32, 4)
				for i := range where {
					numbers[i], peers[i] = f.join(t)
				}
				for range 3 {
					for i, at := range where {
						c := f.contribution(last[*protocol.Order](peers[i]), float32(i)+1.0/3, uint64(i)+1)
						if kind == "scaffold" {
							control := c.Vectors[0]
							control.Role, control.BaseHash = protocol.RoleControl, nil
							c.Vectors = append(c.Vectors, control)
						}
						o := f.inspect(c)
						if at >= 0 {
							o = edges[at].take(o)
						}
						f.Offer(numbers[i], peers[i], o)
					}
				}
				v, hash, _ := f.Model()
				if v != 3 {
					t.Fatalf("placed %v: version %d, want 3", where, v)
				}
				if want == ([32]byte{}) {
					want = hash
				} else if hash != want {
					t.Errorf("placed %v: version 3 is %x, want %x as without edges", where, hash[:4], want[:4])
				}
				for i, e := range edges {
					if len(e.sums) > 0 || e.held > 0 {
						t.Errorf("edge %d still has %d sums and %d contributions", i, len(e.sums), e.held)
					}
				}
			}
		})
	}
}

// A version waits for the partial sums of all edges, and meanwhile an edge is owed; a late one
// whose attempt is over is forgotten.
func TestElsewhereOwed(t *testing.T) {
	f, edges := placed(t, []int{0, 0}, 1, nil)
	e := edges[0]
	e.late = true
	a, pa := f.join(t)
	b, pb := f.join(t)
	if f.Owed(e) {
		t.Error("owed before anything was added")
	}
	f.Offer(a, pa, e.take(f.inspect(f.contribution(last[*protocol.Order](pa), 1, 10))))
	if !f.Owed(e) {
		t.Error("not owed, though it has added a contribution")
	}
	f.Offer(b, pb, e.take(f.inspect(f.contribution(last[*protocol.Order](pb), 3, 10))))
	if v, _, _ := f.Model(); v != 0 || !f.Owed(e) {
		t.Fatalf("version %d, owed %v before the partial sums have come", v, f.Owed(e))
	}
	for _, answer := range e.waiting {
		answer()
	}
	if v, _, _ := f.Model(); v != 1 || f.Owed(e) {
		t.Errorf("version %d, owed %v after they have come", v, f.Owed(e))
	}
	e.waiting = nil
	f.Offer(a, pa, e.take(f.inspect(f.contribution(last[*protocol.Order](pa), 1, 10))))
	f.Leave(b, pb, Done)
	f.env.advance(10 * f.cfg.ResumeGrace * 60)
	if f.Owed(e) && len(e.waiting) == 0 {
		t.Error("owed for an attempt that is over")
	}
}

// The guard takes a contribution out that an edge has added: it is fetched from there.
func TestElsewhereGuard(t *testing.T) {
	f, numbers, peers, _, _ := judged(t, 3, nil)
	edge := newFakeEdge(t, f.n)
	for i, value := range []float32{.1, 60, .1} {
		f.Offer(numbers[i], peers[i], edge.take(f.inspect(f.contribution(last[*protocol.Order](peers[i]), value, 10))))
	}
	if len(f.journal.commits) == 0 {
		t.Fatalf("no version; the event log has %v", f.journal.kinds)
	}
	got := f.journal.commits[0].Contributions
	if slices.ContainsFunc(got, func(c Contribution) bool { return c.Participant == numbers[1] }) {
		t.Errorf("the version has the contribution that ruins it: %v", fmt.Sprint(got))
	}
}
