package lab

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"fedtab/protocol"
	"fedtab/run"
	"fedtab/simulation"
)

// lane is a scheme at work on a world, and what has happened, so that a page can go back.
type lane struct {
	way
	sim      *simulation.Simulation
	over     bool // there are no more events
	stuck    bool // it makes no progress any more
	versions []version
	wires    []wire
	fetched  []bool // by client: it was asked for its model
}

// version is a committed version of the model.
type version struct {
	run.RoundRecord
	at     time.Duration
	bytes  int64 // up and down, of all rounds up to it
	params []float32
}

// wire is a message with a model, or one that asks for something.
type wire struct {
	client     int
	what       cargo
	models     int // that an answer carries
	sent, here time.Duration
}

// cargo is what a message carries.
type cargo int

const (
	order     cargo = iota // to a client: train
	fetch                  // to a client: send your model
	model                  // to a client
	answer                 // to the coordinator: a trained model
	violation              // the same, of a client that sends it because it has strayed (dynamic averaging)
)

// up reports whether it goes to the coordinator.
func (c cargo) up() bool { return c >= answer }

// start puts a scheme to work on a world. Its error says why that is not possible.
func (w *world) start(o way) (*lane, error) {
	l := &lane{way: o, fetched: make([]bool, w.clients)}
	l.watch = func(c *simulation.Config) { c.OnUpdate, c.OnWire = l.update, l.wire }
	var err error
	l.sim, err = w.simulate(l.way)
	return l, err
}

// update takes in a committed version, or its evaluation.
func (l *lane) update(u run.Update, fresh bool) {
	if fresh {
		bytes := u.Round.Traffic.Up + u.Round.Traffic.Down
		if n := len(l.versions); n > 0 {
			bytes += l.versions[n-1].bytes
		}
		_, _, params := l.sim.Run().Model()
		l.versions = append(l.versions, version{*u.Round, u.Round.Committed.Sub(simulation.Epoch), bytes, append([]float32(nil), params...)})
		return
	}
	l.versions[len(l.versions)-1].RoundRecord = *u.Round
}

// wire takes in a message that is sent.
func (l *lane) wire(m simulation.Wire) {
	x := wire{client: m.Client, sent: m.Sent, here: m.Here}
	switch of := m.Message.(type) {
	case *protocol.Order:
		x.what = order
	case *protocol.Fetch:
		x.what = fetch
		l.fetched[m.Client] = true
	case *protocol.Model:
		x.what = model
	case *protocol.Contribution:
		x.what, x.models = answer, len(of.Vectors)
		if l.kind == "dynamic" && !l.fetched[m.Client] {
			x.what = violation
		}
		l.fetched[m.Client] = false
	default:
		return
	}
	l.wires = append(l.wires, x)
}

// until does events up to a time, at most n of them, and reports whether there are more.
func (l *lane) until(t time.Duration, n int) (more bool) {
	for ; n > 0 && !l.over && l.sim.Time() <= t; n-- {
		more, err := l.sim.Next()
		l.over = !more
		if err != nil {
			l.stuck = true
			if !errors.Is(err, simulation.ErrStuck) {
				panic("lab: " + err.Error()) // nothing is read or written
			}
		}
	}
	return !l.over && l.sim.Time() <= t
}

// done returns the time up to which everything is known.
func (l *lane) done() time.Duration {
	if l.over {
		return 1<<63 - 1
	}
	return l.sim.Time()
}

// divergedAt is the loss from which on a scheme counts as diverged: some times that of a
// model that knows nothing, which is log(classes).
const divergedAt = 8

// diverged reports whether a scheme has diverged after n versions, of which there is one.
func (l *lane) diverged(n int) bool { return !(l.versions[n-1].Test.Loss < divergedAt) }

// at returns how many versions there are at a time.
func (l *lane) at(t time.Duration) int {
	n := len(l.versions)
	for n > 0 && l.versions[n-1].at > t {
		n--
	}
	return n
}

// recordsHeader names the columns of records.
const recordsHeader = "round,participants,train_loss,test_loss,test_accuracy,bytes_up,bytes_down,virtual_seconds,answers,model_sha256"

// records writes the versions as a table, a line for each. Numbers are those that
// `coordinator simulate --json` writes, as short as they are exact.
func (l *lane) records(t time.Duration) string {
	var b strings.Builder
	fmt.Fprintln(&b, recordsHeader)
	wires := l.wires
	for _, v := range l.versions[:l.at(t)] {
		var answers []string // clients, from 1, whose models have come since the last version, as they were sent
		for ; len(wires) > 0 && wires[0].sent <= v.at; wires = wires[1:] {
			if wires[0].what.up() {
				answers = append(answers, strconv.Itoa(wires[0].client+1))
			}
		}
		fmt.Fprintf(&b, "%d,%d,%v,%v,%v,%d,%d,%v,%s,%x\n", v.Round, v.Participants, v.TrainLoss, v.Test.Loss, v.Test.Accuracy,
			v.Traffic.Up, v.Traffic.Down, v.at.Round(time.Microsecond).Seconds(), strings.Join(answers, " "), v.Hash)
	}
	return b.String()
}
