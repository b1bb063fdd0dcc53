package link

import (
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fedtab/compress"
	"fedtab/coordinator/hub/hubtest"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"

	"github.com/gorilla/websocket"
)

// actor is a participant whose answers follow from its number and its order, and go out when the
// test says so.
type actor struct {
	peer   *hubtest.Peer
	number int

	mu    sync.Mutex
	order *protocol.Order // that is not answered
	fetch bool            // its local model is asked for
	over  bool
	err   error
}

// listen reads until the socket closes.
func (a *actor) listen() {
	for {
		m, err := a.peer.Read()
		a.mu.Lock()
		switch m := m.(type) {
		case *protocol.Order:
			a.order, a.fetch = m, false
		case *protocol.Fetch:
			a.fetch = true
		case *protocol.Ack:
			if m.Reason != protocol.ReasonAccepted && m.Reason != protocol.ReasonLate && m.Reason != protocol.ReasonAbandoned {
				a.err = errors.New(m.Reason.String() + ": " + m.Detail)
			}
		}
		if err != nil {
			a.over = true
			var ce *websocket.CloseError
			if !errors.As(err, &ce) || ce.Code != int(protocol.CloseFinished) {
				a.err = err
			}
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
	}
}

// answer sends what is asked for, and reports whether anything was. Of dynamic averaging, a third
// of the participants have strayed in each round, and the others wait to be asked.
func (a *actor) answer(parameters int) bool {
	a.mu.Lock()
	o, fetch := a.order, a.fetch
	if o != nil && o.Kind == protocol.OrderMonitor && !fetch && (a.number+int(o.Order))%3 != 0 {
		o = nil
	}
	if o != nil {
		a.order = nil
	}
	a.mu.Unlock()
	if o == nil {
		return false
	}
	c := &protocol.Contribution{Transfer: o.Order, Order: o.Order, Round: o.Round, Weight: uint64(a.number)}
	parts := max(int(o.Hyper.Parts), 1)
	role := protocol.RoleDelta
	if o.Kind == protocol.OrderGradient {
		role = protocol.RoleGradient
	}
	for part := range parts {
		values := make([]float32, parameters)
		for i := range values {
			values[i] = float32(math.Sin(float64((i+1)*(a.number*7+part*3+int(o.Order)*5)))) / 97
		}
		c.Vectors = append(c.Vectors, protocol.Vector{Role: role, Part: uint32(part), BaseHash: o.BaseHash, Block: compress.AppendFloat32(nil, values)})
	}
	if o.Hyper.Control {
		control := c.Vectors[0]
		control.Role, control.BaseHash = protocol.RoleControl, nil
		c.Vectors = append(c.Vectors, control)
	}
	c.Metrics.Steps = 1
	for _, f := range protocol.AppendFrames(nil, c) {
		a.peer.Conn.WriteMessage(websocket.BinaryMessage, f)
	}
	return true
}

// replay plays the same contributions in the same order, of participants at the given nodes, and
// returns the hash of each version.
func replay(t *testing.T, where []int, rounds int, edit func(*run.Config, *strategy.Config)) (hashes [][32]byte) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, slices.Max(where), func(rc *run.Config, s *strategy.Config) {
			var err error
			if rc.Model, err = learn.New(learn.MLP([]int{3}, nil, 2)); err != nil {
				t.Fatal(err)
			}
			rc.Stop.Rounds = rounds
			edit(rc, s)
		})
		var all []*actor
		var wait sync.WaitGroup
		for i, at := range where {
			a := &actor{peer: c.join(at), number: i + 1}
			all = append(all, a)
			wait.Go(a.listen)
		}
		for idle := 0; ; {
			acted, over := false, true
			for _, a := range all {
				synctest.Wait()
				acted = a.answer(c.parameters) || acted
			}
			synctest.Wait()
			for _, a := range all {
				a.mu.Lock()
				over = over && a.over
				a.mu.Unlock()
			}
			if over {
				break
			}
			if acted {
				idle = 0
				continue
			}
			if idle++; idle > 1000 {
				t.Error("the run does not end")
				break
			}
			time.Sleep(time.Second) // until a timer of the scheme runs out
		}
		for _, a := range all {
			a.peer.Conn.Close()
		}
		wait.Wait()
		for _, a := range all {
			if a.err != nil {
				t.Errorf("participant %d: %v", a.number, a.err)
			}
		}
		c.live.Call(func() {
			for _, r := range c.live.Run.Rounds() {
				hashes = append(hashes, r.Hash)
			}
		})
	})
	return hashes
}

// schemes are the schemes and combiners, with settings for six participants.
var schemes = map[string]func(*run.Config, *strategy.Config){
	"minibatch": func(_ *run.Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "minibatch", Batch: 100, LR: .1, MinClients: 6, MinReports: 6, Deadline: time.Minute}
	},
	"oneshot": func(_ *run.Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "oneshot", Epochs: 1, Batch: 50, LR: .1, MinClients: 6, MinReports: 6, Deadline: time.Minute}
	},
	"periodic": func(_ *run.Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "periodic", Batches: 2, Batch: 50, LR: .1, MinClients: 6, MinReports: 6, Deadline: time.Minute}
	},
	"fedavg":   func(*run.Config, *strategy.Config) {},
	"prox":     func(_ *run.Config, s *strategy.Config) { s.Prox = .1 },
	"clip":     func(_ *run.Config, s *strategy.Config) { s.Clip = "adaptive" },
	"scaffold": func(c *run.Config, s *strategy.Config) { s.Correction, c.Sums = "scaffold", 2 },
	"fednova":  func(_ *run.Config, s *strategy.Config) { s.Correction = "fednova" },
	"yogi": func(_ *run.Config, s *strategy.Config) {
		s.Server, s.ServerLR, s.ServerMomentum, s.ServerBeta2, s.ServerTau = "yogi", .01, .9, .99, 1e-3
	},
	"median":           func(_ *run.Config, s *strategy.Config) { s.Combine = "median" },
	"trimmed mean":     func(_ *run.Config, s *strategy.Config) { s.Combine, s.Trim = "trimmed-mean", .2 },
	"geometric median": func(_ *run.Config, s *strategy.Config) { s.Combine = "geometric-median" },
	"krum":             func(_ *run.Config, s *strategy.Config) { s.Combine, s.Byzantine = "krum", 1 },
	"dynamic": func(_ *run.Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "dynamic", Batches: 4, Batch: 10, LR: .1, MinClients: 6, Deadline: time.Minute, Own: strategy.DynamicSettings{Delta: 1e-9, Augment: 1, FullShare: .5}}
	},
	"radon": func(_ *run.Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "radon", Epochs: 1, Batch: 10, LR: .1, MinClients: 6, Deadline: time.Minute, Own: strategy.RadonSettings{Height: 1, Models: 4}}
	},
	"fedbuff": func(_ *run.Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "fedbuff", Epochs: 1, Batch: 10, LR: .1, MinClients: 6, Deadline: time.Minute, Own: strategy.FedBuffSettings{Buffer: 4, Staleness: .5}}
	},
	"daisy": func(_ *run.Config, s *strategy.Config) {
		*s = strategy.Config{Kind: "daisy", Epochs: 1, Batch: 10, LR: .1, MinClients: 6, MinReports: 6, Deadline: time.Minute, Own: strategy.DaisySettings{AverageEvery: 2}}
	},
}

// TestClusterReplay: the same contributions in the same order give the same versions to the bit on
// one node, two and five, wherever their participants are, for every scheme that is served.
func TestClusterReplay(t *testing.T) {
	for _, s := range strategy.Schemes() {
		if schemes[s.Name] == nil && !s.Central {
			t.Errorf("%s is not replayed", s.Name)
		}
	}
	for name, edit := range schemes {
		t.Run(name, func(t *testing.T) {
			rounds := 3
			if name == "oneshot" || name == "radon" {
				rounds = 1
			}
			want := replay(t, []int{0, 0, 0, 0, 0, 0}, rounds, edit)
			if len(want) != rounds {
				t.Fatalf("%d versions in one process, want %d", len(want), rounds)
			}
			for _, where := range [][]int{{1, 1, 1, 1, 1, 1}, {0, 1, 0, 1, 1, 0}, {4, 1, 2, 3, 0, 1}} {
				if got := replay(t, where, rounds, edit); !slices.Equal(got, want) {
					t.Errorf("placed %v: %x, want %x as in one process", where, got, want)
				}
			}
		})
	}
}
