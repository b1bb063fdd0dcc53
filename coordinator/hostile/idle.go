package hostile

import (
	"net"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/protocol"
)

// pacing is a world in which a round takes what the crew takes for an order, so that
// other work of the machine does not change the figures. Its deadline is the default.
func pacing(name, strategy string) *Setting {
	return &Setting{Name: name, Honest: 6, Pace: time.Second, Task: `
model: {kind: mlp, hidden: [8]}
data: {source: anes96, holdout: 0.2, partition: {kind: iid, clients: 20}}
strategy: {kind: fedavg, batches: 1, batch: 10, lr: 0.05, ` + strategy + `}
stop: {rounds: 100000}
seed: 1
`}
}

var (
	inAll   = pacing("all", "fraction: 1")
	inTenth = pacing("tenth", "fraction: 0.1")
)

// What honest participants must keep of their rounds, percent.
const (
	oneAddress   = 50.
	twoAddresses = 40.
)

// Times of a measurement: what is lost at first is not lost for good.
const (
	settleTime     = 16 * time.Second // an order is awaited for 15 s at least
	measureTime    = 24 * time.Second
	longSettleTime = 20 * time.Second
	longMeasure    = 2 * time.Minute
)

// measure starts an attack and reports the rounds that the crew keeps.
func (t *T) measure(atLeast float64, attack func()) {
	before := t.Baseline()
	settle, over := settleTime, measureTime
	if t.suite.Long {
		settle, over = longSettleTime, longMeasure
	}
	attack()
	t.Pause(settle)
	t.AtLeast("honest rounds", 100*t.World.Crew.Rate(over)/before, atLeast, "%")
	t.honestUnharmed()
}

// perAddress is how many sessions an address may have.
const perAddress = protocol.MaxPerAddress

// idle answers nothing.
func idle(a *attacker) {
	p := a.Join()
	for {
		if _, err := p.Read(); err != nil {
			return
		}
	}
}

// decline declines every order at once.
func decline(a *attacker) {
	p := a.Join()
	for {
		o := hubtest.Await[*protocol.Order](p)
		p.Send(&protocol.Decline{Order: o.Order, Reason: protocol.ReasonBusy})
	}
}

// vanish leaves on every order, and joins as another.
func vanish(a *attacker) {
	p := a.Join()
	hubtest.Await[*protocol.Order](p)
	p.Send(&protocol.Bye{Code: protocol.CloseNormal})
}

// progress reports that it has begun, and never answers.
func progress(a *attacker) {
	p := a.Join()
	for {
		o := hubtest.Await[*protocol.Order](p)
		p.Send(&protocol.Progress{Order: o.Order})
	}
}

// lose loses its socket on every order, and comes back.
func lose(a *attacker) {
	h := hubtest.Hello(a.t.World.Task)
	for {
		p := a.Connect().Join(h)
		h.ResumeToken = p.Welcome.ResumeToken
		hubtest.Await[*protocol.Order](p)
		p.Conn.Close()
	}
}

// refused answers every order with what is refused.
func refused(a *attacker) {
	p := a.Join()
	for {
		c := p.Contribution(hubtest.Await[*protocol.Order](p))
		c.Weight = 0
		p.Send(c)
	}
}

// churn joins and leaves, each attacker once in a period.
func churn(period time.Duration) func(a *attacker) {
	return func(a *attacker) {
		p := a.Join()
		p.Send(&protocol.Bye{Code: protocol.CloseNormal})
		p.Conn.Close()
		if period > 0 {
			a.Pause(period)
		}
	}
}

// toggle pauses and goes on ten times a second, and answers nothing.
func toggle(a *attacker) {
	p := a.Join()
	go func() { // so that its queue does not fill
		for {
			if _, err := p.Read(); err != nil {
				return
			}
		}
	}()
	for state := protocol.TabPaused; ; state = protocol.TabPaused + protocol.TabVisible - state {
		p.Send(&protocol.Tab{State: state})
		a.Pause(100 * time.Millisecond)
	}
}

// idlers hold up rounds, or cost everybody else work, without breaking the protocol.
func idlers() (cases []Case) {
	add := func(words, about string, w *Setting, atLeast float64, long bool, crowds ...func(t *T, from net.IP)) {
		cases = append(cases, Case{Name: name("idle", words), About: about, Needs: "a task of its own", Long: long, World: w, Attack: func(t *T) {
			t.measure(atLeast, func() {
				for _, crowd := range crowds {
					crowd(t, t.World.Address())
				}
			})
		}})
	}
	crowd := func(n int, act func(*attacker)) func(*T, net.IP) {
		return func(t *T, from net.IP) { t.Crowd(n, from, act) }
	}
	all := func(act func(*attacker)) func(*T, net.IP) { return crowd(perAddress, act) }
	often := churn(10 * time.Millisecond)
	add("64 silent", "64 sessions that answer nothing, all asked", inAll, oneAddress, false, all(idle))
	add("64 silent of a tenth", "64 sessions that answer nothing, a tenth asked", inTenth, oneAddress, false, all(idle))
	add("one silent", "one session that answers nothing", inAll, oneAddress, false, crowd(1, idle))
	add("64 declining", "64 sessions that decline every order", inAll, oneAddress, false, all(decline))
	add("64 declining of a tenth", "64 sessions that decline every order, a tenth asked", inTenth, oneAddress, false, all(decline))
	add("64 with progress", "64 sessions that report progress and never answer", inAll, oneAddress, true, all(progress))
	add("64 vanishing", "64 sessions that leave on an order and join as others", inTenth, oneAddress, false, all(vanish))
	add("64 losing sockets", "64 sessions that lose their socket on an order and come back", inTenth, oneAddress, true, all(lose))
	add("64 refused", "64 sessions whose answers are refused", inTenth, oneAddress, false, all(refused))
	add("join and leave 10 a second", "shards divided anew for each", inAll, oneAddress, false, crowd(1, churn(100*time.Millisecond)))
	add("join and leave 20 a second", "shards divided anew for each", inAll, oneAddress, false, crowd(1, churn(50*time.Millisecond)))
	add("join and leave 400 a second", "shards divided anew for each", inAll, oneAddress, false, crowd(4, often))
	add("join and leave without pause", "shards divided anew for each", inAll, oneAddress, true, crowd(8, churn(0)))
	add("64 toggling pause", "64 sessions that pause and go on ten times a second", inTenth, oneAddress, false, all(toggle))
	add("two addresses silent", "128 sessions of two addresses that answer nothing", inTenth, twoAddresses, false, all(idle), all(idle))
	add("two addresses declining and vanishing", "128 sessions of two addresses in collusion", inTenth, twoAddresses, false, all(decline), all(vanish))
	add("two addresses silent and churning", "128 sessions of two addresses in collusion", inAll, twoAddresses, false, all(idle), crowd(4, often))
	return cases
}
