package hostile

import (
	"math"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"
)

// lies are answers that are refused by what they say. The next answer of the same
// session, a good one, is accepted.
func lies() (cases []Case) {
	for _, lie := range hubtest.Lies() {
		cases = append(cases, Case{Name: name("lie", lie.Name), About: "answers: refused as " + lie.Want.String(), World: plain, Attack: func(t *T) {
			p, o := t.Peers().Ordered()
			c := p.Contribution(o)
			lie.Edit(c)
			p.Send(c)
			t.Is("answered", hubtest.Await[*protocol.Ack](p).Reason, lie.Want)
			p.AcceptedSoon()
		}})
	}
	return append(cases,
		Case{Name: "lie/an-answer-twice", About: "answers: each counts once", World: plain, Attack: func(t *T) {
			p, o := t.Peers().Ordered()
			p.Send(p.Contribution(o))
			p.Send(p.Contribution(o))
			t.Is("first", hubtest.Await[*protocol.Ack](p).Reason, protocol.ReasonAccepted, protocol.ReasonLate, protocol.ReasonAbandoned)
			t.Is("second", hubtest.Await[*protocol.Ack](p).Reason, protocol.ReasonDuplicate, protocol.ReasonLate, protocol.ReasonAbandoned)
		}},
		Case{Name: "lie/an-answer-of-the-round-before", About: "answers: a replay is late", World: plain, Attack: func(t *T) {
			p, o := t.Peers().Ordered()
			old := p.Contribution(o)
			p.Send(p.Contribution(o))
			for hubtest.Await[*protocol.Order](p).Round <= o.Round {
			}
			hubtest.SetValue(old, 0, 1)
			p.Send(old)
			for {
				if a := hubtest.Await[*protocol.Ack](p); a.Order == o.Order && a.Reason != protocol.ReasonAccepted {
					t.Is("answered", a.Reason, protocol.ReasonLate, protocol.ReasonAbandoned, protocol.ReasonDuplicate)
					return
				}
			}
		}},
		Case{Name: "lie/an-answer-for-another", About: "answers: only those who were ordered count", World: plain, Attack: func(t *T) {
			peers := t.Peers()
			_, o := peers.Ordered()
			h := hubtest.Hello(t.World.Task)
			h.TabState = protocol.TabPaused // paused tabs are never chosen
			p := peers.Connect().Join(h)
			p.Send(p.Contribution(o))
			t.Is("answered", hubtest.Await[*protocol.Ack](p).Reason, protocol.ReasonUnordered, protocol.ReasonLate)
		}},
		Case{Name: "lie/a-weight-after-a-return", About: "weight: leave on an order, come back in the same round, claim everybody's examples", World: plain, Needs: "a known number of examples", Attack: func(t *T) {
			peers := t.Peers()
			for {
				p, o := peers.Ordered()
				p.Send(&protocol.Bye{Code: protocol.CloseCapability}) // with CloseNormal it could not come back
				ends(p)
				h := hubtest.Hello(t.World.Task)
				h.ResumeToken = p.Welcome.ResumeToken
				p = peers.Connect().Join(h)
				c := p.Contribution(o)
				c.Weight = mnistExamples
				p.Send(c)
				a := hubtest.Await[*protocol.Ack](p)
				if a.Reason == protocol.ReasonLate || a.Reason == protocol.ReasonAbandoned {
					continue // the round was over
				}
				t.Is("answered", a.Reason, protocol.ReasonOutOfBounds)
				return
			}
		}},
		Case{Name: "lie/absurd-metrics", About: "metrics: NaN and absurd sums do not reach the run's figures", World: plain, Attack: func(t *T) {
			p, o := t.Peers().Ordered()
			c := p.Contribution(o)
			c.Metrics = protocol.Metrics{Examples: 1 << 62, Steps: 1 << 62, LossSum: math.Inf(1), Correct: 1 << 63}
			p.Send(c)
			t.Is("answered", hubtest.Await[*protocol.Ack](p).Reason, protocol.ReasonAccepted, protocol.ReasonOutOfBounds, protocol.ReasonLate, protocol.ReasonAbandoned)
			p.AcceptedSoon()
			if _, err := t.World.State(t.Context()); err != nil {
				t.Errorf("how the run stands: %v", err) // an infinity is no JSON
			}
		}},
	)
}

// mnistExamples is the number of examples that all participants have together.
const mnistExamples = 60_000
