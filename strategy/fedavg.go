package strategy

import (
	"encoding/binary"
	"fmt"
	"time"
)

// FedAvg is federated averaging (McMahan et al. 2017, Algorithm 1):
//
//	m = max(floor(C K), 1); S = m random clients
//	client k: E epochs of local SGD in batches of B from w  ->  w_k
//	w <- w + eta_s * sum_{k in S} (n_k / sum_{j in S} n_j) (w_k - w)
//
// The weights are normalised over the clients whose contributions arrived
// (the paper's erratum), and eta_s = 1 is the paper's algorithm. C = 1 is
// periodic averaging; E = 1 with B = 0 is FedSGD.
type FedAvg struct {
	cfg   Config
	seed  uint64
	least int // fewest clients to choose, where as many are present

	state   fedavgState
	cohort  Cohort
	version uint64  // newest committed
	order   OrderID // newest given
	effects []Effect
}

type fedavgState uint8

const (
	idle       fedavgState = iota // too few clients, or pausing before a retry
	opening                       // the cohort is being written down
	collecting                    // orders are out
	committing
)

// The timers of a round-based strategy.
const (
	timerDeadline Timer = 1
	timerRetry    Timer = 2
)

// Setup is what a strategy is told beside its Config.
type Setup struct {
	Seed      uint64 // of the run
	MinCohort int    // fewest clients to choose for a round, where as many are present: 2 live, 1 simulated
}

// New returns the strategy that cfg names.
func New(cfg Config, setup Setup) (Strategy, error) {
	if ps := cfg.Problems(); len(ps) > 0 {
		return nil, fmt.Errorf("strategy: %v", ps[0])
	}
	cfg = cfg.WithDefaults()
	return &FedAvg{cfg: cfg, seed: setup.Seed, least: setup.MinCohort}, nil
}

// Restore implements Strategy.
func (s *FedAvg) Restore(snapshot []byte) error {
	if len(snapshot) < 1 || snapshot[0] != 1 {
		return fmt.Errorf("strategy: fedavg snapshot of %d bytes is not of a format this build knows", len(snapshot))
	}
	b := snapshot[1:]
	version, n := binary.Uvarint(b)
	if n <= 0 {
		return fmt.Errorf("strategy: fedavg snapshot is cut off")
	}
	order, m := binary.Uvarint(b[n:])
	if m <= 0 || n+m != len(b) {
		return fmt.Errorf("strategy: fedavg snapshot is cut off or too long")
	}
	s.version, s.order = version, OrderID(order)
	return nil
}

// snapshot describes the state after version is committed.
func (s *FedAvg) snapshot(version uint64) []byte {
	b := []byte{1}
	b = binary.AppendUvarint(b, version)
	return binary.AppendUvarint(b, uint64(s.order))
}

// Step implements Strategy.
func (s *FedAvg) Step(e Event) []Effect {
	s.effects = s.effects[:0]
	switch e := e.(type) {
	case Joined:
		s.cohort.Join(e.Client)
		switch s.state {
		case idle:
			if s.cohort.Attempt == 0 { // otherwise the retry timer decides
				s.open()
			}
		case opening:
			s.cohort.Await(e.Client)
		case collecting:
			if s.cohort.Await(e.Client) {
				s.send(e.Client)
			}
		}
	case Left:
		s.cohort.Leave(e.Client)
		s.settle(false)
	case Declined:
		if e.Order == s.cohort.Order {
			s.cohort.Excuse(e.Client)
			s.settle(false)
		}
	case Offered:
		s.offered(e)
	case Fired:
		switch {
		case e.Timer == timerDeadline && s.state == collecting:
			s.settle(true)
		case e.Timer == timerRetry && s.state == idle:
			s.open()
		}
	case Opened:
		if s.state == opening && e.Round == s.cohort.Round {
			s.collect(s.cfg.Deadline)
		}
	case Committed:
		if s.state == committing && e.Round == s.version+1 {
			s.version = e.Round
			s.state = idle
			s.cohort.Attempt = 0
			s.open()
		}
	case Reopened:
		s.cohort.Attempt = 1
		s.order = e.Open.Order
		s.cohort.Begin(e.Open.Round, e.Open.Order, e.Open.Cohort, s.cfg.MinReports)
		s.collect(max(e.Remaining, 0))
	}
	return s.effects
}

func (s *FedAvg) do(e Effect) { s.effects = append(s.effects, e) }

// open begins the next attempt at the next round, if enough clients are
// present.
func (s *FedAvg) open() {
	if s.cohort.Present() < s.cfg.MinClients {
		s.cohort.Attempt = 0 // the next to join opens it
		return
	}
	s.cohort.Attempt++
	s.order++
	round := s.version + 1
	chosen := s.cohort.Sample(s.cfg.Fraction, s.least, s.seed, round, s.cohort.Attempt)
	s.cohort.Begin(round, s.order, chosen, s.cfg.MinReports)
	s.state = opening
	s.do(Open{Round: round, Order: s.order, Base: s.version, Cohort: chosen, Deadline: s.cfg.Deadline})
}

// collect sends the orders of the cohort that has been written down.
func (s *FedAvg) collect(deadline time.Duration) {
	s.state = collecting
	s.do(SetTimer{timerDeadline, deadline})
	for _, m := range s.cohort.members {
		if m.state == working && s.cohort.isPresent(m.client) {
			s.send(m.client)
		}
	}
	s.settle(false)
}

func (s *FedAvg) send(id ClientID) {
	s.do(Order{
		Client: id, Order: s.order, Round: s.cohort.Round, Base: s.version,
		Work: Work{Kind: Fit, Epochs: s.cfg.Epochs, Batch: s.cfg.Batch, LR: s.cfg.LR},
	})
}

func (s *FedAvg) offered(e Offered) {
	reason := Late
	if s.state == collecting {
		reason = s.cohort.Report(e.Client, e.Order)
	} else if e.Order > s.order {
		reason = Unordered
	}
	if reason != 0 {
		s.do(Reject{e.Handle, reason})
		return
	}
	s.do(Add{Handle: e.Handle, Weight: e.Weight})
	s.settle(false)
}

// settle ends the open round if nobody is awaited, or time is up.
func (s *FedAvg) settle(timeUp bool) {
	if s.state != collecting {
		return
	}
	over, enough := s.cohort.Outcome()
	if !over && !timeUp {
		return
	}
	s.do(StopTimer{timerDeadline})
	if enough {
		s.state = committing
		s.do(Commit{
			Round: s.cohort.Round, Base: s.version, Plan: WeightedMean{ServerLR: s.cfg.ServerLR},
			Snapshot: s.snapshot(s.cohort.Round), Clients: s.cohort.Reported(),
		})
		s.cohort.End()
		return
	}
	reason := "too few contributions before the deadline"
	if over {
		reason = "too many of the cohort left or declined"
	}
	s.do(Abandon{Round: s.cohort.Round, Order: s.order, Reason: reason})
	s.cohort.End()
	s.state = idle
	s.do(SetTimer{timerRetry, retryPause(s.cohort.Attempt + 1)})
}

// WeightedMean makes the next model from the base and the weighted mean of
// the deltas in the first sum: base + ServerLR x mean.
type WeightedMean struct{ ServerLR float64 }

// Combine implements Plan.
func (p WeightedMean) Combine(v *Vectors) error {
	return v.Sums[0].Mean(v.Next, v.Base, p.ServerLR)
}
