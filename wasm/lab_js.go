//go:build lab

package main

import (
	"path"
	"strings"
	"syscall/js"
	"time"

	"fedtab/lab"
	"fedtab/words"
)

// showEvery is how often a page is drawn while something is computed, stillEvery while steps
// are played for a person who wants little motion, and addressEvery how often its address is
// written: browsers refuse more than some changes in a second.
const (
	showEvery    = 60 * time.Millisecond
	stillEvery   = 500 * time.Millisecond
	addressEvery = 500 * time.Millisecond
	workFor      = 12 * time.Millisecond // before messages are looked at
)

// standing is the worker of a page of the lab: it has the page's state, takes what a person
// does, and tells the main thread what has changed (static/extra/lab.js).
type standing struct {
	queue    *queue
	waker    *waker
	machine  *lab.Machine
	language *words.Language

	playing bool
	still   bool      // the person wants little motion
	due     float64   // steps that are to be taken
	clock   time.Time // until which due is counted

	changed   bool // since it was shown last
	working   bool // as it was shown last: more was being computed
	waiting   bool // for the main thread to draw what was sent
	shown     time.Time
	sent      map[string]string // texts of the page's parts as they were sent last
	addressed time.Time
	address   string // as it was written last
}

// standEvent is a message of the main thread.
type standEvent struct {
	kind    string
	message js.Value
}

// stand runs a page of the lab. It does not return.
func stand() {
	if texts := js.Global().Get("fedtabWords"); texts.Type() == js.TypeString {
		words.Load("de", texts.String())
	}
	wake := newWaker()
	s := &standing{queue: newQueue(wake), waker: wake, sent: map[string]string{}}
	js.Global().Call("fedtabTake", js.FuncOf(func(_ js.Value, args []js.Value) any {
		s.queue.put(standEvent{args[0].Get("type").String(), args[0]})
		return nil
	}))
	for {
		for _, e := range s.queue.take() {
			if e, ok := e.(standEvent); ok {
				s.hear(e.kind, e.message)
			}
		}
		if s.machine == nil {
			wake.wait(0)
			continue
		}
		more := s.work()
		s.play()
		s.show(more)
		if more {
			wake.yield()
		} else {
			wake.wait(s.next())
		}
	}
}

// hear takes a message. Before "hello" there is no page.
func (s *standing) hear(kind string, m js.Value) {
	if kind == "hello" {
		s.open(m.Get("address").String(), m.Get("language").String())
		return
	}
	if s.machine == nil {
		return
	}
	switch kind {
	case "set":
		s.machine.Set(m.Get("name").String(), m.Get("value").String())
	case "move":
		s.machine.Move(m.Get("group").String(), m.Get("index").Int(), m.Get("x").Float(), m.Get("y").Float())
	case "nudge":
		s.machine.Nudge(m.Get("group").String(), m.Get("index").Int(), m.Get("x").Float(), m.Get("y").Float())
	case "action":
		s.press(m.Get("action").String())
	case "still":
		s.still = m.Get("still").Bool()
		return
	case "drawn":
		s.waiting = false
		return
	default:
		return
	}
	s.changed = true
}

// open shows the page of an address.
func (s *standing) open(address, language string) {
	address, _, _ = strings.Cut(address, "#")
	place, query, _ := strings.Cut(address, "?")
	sheet := lab.Find(path.Base(place))
	if sheet == nil {
		panic("wasm: the lab has no page at " + place) // the coordinator has drawn it
	}
	s.language = words.Get(language)
	s.machine = sheet.Open(query)
	s.address = s.machine.Query() // an address without settings stays so until one is changed
	s.changed = true
}

// press does what a button is for.
func (s *standing) press(action string) {
	switch action {
	case "lab-play":
		s.playing = !s.playing
		s.due, s.clock = 1, time.Now() // it is seen at once that it plays
		if s.playing && !s.machine.Unfinished() {
			s.machine.Rewind()
			s.due = 0
		}
	case "lab-step":
		s.playing = false
		s.machine.Step(1)
	case "lab-rewind":
		s.playing = false
		s.machine.Rewind()
	default:
		s.machine.Press(action)
		if f := s.machine.TakeFile(); f != nil {
			bytes := js.Global().Get("Uint8Array").New(len(f.Text))
			js.CopyBytesToJS(bytes, []byte(f.Text))
			js.Global().Call("postMessage", map[string]any{"type": "file", "name": f.Name, "bytes": bytes})
		}
	}
}

// work computes what takes long, for some milliseconds, and reports whether there is more.
func (s *standing) work() (more bool) {
	for began := time.Now(); time.Since(began) < workFor; {
		if more = s.machine.Work(); !more {
			break
		}
		s.changed = true
	}
	return more
}

// play takes the steps that are due.
func (s *standing) play() {
	if !s.playing || s.waiting {
		return
	}
	now := time.Now()
	gap := min(now.Sub(s.clock), time.Second) // a hidden page stands still
	if s.still && gap < stillEvery {
		return
	}
	s.due += gap.Seconds() * s.machine.Speed()
	s.clock = now
	n := int(s.due)
	if n == 0 {
		return
	}
	s.due -= float64(n)
	s.playing = s.machine.Step(n)
	s.changed = true
}

// next returns how long there is nothing to do; 0: until a message comes.
func (s *standing) next() time.Duration {
	switch {
	case s.waiting:
		return 0
	case s.playing && s.still:
		return stillEvery
	case s.playing:
		return max(time.Millisecond, time.Duration((1-s.due)/s.machine.Speed()*float64(time.Second)))
	case s.address != s.machine.Query():
		return addressEvery
	}
	return 0
}

// show tells the main thread what has changed, once that has drawn what it was told last;
// working says that more follows soon.
func (s *standing) show(working bool) {
	now := time.Now()
	if query := s.machine.Query(); query != s.address && now.Sub(s.addressed) >= addressEvery {
		s.address, s.addressed = query, now
		js.Global().Call("postMessage", map[string]any{"type": "address", "address": "?" + query})
		js.Global().Call("postMessage", map[string]any{"type": "query", "query": query})
	}
	if !s.changed && working == s.working || s.waiting || working && now.Sub(s.shown) < showEvery {
		return
	}
	s.changed, s.working, s.waiting, s.shown = false, working, true, now
	v := s.machine.Draw(s.language)
	var figures, texts, fields []any
	for _, f := range v.Figures {
		back, front := s.fresh("back:"+f.Name, f.Back), s.fresh("front:"+f.Name, f.Front)
		if back != nil || front != nil {
			figures = append(figures, []any{f.Name, back, front})
		}
	}
	for _, t := range v.Texts {
		if text := s.fresh("text:"+t.Name, t.Text); text != nil {
			texts = append(texts, []any{t.Name, text})
		}
	}
	for _, f := range v.Fields {
		fields = append(fields, []any{f.Name, f.Value, f.Most, f.Text})
	}
	off := []any{} // not nil: the main thread looks into it
	for _, action := range v.Off {
		off = append(off, action)
	}
	js.Global().Call("postMessage", map[string]any{
		"type": "view", "off": off, "figures": figures, "texts": texts, "fields": fields, "playing": s.playing, "broken": v.Broken, "working": working,
	})
}

// fresh returns a text, or nil if that was sent already.
func (s *standing) fresh(name, text string) any {
	if old, ok := s.sent[name]; ok && old == text {
		return nil
	}
	s.sent[name] = text
	return text
}
