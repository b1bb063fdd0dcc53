package organiser

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"fedtab/api/v1"
	"fedtab/ui/draw"
)

// desk carries out what a person does with the board.
type desk struct {
	board *Board
	service
	stream  stream
	visible bool
	csv     js.Value // the table that a new task is made of

	generation int // of forms: the answer to a question of one that is left does not count
}

// begin shows what an address asks for. One with a token signs in, and loses it: neither the
// history nor a picture of the screen must have it.
func (d *desk) begin(hash, address string) {
	b := d.board
	if values, err := url.ParseQuery(strings.TrimPrefix(hash, "#")); err == nil && values.Get("token") != "" {
		page, _, _ := strings.Cut(address, "#")
		draw.Tell(map[string]any{"type": "address", "address": page})
		b.Route = ParseRoute("")
		d.signIn(values.Get("token"))
		return
	}
	was := b.Route
	b.Route = ParseRoute(hash)
	b.Problem, b.Ask = "", nil
	b.Said, b.Next = b.Next, ""
	if b.Signed != SignedIn {
		d.enter()
		return
	}
	d.show(was)
}

// signIn begins a session.
func (d *desk) signIn(token string) {
	ask(d.service, "POST", "session", v1.SignIn{Token: strings.TrimSpace(token)}, func(_ v1.Server, err error) {
		b := d.board
		b.Problem = ""
		if r, ok := err.(*Refusal); ok && r.Status == 401 {
			b.Signed, b.Problem = SignedOut, r.Text
			return
		}
		if !b.OnError(err) {
			b.Token = ""
			b.Signs++
			d.enter()
		}
	})
}

// enter asks who is signed in, and shows what there is to show.
func (d *desk) enter() {
	get(d.service, "server", func(s v1.Server, err error) {
		b := d.board
		if b.OnError(err) {
			return
		}
		b.Server = s
		if b.Signed != SignedIn {
			b.Signed, b.Problem = SignedIn, ""
			time.AfterFunc(time.Second, func() { warm() })
			d.show(Route{Page: "none"})
		}
	})
}

// show asks for what the page shows that has come in place of another.
func (d *desk) show(was Route) {
	b := d.board
	r := b.Route
	if r.Page != RunPage {
		d.stream.follow("", nil, nil, nil)
	}
	switch r.Page {
	case RunPage:
		if was.Page != RunPage || was.Of != r.Of {
			b.One.open()
			d.stream.follow("", nil, nil, nil)
		}
	case ComparePage:
		d.compare()
	case InvitesPage:
		if v := &b.Invites; v.Uses == "" {
			v.Uses, v.Hours = "30", "48"
		}
		if task := r.Set.Get("task"); task != "" {
			b.Invites.Task = task
		}
		b.Invites.Made, b.Invites.Link = nil, v1.Link{}
	}
	d.again(false)
}

// again asks for what is shown. On a page that is not seen, only the first time; by the
// clock only for what changes and no event tells.
func (d *desk) again(byClock bool) {
	b := d.board
	if b.Signed != SignedIn || !d.visible && byClock {
		if b.Signed != SignedIn {
			d.stream.follow("", nil, nil, nil)
		}
		if b.Signed == Unknown && b.Lost {
			d.enter()
		}
		return
	}
	switch b.Route.Page {
	case RunsPage:
		d.enter()
		get(d.service, b.List.path(), b.OnRuns)
	case RunPage:
		d.refresh(byClock)
	case NewPage:
		d.learn()
		d.check()
		if b.Lost {
			d.enter()
		}
	case ComparePage:
		if b.Lost {
			d.enter()
			d.compare()
		}
	case InvitesPage:
		d.enter()
		if b.Invites.Task == "" && len(b.Server.Tasks) > 0 {
			b.Invites.Task = b.Server.Tasks[0]
		}
		get(d.service, "invites", func(p v1.Page[v1.Invite], err error) {
			if !b.OnError(err) {
				b.Invites.Items = p.Items
			}
		})
	case OrdersPage:
		get(d.service, "audit?limit=200", func(p v1.Page[v1.AuditEntry], err error) {
			if !b.OnError(err) {
				b.Orders = p.Items
			}
		})
	}
}

// refresh asks for the run that is shown. What its stream tells is not asked for by the
// clock.
func (d *desk) refresh(byClock bool) {
	b := d.board
	o := &b.One
	name := b.Route.Of
	path := "runs/" + url.PathEscape(name)
	if o.Gone && byClock {
		return
	}
	mine := func() bool { return b.Route.Page == RunPage && b.Route.Of == name }
	if !byClock || d.stream.run == "" {
		get(d.service, path, func(v v1.Detail, err error) {
			if !mine() {
				return
			}
			b.OnDetail(v, err)
			if err == nil && v.Served && d.visible {
				d.stream.follow(v.Run.Run, func(kind string, data []byte) {
					if b.OnEvent(kind, data) {
						d.refresh(false)
					}
				}, func() { b.Lost = true }, func() { d.refresh(false) })
			}
		})
	}
	rest := func() {
		if byClock && o.Detail != nil && !o.Detail.Served || !mine() {
			return // nothing happens to it, or it is left
		}
		people := fmt.Sprintf("%s/participants?limit=%d", path, max(o.Many, firstPeople))
		if o.Sort != "" {
			people += "&sort=" + o.Sort
		}
		get(d.service, people, taken(b, mine, func(p v1.Page[v1.Participant]) { o.People = p }))
		lines := fmt.Sprintf("%s/log?limit=%d", path, max(o.Lines, firstLines))
		if o.Kind != "" {
			lines += "&kind=" + url.QueryEscape(o.Kind)
		}
		get(d.service, lines, taken(b, mine, func(p v1.Page[v1.LogLine]) { o.Log = p }))
		get(d.service, path+"/versions", taken(b, mine, func(v v1.Versions) { o.Versions = v }))
		get(d.service, path+"/shape", taken(b, mine, func(s v1.SessionShape) { o.Shape = s }))
	}
	if byClock && !o.Stale && (d.stream.run != "" || o.Detail == nil || o.Detail.State == "over") {
		rest()
		return
	}
	get(d.service, path+"/curve?points=600", func(c v1.History, err error) {
		if mine() {
			b.OnCurves(c, err)
			rest() // what people look at first has the machine to itself
		}
	})
}

// taken returns what takes an answer in, if it is still wanted. A run that was deleted says
// so by its detail.
func taken[T any](b *Board, wanted func() bool, take func(T)) func(T, error) {
	return func(v T, err error) {
		if wanted() && !gone(err) && !b.OnError(err) {
			take(v)
		}
	}
}

// compare asks for the runs that are to be compared.
func (d *desk) compare() {
	b := d.board
	p := &b.Compare
	if p.X == "" {
		p.X, p.Y = "round", "accuracy"
	}
	of := b.Route.Of
	p.Of, p.Curves, p.Gone = of, nil, nil
	runs := strings.Split(of, ",")
	p.Asked = len(runs)
	for _, run := range runs {
		get(d.service, "runs/"+url.PathEscape(run)+"/curve?points=1500", func(c v1.History, err error) { b.OnCompared(of, run, c, err) })
	}
}

// learn asks for the schemes and the tasks that ship, until they are there.
func (d *desk) learn() {
	n := &d.board.New
	if len(n.Schemes.Options) == 0 {
		get(d.service, "schemes", func(s v1.Schemes, err error) {
			if !d.board.OnError(err) {
				n.Schemes = s
			}
		})
	}
	if len(n.Presets) == 0 {
		get(d.service, "presets", func(p v1.Presets, err error) {
			if !d.board.OnError(err) {
				n.Presets = p.Items
			}
		})
	}
}

// check has the coordinator read the task file with the changes by the form: one question at
// a time.
func (d *desk) check() {
	b := d.board
	order, ok := b.New.ask()
	if !ok {
		return
	}
	generation := d.generation
	ask(d.service, "POST", "tasks/check", order, func(c v1.Checked, err error) {
		if generation != d.generation {
			return // of a form that is left
		}
		b.OnChecked(order, c, err)
		switch {
		case err != nil: // the clock asks again
		case !b.New.Answered:
			d.check()
		case b.New.Pressed:
			d.start()
		}
	})
}

// table makes a task of a table.
func (d *desk) table(name string, bytes js.Value) {
	n := &d.board.New
	n.begin("")
	d.csv, n.File, n.Preset, n.Target = bytes, name, "", ""
	d.makeOfTable()
}

func (d *desk) makeOfTable() {
	b := d.board
	n := &b.New
	path := "tasks/init?participants=2&name=" + url.QueryEscape(n.File)
	if n.Target != "" {
		path += "&target=" + url.QueryEscape(n.Target)
	}
	generation, file := d.generation, n.File
	ask(d.service, "POST", path, d.csv, func(made v1.TaskText, err error) {
		if generation != d.generation || file != n.File || b.OnError(err) {
			return
		}
		changes := n.Made // they stay, with another column to predict
		n.begin(made.YAML)
		n.Sets, n.Made = slices.Clone(changes), changes
		d.check()
	})
}

// change takes in what a person has chosen or written.
func (d *desk) change(kind, name, value string) {
	b := d.board
	n := &b.New
	switch kind {
	case "token":
		b.Token = value
	case "ask":
		if b.Ask != nil {
			b.Ask.Value = value
		}
	case "list-task":
		b.List.Task = value
		d.again(false)
	case "list-state":
		b.List.State = value
		d.again(false)
	case "pick":
		b.List.pick(name, value == "true")
	case "people-sort":
		b.One.Sort = value
		d.refresh(false)
	case "log-kind":
		b.One.Kind = value
		d.refresh(false)
	case "compare-x":
		b.Compare.X = value
	case "compare-y":
		b.Compare.Y = value
	case "invite-task":
		b.Invites.Task, b.Invites.Made, b.Invites.Link = value, nil, v1.Link{}
	case "invite-uses":
		b.Invites.Uses = value
	case "invite-hours":
		b.Invites.Hours = value
	case "preset":
		n.Preset, n.File = value, ""
		for _, p := range n.Presets {
			if p.Name == value {
				n.begin(p.YAML)
				d.check()
			}
		}
	case "target":
		n.Target = value
		d.makeOfTable()
	case "set":
		n.set(name, value)
		d.check()
	case "yaml":
		n.YAML, n.Answered = value, false
		d.check()
	}
}

// act does what a button is for.
func (d *desk) act(action, value string) {
	b := d.board
	run := b.Route.Of
	if dt := b.One.Detail; b.Route.Page == RunPage && dt != nil {
		run = dt.Run.Run
	}
	path := "runs/" + url.PathEscape(run)
	b.Problem, b.Said = "", ""
	switch action {
	case "sign-in":
		d.signIn(b.Token)
	case "sign-out":
		ask(d.service, "DELETE", "session", nil, func(_ struct{}, err error) {
			if !b.OnError(err) {
				d.stream.follow("", nil, nil, nil)
				d.generation++
				*b = Board{Signed: SignedOut, Width: b.Width, Signs: b.Signs + 1}
				draw.Tell(map[string]any{"type": "go", "address": "#/"})
			}
		})
	case "more":
		b.List.Limit = min(4*max(b.List.Limit, firstRuns), 10_000)
		d.again(false)
	case "more-people":
		b.One.Many = min(4*b.One.Many, 10_000)
		d.refresh(false)
	case "more-lines":
		b.One.Lines = min(4*b.One.Lines, 10_000)
		d.refresh(false)
	case "ask":
		b.Ask, b.Asked = question(value, run, b.One.Detail), b.Asked+1
	case "ask-version":
		b.Asked++
		b.Ask = &Ask{Order: "rollback", Run: run, Value: value, Title: "Roll back to version " + value + "?", Yes: "Roll back", Danger: true,
			Text: "The model of version " + value + " becomes a new version, the newest one. The versions in between are left as they are."}
	case "no":
		b.Ask = nil
	case "yes":
		d.answer()
	case "resume":
		d.order("POST", path+"/resume", nil, "The run goes on.")
	case "pin":
		for _, v := range b.One.Versions.Items {
			if strconv.FormatUint(v.Version, 10) == value {
				method, said := "PUT", "Version "+value+" is kept for good."
				if v.Pinned {
					method, said = "DELETE", "Version "+value+" is kept no longer than others."
				}
				d.order(method, path+"/versions/"+value+"/pin", nil, said)
			}
		}
	case "copy-task":
		if b.One.Detail == nil {
			return
		}
		b.New.begin(b.One.Detail.Spec)
		b.New.Preset, b.New.File = "", ""
		d.check()
		draw.Tell(map[string]any{"type": "go", "address": "#/" + NewPage})
	case "all-options":
		b.New.All = !b.New.All
	case "start":
		d.start()
	case "save":
		d.save(value)
	case "make-invite":
		d.invite()
	case "open-link":
		b.Invites.Made = nil
		get(d.service, "tasks/"+url.PathEscape(b.Invites.Task)+"/link", func(l v1.Link, err error) {
			if !b.OnError(err) {
				b.Invites.Link = l
			}
		})
	case "revoke":
		give(d, "DELETE", "invites/"+value, nil, func(struct{}) { d.again(false) })
	case "copy-link":
		link, _ := (&Inviting{b}).link()
		draw.Tell(map[string]any{"type": "copy", "text": link, "value": "link"})
	case "copied":
		b.Said = "Copied."
	case "project":
		draw.Tell(map[string]any{"type": "project"})
	}
}

// order gives an order, and asks for what it has changed.
func (d *desk) order(method, path string, v any, said string) {
	give(d, method, path, v, func(v1.Done) {
		d.board.Said = said
		d.again(false)
	})
}

// give gives an order, unless another one is under way. A question about it stays until it
// is carried out: what was written is not lost.
func give[T any](d *desk, method, path string, v any, then func(T)) {
	b := d.board
	if b.Busy {
		return
	}
	b.Busy = true
	asked := b.Ask
	ask(d.service, method, path, v, func(done T, err error) {
		b.Busy = false
		if gone(err) {
			d.again(false)
		}
		if !b.OnError(err) {
			if b.Ask == asked { // another may have been asked meanwhile
				b.Ask = nil
			}
			then(done)
		}
	})
}

// answer gives the order that was asked about.
func (d *desk) answer() {
	b := d.board
	a := b.Ask
	if a == nil || !a.Ready() {
		return
	}
	path := "runs/" + url.PathEscape(a.Run)
	value := strings.TrimSpace(a.Value)
	number, _ := strconv.Atoi(value)
	switch a.Order {
	case "pause":
		d.order("POST", path+"/pause", map[string]any{"reason": value}, "The run is paused.")
	case "stop":
		d.order("POST", path+"/stop", map[string]any{"reason": value}, "The run is stopped.")
	case "extend":
		d.order("POST", path+"/extend", v1.Extension{By: number}, "The run goes on for longer.")
	case "rollback":
		version, _ := strconv.ParseUint(value, 10, 64)
		d.order("POST", path+"/rollback", map[string]any{"version": version}, "The model is that of version "+value+" again.")
	case "annotate":
		d.annotate(a.Run, a.Was, a.Value)
	case "begin":
		task := b.One.Detail.Task
		path := "tasks/" + url.PathEscape(task) + "/runs"
		if value != "" {
			path += "?from=" + url.QueryEscape(value)
		}
		give(d, "POST", path, nil, func(done v1.Done) {
			draw.Tell(map[string]any{"type": "go", "address": link(done.Run)})
		})
	case "withdraw":
		give(d, "DELETE", "tasks/"+url.PathEscape(b.One.Detail.Task), nil, func(struct{}) {
			b.Next = "The task is served no longer."
			draw.Tell(map[string]any{"type": "go", "address": "#/"})
		})
	case "delete":
		give(d, "DELETE", path+"?confirm="+url.QueryEscape(a.Run), nil, func(v1.Done) {
			b.Next = "The run is deleted."
			draw.Tell(map[string]any{"type": "go", "address": "#/"})
		})
	}
}

// annotate writes a note, unless another organiser has changed it since it was shown.
func (d *desk) annotate(run, was, note string) {
	if d.board.Busy {
		return
	}
	d.board.Busy = true
	path := "runs/" + url.PathEscape(run) + "/settings"
	go func() {
		b, tag, err := d.request("GET", path, nil, nil)
		var now v1.Settings
		if err == nil {
			err = json.Unmarshal(b, &now)
		}
		switch {
		case err != nil:
		case now.Note != was:
			err = &Refusal{409, "Another organiser has changed the note meanwhile; it says now: " + now.Note}
		default:
			_, _, err = d.request("PATCH", path, map[string]any{"note": note}, map[string]any{"If-Match": tag})
		}
		d.loop.Do(func() {
			d.board.Busy = false
			if !d.board.OnError(err) {
				d.board.Ask, d.board.Said = nil, "The note is kept."
			}
			d.again(false)
		})
	}()
}

// start starts the run of the task file.
func (d *desk) start() {
	b := d.board
	n := &b.New
	if n.Pressed = !n.Answered && n.YAML != ""; n.Pressed || !n.Starts() {
		return // after the answer to the last change, if that lets it
	}
	n.Starting = true
	ask(d.service, "POST", "tasks", v1.TaskText{YAML: n.YAML}, func(done v1.Served, err error) {
		n.Starting = false
		if b.OnError(err) {
			return
		}
		d.generation++
		b.New = New{Schemes: n.Schemes, Presets: n.Presets}
		b.Next = "The run has begun. Invite people to it."
		b.Invites = Invites{Task: done.Task}
		d.enter()
		draw.Tell(map[string]any{"type": "go", "address": link(done.Run)})
	})
}

// invite makes an invite.
func (d *desk) invite() {
	b := d.board
	order, problem := b.Invites.order()
	if problem != "" {
		b.Problem = problem
		return
	}
	give(d, "POST", "invites", order, func(made v1.NewInvite) {
		b.Invites.Made, b.Invites.Link = &made, v1.Link{}
		d.again(false)
	})
}

// save has the browser save the comparison.
func (d *desk) save(format string) {
	b := d.board
	p := b.Compare.plot(b)
	content := p.CSV()
	if format != "csv" {
		content = p.SVG(960, 480, true)
	}
	draw.Tell(map[string]any{"type": "save", "format": format, "name": b.Compare.file() + "." + format, "content": content})
}
