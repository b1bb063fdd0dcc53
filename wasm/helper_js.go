package main

import (
	"errors"
	"syscall/js"
	"time"

	"fedtab/client"
	"fedtab/compress"
	"fedtab/learn"
	"fedtab/protocol"
)

// helper is another worker of the tab, which trains parts of orders that are split.
type helper struct {
	port   js.Value
	of     *worker // whose part it trains; nil: it is idle
	order  uint64
	index  int
	serial int // of the part: answers about older ones are dropped
}

type (
	helperCommand struct{ port js.Value } // a helper is there
	aloneCommand  struct{}                // the helpers are gone
	helpCommand   struct{ port js.Value } // this worker is one
	partAnswer    struct {
		from    *helper
		message js.Value
	}
)

// hire makes a worker of the tab a helper.
func (h *scheduler) hire(port js.Value) {
	a := &helper{port: port}
	port.Set("onmessage", js.FuncOf(func(_ js.Value, args []js.Value) any {
		h.queue.put(partAnswer{a, args[0].Get("data")})
		return nil
	}))
	h.helpers = append(h.helpers, a)
}

// give hands a part of a participant's order to a helper, and reports whether there is one.
// A helper whose order is no more in work is free.
func (h *scheduler) give(w *worker, p *client.Part) bool {
	for _, a := range h.helpers {
		if a.of != nil && a.of.client != nil && a.of.client.Order() == a.order {
			continue // at work
		}
		a.of, a.order, a.index = w, p.Order.Order, p.Index
		a.serial++
		n := p.Examples.Len()
		x, y := make([]float32, n*p.Examples.Features()), make([]float32, n)
		index := make([]int32, n)
		for i := range index {
			index[i] = int32(i)
		}
		p.Examples.Fill(x, y, index)
		postList(a.port, a.serial, p.Index, p.Examples.Classes(), frame(p.Welcome), frame(p.Order), floatArray(p.Base), floatArray(x), floatArray(y))
		return true
	}
	return false
}

// helped takes in what a helper says.
func (h *scheduler) helped(e partAnswer) {
	a, m := e.from, e.message
	whole := func(i int) int { return m.Index(i).Int() }
	if a.of == nil || whole(answerSerial) != a.serial {
		return
	}
	w := a.of
	if w.client == nil {
		a.of = nil
		return
	}
	sums := learn.Sums{Examples: whole(answerExamples), Loss: m.Index(answerLoss).Float(), Correct: whole(answerCorrect)}
	before := w.client.Progress()
	if state := whole(answerState); state == partUnderWay {
		w.client.PartSums(a.order, a.index, sums)
	} else {
		a.of = nil
		var err error
		var local []float32
		switch content := m.Index(answerContent); state {
		case partDiverged:
			err = learn.ErrDiverged
		case partFailed:
			err = errors.New(content.String())
		default:
			local = floats(content)
		}
		w.send(w.client.PartDone(a.order, a.index, local, sums, whole(answerSteps), err))
	}
	w.meter.add(w.client.Progress(), before)
}

// trainee trains parts for another worker of the tab.
type trainee struct {
	h      *scheduler
	port   js.Value
	waker  *waker
	newest js.Value // part that is to be trained in place of that in work; undefined: none

	run    string
	model  learn.Model
	fit    *learn.Fit
	serial int // of the part in work; 0: there is none
	local  []float32
	told   time.Time // of the part's progress
	steps  int       // mini-batches in a slice
}

// help has this worker train parts for another one, beside the loop, which has nothing to
// do: such a worker has no participants.
func (h *scheduler) help(port js.Value) {
	t := &trainee{h: h, port: port, waker: newWaker(), steps: 1}
	h.trainee = t
	port.Set("onmessage", js.FuncOf(func(_ js.Value, args []js.Value) any {
		t.newest = args[0].Get("data")
		t.waker.wake()
		return nil
	}))
	go t.loop()
}

func (t *trainee) loop() {
	for {
		if m := t.newest; !m.IsUndefined() {
			t.newest = js.Undefined()
			if err := t.begin(m); err != nil {
				t.answer(true, err)
			}
		}
		if t.serial == 0 || t.h.page.paused {
			t.waker.wait(0)
			continue
		}
		began := time.Now()
		done, err := t.fit.Run(t.steps)
		took := time.Since(began)
		if err != nil || done || time.Since(t.told) > reportEvery {
			t.answer(done || err != nil, err)
		}
		t.steps = nextSlice(t.steps, took)
		if rest := t.h.pace.Worked(took); rest > 0 {
			time.Sleep(rest)
			t.h.pace.Rested(rest)
		} else {
			t.waker.yield()
		}
	}
}

// begin begins a part.
func (t *trainee) begin(m js.Value) error {
	t.serial = m.Index(0).Int()
	message, err := unframe(m.Index(3))
	if err != nil {
		return err
	}
	w := message.(*protocol.Welcome)
	if message, err = unframe(m.Index(4)); err != nil {
		return err
	}
	o := message.(*protocol.Order)
	if t.fit == nil || t.run != w.Run {
		if t.model, err = learn.New(client.SpecOf(w.Model)); err != nil {
			return err
		}
		t.fit, t.run = learn.NewFit(t.model), w.Run
	}
	if o.Hyper.Reproducible {
		t.h.exact()
	}
	p := client.Part{Order: o, Index: m.Index(1).Int()}
	t.local = floats(m.Index(5))
	return t.fit.Start(t.local, &filled{floats(m.Index(6)), floats(m.Index(7)), m.Index(2).Int()}, p.Config())
}

// answer tells how far the part in work is, or that it is done.
func (t *trainee) answer(done bool, err error) {
	t.told = time.Now()
	var sums learn.Sums
	steps := 0
	if t.fit != nil {
		sums, steps = t.fit.Sums(), t.fit.Steps()
	}
	state, content := partUnderWay, any(nil)
	switch {
	case errors.Is(err, learn.ErrDiverged):
		state = partDiverged
	case err != nil:
		state, content = partFailed, err.Error()
	case done:
		state, content = partDone, floatArray(t.local)
	}
	postList(t.port, t.serial, state, sums.Examples, sums.Loss, sums.Correct, steps, content)
	if done {
		t.serial = 0
	}
}

// Places in a helper's answer.
const (
	answerSerial = iota
	answerState
	answerExamples
	answerLoss
	answerCorrect
	answerSteps
	answerContent // the part's model, or what has failed
)

// States of a part at a helper.
const (
	partUnderWay = iota
	partDone
	partDiverged
	partFailed
)

// postList sends a list of values.
func postList(port js.Value, values ...any) { port.Call("postMessage", values) }

// filled are examples whose values are there.
type filled struct {
	x, y    []float32
	classes int
}

func (f *filled) Len() int      { return len(f.y) }
func (f *filled) Features() int { return len(f.x) / len(f.y) }
func (f *filled) Classes() int  { return f.classes }

func (f *filled) Fill(x, y []float32, index []int32) {
	n := f.Features()
	for i, at := range index {
		copy(x[i*n:][:n], f.x[int(at)*n:])
		y[i] = f.y[at]
	}
}

// frame returns a message as its frame.
func frame(m protocol.Message) (a js.Value) {
	for f := range protocol.Frames(m, make([]byte, 0, protocol.MaxFrame)) {
		a = uint8Array(f) // neither welcomes nor orders have more
	}
	return a
}

func unframe(v js.Value) (protocol.Message, error) {
	b := make([]byte, v.Length())
	js.CopyBytesToGo(b, v)
	return protocol.Decode(b)
}

// floatArray copies values to JavaScript, as their bytes.
func floatArray(v []float32) js.Value { return uint8Array(compress.Bytes(v)) }

func floats(v js.Value) []float32 {
	f := make([]float32, v.Length()/4)
	js.CopyBytesToGo(compress.Bytes(f), v)
	return f
}
