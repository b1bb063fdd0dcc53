package ui

import (
	"slices"
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"fedtab/api"
	"fedtab/jsvalue"
	"fedtab/protocol/invite"
	"fedtab/ui/draw"
)

// coordinator brings what the coordinator says over HTTP to the page: the
// shown task, and its stream of events.
type coordinator struct {
	page   *Page
	loop   *draw.Loop
	host   *host
	memory *memory
	stream js.Value // the EventSource, undefined while there is none
	serial int      // counts streams, so that late answers to older ones are dropped
	failed int      // failures in a row
}

func (c *coordinator) start() {
	c.page.Invite = c.memory.invite()
	c.takeInvite()
	switch c.page.Kind {
	case TaskKind:
		c.open()
	case HomeKind:
		if task := strings.TrimPrefix(c.host.hash, "#"); c.page.has(task) {
			c.show(task) // an address of an older page
		}
	}
}

// show leads to the page of a task.
func (c *coordinator) show(task string) {
	c.host.tell(map[string]any{"type": "go", "address": c.page.Root + "t/" + task})
}

// look stops listening while the page is hidden and begins again when it is
// seen. Browsers open six connections to a host, all their tabs together, and
// a stream takes one for good: with seven tabs listening, nothing would load.
func (c *coordinator) look() {
	switch {
	case c.page.Kind != TaskKind:
	case c.host.visible && !c.stream.Truthy():
		c.open()
	case !c.host.visible && c.stream.Truthy():
		c.close()
	}
}

// close ends the event stream.
func (c *coordinator) close() {
	if c.stream.Truthy() {
		c.stream.Call("close")
	}
	c.stream = js.Undefined()
	c.serial++
}

// takeInvite takes an invite out of the address: it is secret, and a bookmark, the
// history or a picture of the screen must not have it.
func (c *coordinator) takeInvite() {
	code, rest, ok := invite.Cut(c.host.address)
	if !ok {
		return
	}
	task := c.page.OnInvite(code)
	c.memory.invited(c.page.Invite)
	c.host.address, c.host.hash = rest, ""
	c.host.tell(map[string]any{"type": "address", "address": rest})
	if task != "" && task != c.page.Selected && c.page.has(task) {
		c.show(task)
	}
}

// invited takes an invite that the person has pasted, and reports whether it admits to
// the shown task. Without one the coordinator says what is missing. An invite to
// another task shows that task.
func (c *coordinator) invited(text string) bool {
	if strings.TrimSpace(text) == "" {
		return true
	}
	task := c.page.OnInvite(text)
	c.memory.invited(c.page.Invite)
	if task != "" && task != c.page.Selected && c.page.has(task) {
		c.show(task)
	}
	return task == c.page.Selected
}

// again calls f after a pause that grows with the failures in a row.
func (c *coordinator) again(f func()) {
	pause := min(time.Second<<min(c.failed, 5), 20*time.Second)
	c.failed++
	time.AfterFunc(pause, func() { c.loop.Do(f) })
}

// open starts the event stream of the shown task.
func (c *coordinator) open() {
	if c.stream.Truthy() {
		c.stream.Call("close")
	}
	c.serial++
	serial := c.serial
	if !c.host.visible {
		c.stream = js.Undefined()
		c.load(serial) // once, for the tab's history; look does the rest
		return
	}
	on := func(kind string, f func(event js.Value)) {
		listen(c.stream, kind, func(event js.Value) {
			c.loop.Do(func() {
				if serial == c.serial {
					f(event)
				}
			})
		})
	}
	c.stream = js.Global().Get("EventSource").New(c.page.path() + "/events")
	on("open", func(js.Value) {
		c.failed = 0
		c.page.OnLink(LinkOpen)
		c.load(serial) // what the stream has missed
	})
	on("error", func(js.Value) {
		c.page.OnLink(LinkLost)
		c.askAtDoor()
		// The browser tries again by itself after a lost connection, but not
		// after an answer that is no stream, a proxy's error page for instance.
		const closed = 2
		if c.stream.Get("readyState").Int() == closed {
			c.serial++ // one retry for one stream
			retry := c.serial
			c.load(retry) // the task may be gone
			c.again(func() {
				if retry == c.serial {
					c.open()
				}
			})
		}
	})
	on("state", func(event js.Value) {
		if o, ok := eventObject(event); ok && c.page.OnState(o) {
			c.load(serial)
		}
	})
	on("round", func(event js.Value) {
		if o, ok := eventObject(event); ok {
			c.page.OnRound(o)
		}
	})
}

// askAtDoor asks why there is no stream, which the browser does not say. Without an
// answer the coordinator cannot be reached.
func (c *coordinator) askAtDoor() {
	fetchJSON("api/door?for=events", func(v any, _ string) {
		c.loop.Do(func() { c.page.OnDoor(v) })
	})
}

// chartPoints is how many points of the curve are fetched: about one for each
// pixel of a chart's width.
const chartPoints = 500

// load fetches the shown task with the rounds and the points that the page shows.
func (c *coordinator) load(serial int) {
	fetchJSON(c.page.path()+"?limit="+strconv.Itoa(shownRounds)+"&points="+strconv.Itoa(chartPoints), func(v any, problem string) {
		c.loop.Do(func() {
			if serial != c.serial {
				return
			}
			o, ok := v.(map[string]any)
			why, refused := refusalOf(o)
			switch {
			case refused && why.Code == "none":
				c.page.Gone = true
			case refused:
				if !c.page.Loaded {
					c.page.OnProblem(c.page.say("watch.task.later", c.page.phrase(why.Error)))
				}
				c.again(func() {
					if serial == c.serial {
						c.load(serial)
					}
				})
			case ok:
				c.page.OnTask(o)
				c.page.lookForLack()
			case !c.page.Loaded:
				c.page.OnProblem(c.page.say("watch.task.never", c.page.phrase(problem)))
			}
		})
	})
}

// fetchJSON gets an address and calls done with what it holds, or with nil and
// what went wrong.
func fetchJSON(address string, done func(v any, problem string)) {
	var got, failed js.Func
	finish := func(v any, problem string) {
		got.Release()
		failed.Release()
		done(v, problem)
	}
	got = js.FuncOf(func(_ js.Value, args []js.Value) any {
		finish(jsvalue.FromJS(args[0]), "")
		return nil
	})
	failed = js.FuncOf(func(_ js.Value, args []js.Value) any {
		finish(nil, args[0].Call("toString").String())
		return nil
	})
	js.Global().Call("fetchJSON", address).Call("then", got, failed)
}

// has reports whether there is a task of a name.
func (p *Page) has(name string) bool {
	return slices.ContainsFunc(p.Tasks, func(t api.Card) bool { return t.Name == name })
}
