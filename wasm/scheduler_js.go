package main

import (
	"strconv"
	"syscall/js"
	"time"

	"fedtab/client"
	"fedtab/compress"
	"fedtab/learn/kernel"
	"fedtab/tab"
)

// scheduler runs the tab's participants, usually one, which take turns on its
// thread.
type scheduler struct {
	page    *page
	queue   *queue // the page's commands
	waker   *waker
	own     *own
	workers []*worker
	turn    int // index of the participant that had the last slice
	pace    tab.Pace
	account tab.Account // of all that the tab moves

	helpers []*helper // other workers of the tab that train parts
	trainee *trainee  // this worker's training of parts for another one; nil: it is none

	fetching bool // the module of exact products is asked for
}

// maxParticipants is how many participants a tab may have.
const maxParticipants = 16

// train runs the participants of this worker. It does not return.
func train() {
	wake := newWaker()
	h := &scheduler{page: newPage(), queue: newQueue(wake), waker: wake}
	h.own = &own{page: h.page, queue: h.queue}
	h.page.listen(h.queue)
	h.ready()
	h.loop()
}

// ready tells the page what this worker computes and packs with.
func (h *scheduler) ready() {
	codecs := ""
	for _, c := range compress.Codecs() {
		codecs += " " + c.String()
	}
	h.page.post(map[string]any{"type": "ready", "kernel": kernel.Name(), "codecs": codecs})
}

// exact has all products round alike in every browser from now on. The module for it is
// fetched if it is not there; until it has come, or if it does not, scalar Go does the
// work, with the same bits.
func (h *scheduler) exact() {
	if lacking := kernel.Exact(); !lacking || h.fetching {
		return
	}
	h.fetching = true
	go func() {
		if _, err := await(js.Global().Call("fedtabExact")); err == nil {
			kernel.Bound()
		} // The page tells that it is slow.
		h.ready()
	}()
}

func (h *scheduler) loop() {
	lastSleep := time.Now()
	var rest time.Duration // that is left until the next slice
	for {
		for _, e := range h.queue.take() {
			h.command(e)
		}
		for _, w := range h.workers {
			for _, e := range w.queue.take() {
				w.handle(e)
			}
			w.exchange()
			w.save()
		}
		w := h.next()
		if w == nil || rest > 0 {
			h.report(w == nil)
			if w == nil {
				for _, w := range h.workers {
					w.meter.pause()
				}
			}
			limit := h.nextReport()
			if w != nil && (limit == 0 || rest < limit) {
				limit = rest
			}
			began := time.Now()
			h.waker.wait(limit)
			took := time.Since(began)
			h.pace.Rested(took)
			rest = max(rest-took, 0)
			continue
		}
		began := time.Now()
		w.slice()
		rest = h.pace.Worked(time.Since(began))
		h.report(w.client.Progress().Activity == tab.Packing) // which the next slice does
		if rest > 0 {
			continue
		}
		if time.Since(lastSleep) > sleepEvery {
			time.Sleep(time.Millisecond)
			lastSleep = time.Now()
		} else {
			h.waker.yield()
		}
	}
}

// next returns the next participant that has something to train, nil if none has.
func (h *scheduler) next() *worker {
	for range h.workers {
		h.turn = (h.turn + 1) % len(h.workers)
		if w := h.workers[h.turn]; w.able() {
			return w
		}
	}
	return nil
}

// command does what the page asks for.
func (h *scheduler) command(e event) {
	if h.trainee != nil {
		h.trainee.waker.wake() // it may pause, or go on
	}
	switch e := e.(type) {
	case helperCommand:
		h.hire(e.port)
		return
	case aloneCommand:
		h.helpers = nil
		return
	case helpCommand:
		h.help(e.port)
		return
	case partAnswer:
		h.helped(e)
		return
	case ownCommand:
		switch e.kind {
		case "forget":
			h.forget()
			return
		case "personalise", "download":
			if w := h.lead(); w != nil {
				h.personal(w, e)
			}
			return
		}
		h.own.command(e)
		return
	case jobDone:
		e.do()
		return
	case askCommand:
		h.ask(e)
		return
	case effortCommand:
		h.pace.Set(e.percent)
		return
	}
	join, ok := e.(joinCommand)
	if !ok {
		for _, w := range h.workers {
			w.handle(e)
		}
		return
	}
	for len(h.workers) < min(max(join.participants, 1), maxParticipants) {
		w := &worker{queue: newQueue(h.waker), own: h.own, account: &h.account, exact: h.exact, visible: true, paused: h.paused()}
		w.give = func(p *client.Part) bool { return h.give(w, p) }
		h.workers = append(h.workers, w)
	}
	for i, w := range h.workers {
		e := join
		if n := join.first + i; n > 0 && e.tab != "" {
			e.tab += "." + strconv.Itoa(n) // each keeps what is its own
		}
		w.handle(e)
	}
}

// forget leaves, and removes all that the browser keeps of this page.
func (h *scheduler) forget() {
	for _, w := range h.workers {
		w.leave()
	}
	h.own.forget(func(err error) {
		detail := ""
		if err != nil {
			detail = "Not everything could be removed: close other tabs of this page, and forget everything again."
		}
		h.page.post(map[string]any{"type": "forgotten", "detail": detail})
	})
}

// paused says whether the person has paused the tab before it joined.
func (h *scheduler) paused() bool { return h.page.paused }
