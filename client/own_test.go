package client

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol"
)

// pictures is own data of n images.
func pictures(t testing.TB, n int, holdout float64) *data.Own {
	t.Helper()
	s := &data.Schema{Holdout: holdout, Min: 5, Max: 1000, Images: &data.ImageSchema{Width: 2, Height: 2, Channels: 1, Classes: []string{"a", "b", "c"}}}
	o, err := data.NewOwnImages(s, examples(t, n), 4)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// table is own data of rows with two numbers, for a model of the same width.
func table(t testing.TB, scale data.Scale) *data.Own {
	t.Helper()
	low, high := 0., 1000.
	s := &data.Schema{Scale: scale, Holdout: 0.25, Min: 4, Max: 1000, Table: &data.TableSchema{Label: data.Field{Name: "y", Type: data.CategoryField, Values: []string{"0", "1", "2"}}}}
	for _, name := range []string{"p", "q", "r", "s"} {
		s.Table.Features = append(s.Table.Features, data.Field{Name: name, Type: data.NumberField, Min: &low, Max: &high})
	}
	var text strings.Builder
	text.WriteString("p,q,r,s,y\n")
	for i := range 40 {
		fmt.Fprintf(&text, "%d,%d,%d,%d,%d\n", i, 2*i, i*i%7, 100+i%3, i%3)
	}
	tab, err := data.ReadCSV(strings.NewReader(text.String()), "t.csv", data.CSV{Target: "y", Classes: s.Table.Label.Values})
	if err != nil {
		t.Fatal(err)
	}
	o, err := data.NewOwnTable(s, tab, 4)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func withOwn(t testing.TB, o *data.Own, cfg Config) (*Client, *protocol.Welcome) {
	t.Helper()
	c := New(cfg)
	if err := c.SetOwn(o); err != nil {
		t.Fatal(err)
	}
	w := welcome(t)
	receive(t, c, w)
	return c, w
}

func enquiry(w *protocol.Welcome, number uint64, kind protocol.OrderKind, payload string) *protocol.Order {
	return &protocol.Order{
		Order: protocol.EnquiryOrders + number, Kind: kind, BaseHash: w.InitialHash,
		Payloads: []protocol.Payload{{Kind: protocol.PayloadBytes, Name: payload, MaxBytes: 10000}},
	}
}

// only returns the only message, which must be of type M.
func only[M protocol.Message](t testing.TB, out []protocol.Message) M {
	t.Helper()
	if len(out) != 1 {
		t.Fatalf("%d messages, want 1", len(out))
	}
	m, ok := out[0].(M)
	if !ok {
		t.Fatalf("the answer is %#v", out[0])
	}
	return m
}

// An enquiry comes beside an order and changes nothing of it, wherever it comes.
func TestEnquiryBesideAnOrder(t *testing.T) {
	c, w := withOwn(t, pictures(t, 50, 0.2), Config{})
	receive(t, c, order(w, 1))
	want := work(c, 1000)[1].(*protocol.Contribution)
	for _, before := range []int{0, 1, 3} {
		c, w := withOwn(t, pictures(t, 50, 0.2), Config{})
		receive(t, c, order(w, 1))
		b := c.NewWorkspace()
		for range before {
			c.Work(b, 2)
		}
		if out := receive(t, c, enquiry(w, 7, protocol.OrderEvaluate, protocol.EvaluationPayload)); len(out) != 0 {
			t.Fatalf("the enquiry is answered by %v at once", out[0])
		}
		out := c.Work(b, 1000)
		for c.Ready() {
			out = append(out, c.Work(b, 1000)...)
		}
		var answer, fitted *protocol.Contribution
		for _, m := range out {
			if m, ok := m.(*protocol.Contribution); ok && m.Order >= protocol.EnquiryOrders {
				answer = m
			} else if ok {
				fitted = m
			}
		}
		if answer == nil || answer.Weight != 10 || answer.Round != 0 {
			t.Fatalf("the enquiry is answered by %+v, want the totals of 10 examples", answer)
		}
		if fitted == nil || !reflect.DeepEqual(fitted.Vectors, want.Vectors) {
			t.Errorf("after %d slices an enquiry changes the answer to the order", before)
		}
	}
}

// The totals of an evaluation are those of the holdout.
func TestEvaluateOrder(t *testing.T) {
	o := pictures(t, 50, 0.2)
	c, w := withOwn(t, o, Config{})
	receive(t, c, enquiry(w, 1, protocol.OrderEvaluate, protocol.EvaluationPayload))
	answer := only[*protocol.Contribution](t, work(c, 3))
	got, err := learn.ParseMetrics(answer.Vectors[0].Block, 3, 10)
	if err != nil {
		t.Fatal(err)
	}
	test, err := o.Test(data.Constants{})
	if err != nil {
		t.Fatal(err)
	}
	_, params := c.Held()
	want, err := learn.Evaluate(model(t), params, test, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Confusion, want.Confusion) || got.Loss != want.Loss || c.Evaluated() == nil {
		t.Errorf("totals %+v, want %+v", got, want)
	}
}

// What a client cannot answer it declines, with the reason.
func TestDeclinedEnquiries(t *testing.T) {
	other := func(o *protocol.Order) *protocol.Order { o.BaseHash = make([]byte, 32); return o }
	none := pictures(t, 50, 0)
	for name, c := range map[string]struct {
		own    *data.Own
		ask    func(*protocol.Welcome) *protocol.Order
		tab    protocol.TabState
		reason protocol.Reason
	}{
		"no holdout":   {none, func(w *protocol.Welcome) *protocol.Order { return enquiry(w, 1, protocol.OrderEvaluate, "evaluation") }, 0, protocol.ReasonNoData},
		"no constants": {table(t, data.FederatedScale), func(w *protocol.Welcome) *protocol.Order { return enquiry(w, 1, protocol.OrderEvaluate, "evaluation") }, 0, protocol.ReasonNoData},
		"no means":     {table(t, data.FederatedScale), func(w *protocol.Welcome) *protocol.Order { return enquiry(w, 1, protocol.OrderReport, "squares") }, 0, protocol.ReasonNoData},
		"another version": {pictures(t, 50, .2), func(w *protocol.Welcome) *protocol.Order {
			return other(enquiry(w, 1, protocol.OrderEvaluate, "evaluation"))
		}, 0, protocol.ReasonWrongBase},
		"an unknown total":  {none, func(w *protocol.Welcome) *protocol.Order { return enquiry(w, 1, protocol.OrderReport, "rows") }, 0, protocol.ReasonUnsupported},
		"a kind of a round": {none, func(w *protocol.Welcome) *protocol.Order { return enquiry(w, 1, protocol.OrderFit, "totals") }, 0, protocol.ReasonUnsupported},
		"a paused tab":      {none, func(w *protocol.Welcome) *protocol.Order { return enquiry(w, 1, protocol.OrderReport, "totals") }, protocol.TabPaused, protocol.ReasonPaused},
		"two payloads": {none, func(w *protocol.Welcome) *protocol.Order {
			o := enquiry(w, 1, protocol.OrderReport, "totals")
			o.Payloads = append(o.Payloads, o.Payloads[0])
			return o
		}, 0, protocol.ReasonUnsupported},
	} {
		client, w := withOwn(t, c.own, Config{})
		if c.tab != 0 {
			client.SetTab(c.tab)
		}
		d := only[*protocol.Decline](t, receive(t, client, c.ask(w)))
		if d.Reason != c.reason || d.Order < protocol.EnquiryOrders {
			t.Errorf("%s: declined with %v, want %v", name, d.Reason, c.reason)
		}
	}
	c, w := joined(t) // a client without data of its own
	if d := only[*protocol.Decline](t, receive(t, c, enquiry(w, 1, protocol.OrderReport, "totals"))); d.Reason != protocol.ReasonNoData {
		t.Errorf("a client without own data declines with %v", d.Reason)
	}
}

// A table is trained on once its constants are here, and standardised by them; constants
// that cannot be are refused.
func TestConstants(t *testing.T) {
	c, w := withOwn(t, table(t, data.FederatedScale), Config{})
	receive(t, c, order(w, 1))
	if c.Ready() || c.Constants() != nil {
		t.Fatal("the client trains on numbers that are not standardised")
	}
	receive(t, c, &protocol.Constants{Mean: []float64{10, 20, 3, 100}})
	if c.Ready() {
		t.Fatal("the client trains with means alone")
	}
	receive(t, c, &protocol.Constants{Mean: []float64{10, 20, 3, 100}, Deviation: []float64{5, 10, 2, 0}})
	if !c.Ready() {
		t.Fatal("the client does not train with constants")
	}
	x, y := make([]float32, 4), make([]float32, 1)
	c.atHand().Fill(x, y, []int32{0})
	o := c.Own()
	var raw []float64
	o.Each(func(numbers []float64, _ uint8) {
		if raw == nil {
			raw = slices.Clone(numbers)
		}
	})
	for k, want := range []float64{(raw[0] - 10) / 5, (raw[1] - 20) / 10, (raw[2] - 3) / 2, raw[3] - 100} {
		if float64(x[k]) != float64(float32(want)) {
			t.Errorf("feature %d is %v, want %v", k, x[k], want)
		}
	}
	for _, bad := range []*protocol.Constants{
		{Mean: []float64{1, 2, 3}, Deviation: []float64{1, 1, 1}},
		{Mean: []float64{1, 2, 3, math.NaN()}, Deviation: []float64{1, 1, 1, 1}},
		{Mean: []float64{1, 2, 3, 4}, Deviation: []float64{1, 1, 1, -1}},
	} {
		if _, err := c.Receive(bad); err == nil {
			t.Errorf("constants %v are taken", bad)
		}
	}
	local, w := withOwn(t, table(t, data.LocalScale), Config{})
	receive(t, local, order(w, 1))
	if !local.Ready() {
		t.Error("a client that standardises by itself waits")
	}
}

// Own data of another shape than the model's is refused, whichever comes first.
func TestOwnThatDoesNotFit(t *testing.T) {
	o := table(t, data.NoScale)
	o.Schema.Table.Features = o.Schema.Table.Features[:3]
	c := New(Config{})
	if err := c.SetOwn(o); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Receive(welcome(t)); err == nil || !strings.Contains(err.Error(), "own data has 3 features") {
		t.Errorf("got %v, want an error of 3 features", err)
	}
}

// What a participant gains: its answer before it is combined, a model of its own data
// alone, and a personal model, each as learn trains and evaluates it.
func TestComparison(t *testing.T) {
	own := pictures(t, 60, 0.25)
	c, w := withOwn(t, own, Config{Compare: true})
	if err := c.Personalise(); err == nil {
		t.Error("a personal model without a version")
	}
	test, _ := own.Test(data.Constants{})
	train, _ := own.Train(data.Constants{})
	evaluate := func(params []float32) learn.Metrics {
		m, err := learn.Evaluate(model(t), params, test, 1)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	o := order(w, 1)
	receive(t, c, o)
	out := work(c, 7)
	_, base := c.Held()
	delta := make([]float32, parameters)
	if err := compress.Decode(protocol.CodecFloat32, delta, answerIn(t, out).Vectors[0].Block); err != nil {
		t.Fatal(err)
	}
	trained := slices.Clone(base)
	fit := learn.NewFit(model(t))
	if err := fit.Start(trained, train, FitOf(o)); err != nil {
		t.Fatal(err)
	}
	for done := false; !done; {
		var err error
		if done, err = fit.Run(1000); err != nil {
			t.Fatal(err)
		}
	}
	if x := c.Confusion(); x.Examples != 0 {
		t.Errorf("confusion before a version was evaluated: %+v", x)
	}
	got := c.Comparison()
	if got.Round != 1 || got.Rounds != 1 || got.Before == nil || got.Alone == nil || !reflect.DeepEqual(*got.Before, evaluate(trained)) || !reflect.DeepEqual(*got.Alone, evaluate(trained)) {
		t.Errorf("comparison %+v, want that of the first answer twice: alone it is trained the same", got)
	}
	// The next version is another model.
	hash := learn.Hash(trained)
	receive(t, c, &protocol.Model{Version: 1, Hash: hash[:], Vectors: []protocol.Vector{{Role: protocol.RoleModel, Block: compress.AppendFloat32(nil, trained)}}})
	second := order(w, 2)
	second.Base, second.BaseHash = 1, hash[:]
	receive(t, c, second)
	work(c, 7)
	if after := c.Comparison().After; after == nil || after.Version != 1 || !reflect.DeepEqual(after.Metrics, evaluate(trained)) {
		t.Errorf("the version that the order starts from is evaluated as %+v", after)
	}
	if got, want := c.Confusion(), evaluate(trained).Confusion; got.Version != 1 || got.Examples != c.Own().Len()-c.Own().Trained() || len(got.Classes)*len(got.Classes) != len(want) || int64(got.Matrix[0][0]) != want[0] || int64(got.Matrix[len(got.Matrix)-1][0]) != want[len(want)-len(got.Classes)] {
		t.Errorf("confusion %+v, want %v", got, want)
	}
	if params, rounds := c.Alone(); rounds != c.Comparison().Rounds || !reflect.DeepEqual(evaluate(params), *c.Comparison().Alone) {
		t.Errorf("the model of the data alone is not the one that was evaluated, after %d rounds", rounds)
	}
	if err := c.Personalise(); err != nil {
		t.Fatal(err)
	}
	work(c, 5)
	params, version := c.Personal()
	if p := c.Comparison().Personal; version != 1 || p == nil || !reflect.DeepEqual(*p, evaluate(params)) || slices.Equal(params, trained) {
		t.Errorf("personal model of version %d with %+v", version, p)
	}
}

func answerIn(t testing.TB, out []protocol.Message) *protocol.Contribution {
	t.Helper()
	for _, m := range out {
		if m, ok := m.(*protocol.Contribution); ok {
			return m
		}
	}
	t.Fatal("no contribution")
	return nil
}

// A newer version that comes with an enquiry takes nothing of a fit that has begun.
func TestNewerVersionInWork(t *testing.T) {
	whole, w := withOwn(t, pictures(t, 50, 0.2), Config{})
	receive(t, whole, order(w, 1))
	want := answerIn(t, work(whole, 1000))
	c, w := withOwn(t, pictures(t, 50, 0.2), Config{})
	receive(t, c, order(w, 1))
	b := c.NewWorkspace()
	c.Work(b, 3)
	_, params := c.Held()
	newer := slices.Clone(params)
	newer[0]++
	hash := learn.Hash(newer)
	if out := receive(t, c, &protocol.Model{Version: 1, Hash: hash[:], Vectors: []protocol.Vector{{Role: protocol.RoleModel, Block: compress.AppendFloat32(nil, newer)}}}); len(out) > 0 {
		t.Fatalf("a newer version is answered by %#v", out[0])
	}
	q := enquiry(w, 2, protocol.OrderEvaluate, protocol.EvaluationPayload)
	q.Base, q.BaseHash = 1, hash[:]
	receive(t, c, q)
	var answers []*protocol.Contribution
	for c.Ready() {
		for _, m := range c.Work(b, 3) {
			if m, ok := m.(*protocol.Contribution); ok {
				answers = append(answers, m)
			}
		}
	}
	if len(answers) != 2 || answers[0].Order != q.Order || !reflect.DeepEqual(answers[1].Vectors, want.Vectors) {
		t.Errorf("%d answers; the fit's is not that of its base", len(answers))
	}
	if v, _ := c.Held(); v != 1 {
		t.Errorf("version %d is held, want 1", v)
	}
}

// An evaluation is of the version that was asked for, also where a newer one has come
// before it is begun or while it is at work.
func TestEvaluateOvertaken(t *testing.T) {
	own := pictures(t, 50, 0.2)
	for _, begun := range []int{0, 1} {
		c, w := withOwn(t, own, Config{})
		_, params := c.Held()
		newer := make([]float32, len(params))
		for i := range newer {
			newer[i] = params[i] + float32(i%5)
		}
		receive(t, c, enquiry(w, 1, protocol.OrderEvaluate, protocol.EvaluationPayload))
		b := c.NewWorkspace()
		var out []protocol.Message
		for range begun {
			out = append(out, c.Work(b, 1)...)
		}
		receive(t, c, version(1, newer, nil))
		for c.Ready() {
			out = append(out, c.Work(c.NewWorkspace(), 1000)...)
		}
		got, err := learn.ParseMetrics(only[*protocol.Contribution](t, out).Vectors[0].Block, 3, 10)
		if err != nil {
			t.Fatal(err)
		}
		test, err := own.Test(data.Constants{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := learn.Evaluate(model(t), params, test, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got.Loss != want.Loss || c.Evaluated().Version != 0 {
			t.Errorf("after %d slices: loss %v of version %d, want %v of version 0", begun, got.Loss, c.Evaluated().Version, want.Loss)
		}
	}
}

// A model that has diverged is declined: totals out of bounds would count as a fault of
// the client.
func TestEvaluateDiverged(t *testing.T) {
	c, w := withOwn(t, pictures(t, 50, 0.2), Config{})
	_, params := c.Held()
	far := make([]float32, len(params))
	for i := range far {
		far[i] = 1e6 * params[i]
	}
	m := version(1, far, nil)
	receive(t, c, m)
	o := enquiry(w, 1, protocol.OrderEvaluate, protocol.EvaluationPayload)
	o.Base, o.BaseHash = 1, m.Hash
	receive(t, c, o)
	if d := only[*protocol.Decline](t, work(c, 1000)); d.Reason != protocol.ReasonDiverged {
		t.Errorf("declined with %v, want diverged", d.Reason)
	}
	if c.Ready() {
		t.Error("the enquiry is not over")
	}
}
