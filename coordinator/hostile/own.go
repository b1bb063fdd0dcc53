package hostile

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/protocol"
)

// owning is a world in which participants bring tables: two numbers, and two classes that
// depend on neither, so that no model is right about many more than half of the rows.
func owning(name string, honest int, stop string) *Setting {
	return &Setting{Name: name, Honest: honest, Owns: true, Pace: 100 * time.Millisecond, Task: `
model: {kind: mlp, hidden: []}
data:
  source: own
  table:
    features: [{name: size, type: number, min: 0, max: 1000}, {name: speed, type: number, min: 0, max: 100}]
    label: {name: kind, values: [calm, wild]}
  holdout: 0.2
  examples: {min: 10, max: 10000}
strategy: {kind: fedavg, fraction: 1, batches: 2, batch: 10, lr: 0.1, min_clients: 4, min_reports: 3, deadline: 1s}
stop: {rounds: 100000` + stop + `}
seed: 1
`}
}

// The worlds. In the first the survey is over before the attack begins.
var (
	surveyed = func() *Setting {
		s := owning("own", 4, "")
		s.Shared, s.Share = true, 20
		return s
	}()
	surveying = owning("survey", 0, "")
	perfect   = owning("perfect", 4, fmt.Sprintf(", accuracy: %g", perfectGoal))
	silenced  = owning("silenced", 4, "")
)

// brought returns the data of participant n of a crew.
func brought(s *data.Schema, n int) *data.Own {
	src := rng.Stream(1, "brought", uint64(n))
	var b strings.Builder
	b.WriteString("size,speed,kind\n")
	for range 300 + 100*n {
		size, speed := 300+200*src.Float64(), 20+40*src.Float64()
		kind := "calm"
		if src.Float64() < .5 {
			kind = "wild"
		}
		fmt.Fprintf(&b, "%v,%v,%s\n", size, speed, kind)
	}
	rows, err := data.ReadOwn(strings.NewReader(b.String()), "crew", s, data.OwnCSV{})
	if err != nil {
		panic(err) // the rows are made for the schema of owning
	}
	o, err := rows.Own(uint64(n), false)
	if err != nil {
		panic(err)
	}
	return o
}

// teller is a participant that claims to have data, and tells what it likes of it.
type teller struct{ *hubtest.Peer }

func ownHello(task string) *protocol.Hello {
	h := hubtest.Hello(task)
	h.Payloads = []protocol.PayloadKind{protocol.PayloadBytes}
	return h
}

func (t *T) teller() teller { return teller{t.Peers().Connect().Join(ownHello(t.World.Task))} }

// next returns the next message that is of type M and that ok takes. Meanwhile it answers
// the orders of rounds, and declines other enquiries.
func next[M protocol.Message](p teller, ok func(M) bool) M {
	for {
		m, err := p.Read()
		if err != nil {
			var want M
			p.T.Fatalf("waiting for %T: %v", want, err)
		}
		if m, is := m.(M); is && ok(m) {
			return m
		}
		switch o, is := m.(*protocol.Order); {
		case !is:
		case o.Order < protocol.EnquiryOrders:
			p.Send(p.Contribution(o))
		default:
			p.Send(&protocol.Decline{Order: o.Order, Reason: protocol.ReasonNoData})
		}
	}
}

// asked returns the next enquiry for a payload.
func (p teller) asked(payload string) *protocol.Order {
	return next(p, func(o *protocol.Order) bool {
		return o.Order >= protocol.EnquiryOrders && len(o.Payloads) == 1 && o.Payloads[0].Name == payload
	})
}

// tells sends an answer and returns how it is taken.
func (p teller) tells(c *protocol.Contribution) protocol.Reason {
	p.Send(c)
	return next(p, func(a *protocol.Ack) bool { return a.Order == c.Order }).Reason
}

// answer answers an enquiry.
func answer(o *protocol.Order, weight uint64, block []byte) *protocol.Contribution {
	return &protocol.Contribution{
		Transfer: o.Order, Order: o.Order, Weight: weight,
		Vectors: []protocol.Vector{{Kind: protocol.PayloadBytes, Name: o.Payloads[0].Name, Block: block}},
	}
}

// A falsehood is what is changed in an honest answer to an enquiry.
type falsehood struct {
	name string
	want protocol.Reason
	edit func(c *protocol.Contribution)
}

// word puts a number of 8 bytes in place of the one at index i of an answer.
func word(i int, v uint64) func(*protocol.Contribution) {
	return func(c *protocol.Contribution) { binary.LittleEndian.PutUint64(c.Vectors[0].Block[8*i:], v) }
}

func double(i int, v float64) func(*protocol.Contribution) { return word(i, math.Float64bits(v)) }

// shapes are falsehoods about the form of an answer.
func shapes() []falsehood {
	return []falsehood{
		{"a body too short", protocol.ReasonOutOfBounds, func(c *protocol.Contribution) { c.Vectors[0].Block = c.Vectors[0].Block[8:] }},
		{"a body too long", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors[0].Block = append(c.Vectors[0].Block, 1) }},
		{"an empty body", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors[0].Block = nil }},
		{"another name", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors[0].Name = "examples" }},
		{"integers", protocol.ReasonWrongShape, func(c *protocol.Contribution) {
			c.Vectors[0] = protocol.IntegersVector(&protocol.Payload{Kind: protocol.PayloadIntegers, Name: c.Vectors[0].Name, Bits: 64, Count: 2}, make([]uint64, 2))
		}},
		{"two bodies", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Vectors = append(c.Vectors, c.Vectors[0]) }},
		{"a delta", protocol.ReasonWrongShape, func(c *protocol.Contribution) {
			c.Vectors = []protocol.Vector{{Role: protocol.RoleDelta, BaseHash: make([]byte, 32), Block: make([]byte, 16)}}
		}},
		{"in a round", protocol.ReasonWrongShape, func(c *protocol.Contribution) { c.Round = 1 }},
		{"another weight", protocol.ReasonOutOfBounds, func(c *protocol.Contribution) { c.Weight++ }},
		{"no weight", protocol.ReasonOutOfBounds, func(c *protocol.Contribution) { c.Weight = 0 }},
	}
}

// totalLies are falsehoods about totals: rows, classes (calm, wild), and for size and
// speed how many rows have it, and the sum.
func totalLies() []falsehood {
	const bad = protocol.ReasonOutOfBounds
	return append(shapes(), []falsehood{
		{"a sum that is NaN", bad, double(4, math.NaN())},
		{"an infinite sum", bad, double(6, math.Inf(1))},
		{"a sum below its bound", bad, double(4, -1)},
		{"a sum above its bound", bad, double(6, 1e9)},
		{"too many examples", bad, func(c *protocol.Contribution) { word(0, 8001)(c); word(1, 8001)(c); word(2, 0)(c); c.Weight = 8001 }},
		{"too few examples", bad, func(c *protocol.Contribution) { word(0, 7)(c); word(1, 7)(c); word(2, 0)(c); c.Weight = 7 }},
		{"2^64-1 examples", bad, func(c *protocol.Contribution) { word(0, math.MaxUint64)(c); c.Weight = protocol.MaxWeight }},
		{"classes beyond the examples", bad, word(1, math.MaxUint64)},
		{"classes below the examples", bad, word(1, 0)},
		{"values that are missing", bad, word(3, 0)},
	}...)
}

// squareLies are falsehoods about squared differences.
func squareLies() []falsehood {
	const bad = protocol.ReasonOutOfBounds
	return append(shapes(), []falsehood{
		{"NaN", bad, double(0, math.NaN())},
		{"infinite", bad, double(1, math.Inf(1))},
		{"negative", bad, double(0, -1)},
		{"below what the sum allows", bad, double(0, 0)},
		{"above what the bounds allow", bad, double(1, 1e7)},
	}...)
}

// evaluationLies are falsehoods about an evaluation: examples, loss, the confusion matrix.
func evaluationLies() []falsehood {
	const bad = protocol.ReasonOutOfBounds
	return append(shapes(), []falsehood{
		{"a loss that is NaN", bad, double(1, math.NaN())},
		{"an infinite loss", bad, double(1, math.Inf(1))},
		{"a negative loss", bad, double(1, -1e-300)},
		{"a huge loss", bad, double(1, 1e300)},
		{"no examples", bad, func(c *protocol.Contribution) { word(0, 0)(c); c.Weight = 0 }},
		{"too many examples", bad, func(c *protocol.Contribution) { word(0, 10_001)(c); word(2, 9996)(c); c.Weight = 10_001 }},
		{"confusion beyond the examples", bad, word(3, 2)},
		{"confusion below the examples", bad, word(2, 4)},
		{"confusion that wraps around", bad, func(c *protocol.Contribution) { word(3, math.MaxUint64)(c); word(4, 2)(c) }},
	}...)
}

// evaluation answers an evaluation with 8 examples, half of them right.
func evaluation(o *protocol.Order) *protocol.Contribution {
	m := learn.Metrics{Sums: learn.Sums{Examples: 8, Loss: 8, Correct: 4}, Confusion: []int64{3, 1, 3, 1}}
	return answer(o, 8, m.Append(nil))
}

// crewSize is how many honest participants join a run whose survey is attacked.
const crewSize = 4

// ready waits until n participants can be asked in the survey.
func (t *T) ready(n int) {
	for {
		s, err := t.World.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if s.Survey == nil {
			t.Fatalf("the survey is over before the attack")
		}
		if s.Survey.Ready >= n {
			return
		}
		t.Pause(20 * time.Millisecond)
	}
}

// surveyLies has liars tell every falsehood in one survey. The constants are those of the
// honest and of what liars told before they lied.
func surveyLies(t *T) {
	s := t.World.schema
	ofTotals, ofSquares := totalLies(), squareLies()
	var orders []*protocol.Order
	var all []teller
	for range len(ofTotals) + len(ofSquares) {
		all = append(all, t.teller())
	}
	for _, p := range all {
		orders = append(orders, p.asked(protocol.TotalsPayload))
	}
	t.World.Crew.Add(crewSize)
	t.ready(len(all) + crewSize) // the survey is open as long as liars are waited for
	var told []data.Totals
	for i, p := range all {
		own := brought(s, i%3)
		totals := own.Totals()
		c := answer(orders[i], totals.Rows, totals.Append(nil))
		if i < len(ofTotals) {
			lie := ofTotals[i]
			lie.edit(c)
			t.refused("totals, "+lie.name, p.tells(c), lie.want)
			continue
		}
		// The liars of the second step tell of sizes that lie higher.
		totals.Sums[0] = float64(totals.Rows) * 900
		if got := p.tells(answer(orders[i], totals.Rows, totals.Append(nil))); got != protocol.ReasonAccepted {
			t.Errorf("honest totals are answered with %v", got)
		}
		told = append(told, totals)
	}
	var honest []data.Totals
	for n := range crewSize {
		honest = append(honest, brought(s, n).Totals())
	}
	mean := data.Mean(append(told, honest...))
	for i, p := range all[len(ofTotals):] {
		announced := next(p, func(c *protocol.Constants) bool { return len(c.Deviation) == 0 })
		t.near("mean", announced.Mean, mean, 1e-9)
		o := p.asked(protocol.SquaresPayload)
		rows := told[i].Rows
		d := 900 - mean[0]
		c := answer(o, rows, data.AppendSquares(nil, []float64{float64(rows) * d * d * 1.001, float64(rows) * 400}))
		lie := ofSquares[i]
		lie.edit(c)
		t.refused("squares, "+lie.name, p.tells(c), lie.want)
	}
	var squares [][]float64
	for n := range crewSize {
		squares = append(squares, brought(s, n).Squares(mean))
	}
	got := next(all[0], func(c *protocol.Constants) bool { return len(c.Deviation) > 0 })
	want := s.CombineConstants(mean, honest, squares)
	t.cost(true, fmt.Sprintf("%d lies told", len(all)))
	t.near("mean", got.Mean, want.Mean, 1e-9)
	t.near("deviation", got.Deviation, want.Deviation, 1e-6)
	for _, p := range all {
		p.Conn.Close()
	}
	t.Await(warmup)
	t.honestUnharmed()
}

// refused reports an error if a lie is taken otherwise than as wanted.
func (t *T) refused(lie string, got, want protocol.Reason) {
	if got != want {
		t.Errorf("%s: answered with %v, want %v", lie, got, want)
	}
}

// near reports an error if two vectors differ relatively by more than a bound.
func (t *T) near(what string, got, want []float64, by float64) {
	for k := range want {
		if k >= len(got) || !(math.Abs(got[k]-want[k]) <= by*math.Abs(want[k])) {
			t.Errorf("%s %v, want %v", what, got, want)
			return
		}
	}
}

// boundedLie has one liar of five tell the most that it can: the largest number of rows,
// all at the upper bounds, and the largest squares. The constants move by no more than four
// times the median of the rows can move them.
func boundedLie(t *T) {
	s := t.World.schema
	liar := t.teller()
	t.World.Crew.Add(crewSize)
	lie := data.Totals{Rows: s.MaxTrained(), Classes: []uint64{s.MaxTrained(), 0}, Present: []uint64{s.MaxTrained(), s.MaxTrained()}}
	high := []float64{1000, 100}
	for _, v := range high {
		lie.Sums = append(lie.Sums, v*float64(lie.Rows))
	}
	o := liar.asked(protocol.TotalsPayload)
	t.ready(crewSize + 1)
	t.Is("totals", liar.tells(answer(o, lie.Rows, lie.Append(nil))), protocol.ReasonAccepted)
	mean := next(liar, func(c *protocol.Constants) bool { return len(c.Deviation) == 0 }).Mean
	var squares []float64
	for k, v := range high {
		squares = append(squares, float64(lie.Rows)*max(v-mean[k], mean[k])*max(v-mean[k], mean[k]))
	}
	o = liar.asked(protocol.SquaresPayload)
	t.Is("squares", liar.tells(answer(o, lie.Rows, data.AppendSquares(nil, squares))), protocol.ReasonAccepted)
	got := next(liar, func(c *protocol.Constants) bool { return len(c.Deviation) > 0 })
	liar.Conn.Close()

	var honest []data.Totals
	rows := []uint64{lie.Rows}
	n := 0.
	for i := range crewSize {
		honest = append(honest, brought(s, i).Totals())
		rows = append(rows, honest[i].Rows)
		n += float64(honest[i].Rows)
	}
	counted := 4 * float64(slices.Sorted(slices.Values(rows))[len(rows)/2])
	for k, at := range data.Mean(honest) {
		most := counted / (counted + n) * (high[k] - at)
		t.AtMost("mean moved by", got.Mean[k]-at, most*(1+1e-9), "")
		if got.Mean[k] <= at {
			t.Errorf("the mean is %g, as without the liar, whose answers were accepted", got.Mean[k])
		}
	}
	t.Await(warmup)
	t.honestUnharmed()
}

// perfectGoal is an accuracy that is reached only with what a liar tells: with half of the
// rows right, and the liar's at four times the median, three quarters are.
const perfectGoal = .7

// perfectEvaluation has a liar tell of every version that it is right about the largest
// number of examples, so that the goal of the run is reached by what it tells alone.
func perfectEvaluation(t *T) {
	liar := t.teller()
	most := t.World.schema.Max
	half := int64(most / 2)
	m := learn.Metrics{Sums: learn.Sums{Examples: most, Correct: most}, Confusion: []int64{half, 0, 0, int64(most) - half}}
	const times = 5
	for range times {
		o := liar.asked(protocol.EvaluationPayload)
		if got := liar.tells(answer(o, uint64(most), m.Append(nil))); got != protocol.ReasonAccepted {
			t.Errorf("a perfect evaluation is answered with %v", got)
		}
	}
	liar.asked(protocol.EvaluationPayload) // the versions after those have been made
	state, err := t.World.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if state.Finished != "" {
		t.Errorf("the run is over: %s", state.Finished)
	}
	if e := state.Evaluation; e == nil || e.Participants != crewSize+1 || e.Accuracy == nil {
		t.Errorf("evaluation %+v, want one of %d participants", e, crewSize+1)
	} else {
		t.AtLeast("accuracy that is shown", 100**e.Accuracy, 100*perfectGoal, "%")
	}
	t.honestUnharmed()
}

// begins starts an attack on a survey that honest participants join, and reports the time
// until their first version.
func begins(t *T, bound time.Duration, attack func()) {
	attack()
	began := time.Now()
	t.World.Crew.Add(crewSize)
	t.Await(1)
	t.AtMost("until the first version", time.Since(began).Seconds(), bound.Seconds(), " s")
	t.Await(warmup)
	t.honestUnharmed()
}

// ownSilent, ownDeclining and ownChurning are attackers that claim to have data.
func ownSilent(a *attacker) { ends(a.Connect().Join(ownHello(a.t.World.Task))) }

func ownDeclining(a *attacker) {
	p := a.Connect().Join(ownHello(a.t.World.Task))
	for {
		o := hubtest.Await[*protocol.Order](p)
		p.Send(&protocol.Decline{Order: o.Order, Reason: protocol.ReasonNoData})
	}
}

func ownChurning(a *attacker) {
	p := a.Connect().Join(ownHello(a.t.World.Task))
	p.Send(&protocol.Bye{Code: protocol.CloseNormal})
	p.Conn.Close()
	a.Pause(50 * time.Millisecond)
}

// tellers are attacks on what participants tell of their own data.
func tellers() (cases []Case) {
	add := func(words, about string, w *Setting, attack func(t *T)) {
		cases = append(cases, Case{Name: name("own", words), About: about, Needs: "a task with data of participants", World: w, Attack: attack})
	}
	for _, lie := range evaluationLies() {
		add("evaluation "+lie.name, "evaluations: refused as "+lie.want.String(), surveyed, func(t *T) {
			p := t.teller()
			o := p.asked(protocol.EvaluationPayload)
			c := evaluation(o)
			lie.edit(c)
			t.Is("answered", p.tells(c), lie.want)
			t.Is("an honest one after it", p.tells(evaluation(o)), protocol.ReasonDuplicate, protocol.ReasonLate)
			t.Is("the next", p.tells(evaluation(p.asked(protocol.EvaluationPayload))), protocol.ReasonAccepted)
		})
	}
	add("an answer twice", "enquiries: each answer counts once", surveyed, func(t *T) {
		p := t.teller()
		o := p.asked(protocol.EvaluationPayload)
		t.Is("first", p.tells(evaluation(o)), protocol.ReasonAccepted)
		t.Is("second", p.tells(evaluation(o)), protocol.ReasonDuplicate, protocol.ReasonLate)
	})
	add("an answer to the enquiry before", "enquiries: a replay is late", surveyed, func(t *T) {
		p := t.teller()
		old := p.asked(protocol.EvaluationPayload)
		t.Is("in time", p.tells(evaluation(old)), protocol.ReasonAccepted)
		p.asked(protocol.EvaluationPayload)
		t.Is("late", p.tells(evaluation(old)), protocol.ReasonLate)
	})
	add("an answer to no enquiry", "enquiries: what was never asked is late", surveyed, func(t *T) {
		p := t.teller()
		o := *p.asked(protocol.EvaluationPayload)
		o.Order += 1 << 20
		t.Is("answered", p.tells(evaluation(&o)), protocol.ReasonLate)
	})
	add("an answer of one who was not asked", "enquiries: only those who were asked count", surveyed, func(t *T) {
		paused := ownHello(t.World.Task)
		paused.TabState = protocol.TabPaused
		stranger := teller{t.Peers().Connect().Join(paused)}
		o := t.teller().asked(protocol.EvaluationPayload)
		t.Is("answered", stranger.tells(evaluation(o)), protocol.ReasonUnordered, protocol.ReasonLate)
	})
	add("no data at all", "a participant that can tell nothing of its data is sent away", surveyed, func(t *T) {
		p := t.Peers().Connect()
		p.Send(hubtest.Hello(t.World.Task))
		code, _ := p.Closed()
		t.Is("closed", code, protocol.CloseCapability)
	})
	add("totals after the survey", "enquiries: constants are made once", surveyed, func(t *T) {
		p := t.teller()
		o := p.asked(protocol.EvaluationPayload)
		totals := brought(t.World.schema, 1).Totals()
		c := answer(o, totals.Rows, totals.Append(nil))
		c.Vectors[0].Name = protocol.TotalsPayload
		t.Is("answered", p.tells(c), protocol.ReasonWrongShape)
	})
	add("survey lies", "the survey: every lie in one of it is refused, and the constants are those of the others", surveying, surveyLies)
	add("a lie within the bounds", "the survey: one of five tells the most that it can", surveying, boundedLie)
	add("a perfect evaluation", "evaluations: one of five is right about everything, and the goal is reached with it alone", perfect, perfectEvaluation)
	add("a survey with 64 silent", "the survey: 64 sessions of one address answer nothing", surveying, func(t *T) {
		begins(t, 45*time.Second, func() { t.Crowd(perAddress, t.World.Address(), ownSilent); t.ready(perAddress) })
	})
	cases[len(cases)-1].Long = true // it takes the time of an enquiry
	add("a survey with 64 declining", "the survey: 64 sessions of one address decline", surveying, func(t *T) {
		begins(t, 15*time.Second, func() { t.Crowd(perAddress, t.World.Address(), ownDeclining); t.ready(perAddress) })
	})
	add("64 silent", "enquiries and rounds: 64 sessions of one address answer nothing", silenced, func(t *T) {
		t.measure(oneAddress, func() { t.Crowd(perAddress, t.World.Address(), ownSilent) })
	})
	cases[len(cases)-1].Long = true
	add("a survey with joins and leaves", "the survey: sessions join and leave 80 times a second", surveying, func(t *T) {
		begins(t, 45*time.Second, func() { t.Crowd(4, t.World.Address(), ownChurning); t.Pause(time.Second) })
	})
	return cases
}
