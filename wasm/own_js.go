//go:build readers

package main

import (
	"cmp"
	"encoding/hex"
	"errors"
	"io"
	"syscall/js"
	"time"

	"fedtab/fields"
	"fedtab/jsvalue"
	"fedtab/learn/data"
	"fedtab/tab"
)

// own is the tab's own data for the task that is shown: it is read and checked here,
// kept in the browser, and given to the participant. The loop owns it; what waits for
// the browser runs as a job beside it.
type own struct {
	page  *page
	queue *queue

	task   string
	schema *data.Schema // nil while the task wants nothing
	hash   string       // of schema
	store  store

	report   tab.Data
	data     *data.Own // nil while there is none
	name     string    // of data, as the person knows it
	bytes    int64
	table    *openTable
	pictures *data.Pictures // that can be added to; nil: those of data, if it has any
	idx      *openIDX
	job      *job      // newest; what older ones find is dropped
	keeping  bool      // the data is being written
	kept     func()    // is called, once, when that has ended; nil: goes on as usual
	again    bool      // and has changed since
	last     time.Time // of the last report of progress
}

// job is work that waits for the browser.
type job struct{ own *own }

// errGivenUp ends a job that the person has cancelled, or that another has replaced.
var errGivenUp = errors.New("given up")

// begin starts a job, on a goroutine of its own, and gives the one before it up.
func (o *own) begin(step tab.Step, work func(j *job)) {
	j := &job{o}
	o.job = j
	o.report.Step, o.report.Error = step, ""
	o.report.Done, o.report.Total = 0, 0
	o.post()
	go work(j)
}

// do has the loop do something, unless the job has been given up.
func (j *job) do(f func()) {
	j.own.queue.put(jobDone{func() {
		if !j.over() {
			f()
		}
	}})
}

// over reports whether the job has been given up.
func (j *job) over() bool { return j.own.job != j }

// progress tells the page how much is read, now and then. It returns an error once the
// job has been given up.
func (j *job) progress(done, total int64) error {
	if j.over() {
		return errGivenUp
	}
	if now := time.Now(); now.Sub(j.own.last) >= reportEvery {
		j.own.last = now
		j.do(func() {
			j.own.report.Done, j.own.report.Total = done, total
			j.own.page.post(map[string]any{"type": "progress", "done": done, "total": total})
		})
	}
	return nil
}

func (o *own) post() {
	o.report.Type = "data"
	o.page.post(fields.Map(o.report))
}

// command does what the page asks for.
func (o *own) command(c ownCommand) {
	m := c.message
	if c.kind == "own" {
		o.want(m)
		return
	}
	if o.schema == nil {
		return
	}
	switch c.kind {
	case "files":
		if o.schema.Images != nil {
			o.addFiles(m.Get("files"), whole(m.Get("label")))
		} else {
			o.openTable(m.Get("files"))
		}
	case "picture":
		if o.schema.Images != nil {
			o.addPicture(m.Get("bitmap"), m.Get("name").String(), whole(m.Get("label")), m.Get("drawn").Truthy())
		}
	case "answers":
		v, ok := jsvalue.FromJS(m).(map[string]any)
		switch {
		case ok && o.table != nil:
			fields.Fill(&o.table.answers, v)
			o.look()
		case ok && o.idx != nil:
			fields.Fill(&o.idx.answers, v)
			o.readIDX()
		}
	case "read":
		switch skip := m.Get("skip").Truthy(); {
		case o.table != nil:
			o.read(skip)
		case o.idx != nil && skip:
			o.takeIDX(true)
		}
	case "cancel":
		o.cancel()
	case "use":
		o.use(m.Get("id").String())
	case "delete":
		o.remove(m.Get("id").String())
	}
}

// want begins with a task: with what this tab has kept for it, if it has.
func (o *own) want(m js.Value) {
	v, ok := jsvalue.FromJS(m.Get("schema")).(map[string]any)
	if !ok {
		return
	}
	o.schema = new(data.Schema)
	fields.Fill(o.schema, v)
	if o.schema.Images == nil && o.schema.Table == nil {
		o.schema = nil
		return
	}
	o.task, o.hash = m.Get("task").String(), schemaHash(o.schema)
	id := m.Get("id").String()
	o.begin(tab.DataLoading, func(j *job) {
		kept, err := o.store.list(o.task, o.hash)
		j.do(func() {
			o.keeps(kept, err)
			for _, k := range kept {
				if k.ID == id && k.Stale == "" {
					o.use(id)
					return
				}
			}
			o.settle()
		})
	})
}

// keeps takes in what the browser keeps, or why it keeps nothing.
func (o *own) keeps(kept []tab.Kept, err error) {
	if err != nil {
		o.report.Storage = storageTrouble(err)
		return
	}
	o.report.Kept, o.report.Storage = kept, ""
}

// settle ends a job: the page is told what there is.
func (o *own) settle() {
	o.job = nil
	o.closeFile()
	r := &o.report
	r.Step, r.Name, r.Bytes = tab.DataNone, o.name, o.bytes
	if o.data != nil {
		r.Step = tab.DataReady
	}
	o.post()
}

// fail ends a job that has failed: what was there stays.
func (o *own) fail(words string) {
	o.report.Error = words
	o.settle()
}

// cancel gives a job up.
func (o *own) cancel() {
	switch {
	case o.job == nil:
	case o.table != nil && o.report.Step == tab.DataReading:
		o.job = nil
		o.report.Step = tab.DataAsking
		o.post()
	default:
		o.settle()
	}
}

// has takes in data: the page is told of it.
func (o *own) has(d *data.Own, name string, bytes int64, id string) {
	o.data, o.name, o.bytes = d, name, bytes
	r := &o.report
	r.ID = id
	r.Examples, r.Holdout, r.Classes = d.Len(), d.Len()-d.Trained(), nil
	names := o.schema.Classes()
	for k, n := range d.Counts() {
		r.Classes = append(r.Classes, tab.Class{Name: names[k], Examples: n})
	}
	o.sheet()
	o.settle()
}

// keep keeps the data in the browser, in place of the entry before. It is usable
// meanwhile.
func (o *own) keep(before string) {
	d, s := o.data, o.schema
	a := about{Task: o.task, Name: o.name, Bytes: o.bytes, Examples: d.Len(), At: today(), Schema: o.hash}
	if o.keeping {
		o.again = true // pictures have come meanwhile
		return
	}
	o.keeping = true
	go func() {
		id, err := o.store.save(a, d.Save)
		if err == nil && before != "" {
			o.store.call("remove", before)
		}
		kept, listed := o.store.list(a.Task, a.Schema)
		o.queue.put(jobDone{do: func() {
			o.keeping = false
			if then := o.kept; then != nil {
				o.kept = nil
				then()
				return
			}
			if o.schema != s {
				return
			}
			o.keeps(kept, cmp.Or(err, listed))
			switch {
			case o.again && o.data != nil:
				o.again = false
				o.keep(id)
			case err == nil && o.data == d:
				o.report.ID = id
			}
			o.post()
		}})
	}()
}

// use reads what the browser keeps under a name.
func (o *own) use(id string) {
	o.closeFile()
	var of tab.Kept
	for _, k := range o.report.Kept {
		if k.ID == id {
			of = k
		}
	}
	if of.ID == "" {
		return
	}
	o.report.Name, o.report.Problems, o.report.AllProblems, o.report.Notes = of.Name, nil, 0, nil
	o.begin(tab.DataLoading, func(j *job) {
		d, err := o.load(j, id)
		j.do(func() {
			if err != nil {
				words := "What was kept of " + of.Name + " cannot be read: bring the file again."
				if refused := (*data.Refusal)(nil); errors.As(err, &refused) {
					words = refused.Text
				}
				o.fail(words)
				return
			}
			o.pictures = nil
			o.report.Notes = d.Notes()
			o.has(d, of.Name, of.Bytes, id)
		})
	})
}

// load reads kept data.
func (o *own) load(j *job, id string) (*data.Own, error) {
	file, err := o.store.open(id)
	if err != nil {
		return nil, err
	}
	return data.LoadOwn(&counted{file, j.progress, 0, file.size}, file.size, o.schema)
}

// counted tells how much of a file is read.
type counted struct {
	io.Reader
	progress  func(done, total int64) error // its error ends the reading
	at, total int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.at += int64(n)
	if given := c.progress(c.at, c.total); given != nil {
		return n, given
	}
	return n, err
}

// remove deletes what the browser keeps under a name, and the data in use if it is that.
func (o *own) remove(id string) {
	if o.report.ID == id {
		o.data, o.pictures, o.name, o.bytes = nil, nil, "", 0
		o.report = tab.Data{Kept: o.report.Kept, Storage: o.report.Storage}
		o.sheet()
	}
	o.begin(tab.DataLoading, func(j *job) {
		_, err := o.store.call("remove", id)
		kept, listed := o.store.list(o.task, o.hash)
		j.do(func() {
			o.keeps(kept, listed)
			if err != nil {
				o.report.Error = "That could not be deleted: close other tabs of this page, and try again."
			}
			o.settle()
		})
	})
}

// forget removes all that the browser keeps of this page, and calls then with the reason
// why data is left.
func (o *own) forget(then func(error)) {
	o.job, o.data, o.pictures, o.table, o.idx = nil, nil, nil, nil, nil
	if o.keeping { // what is being written cannot be removed
		o.kept = func() { o.forget(then) }
		return
	}
	clearStores(o.queue, then)
}

// schemaHash names a schema.
func schemaHash(s *data.Schema) string {
	h := s.Hash()
	return hex.EncodeToString(h[:])
}

// closeFile drops the file that was looked at.
func (o *own) closeFile() {
	o.table, o.idx = nil, nil
	r := &o.report
	r.Table, r.Found, r.Want, r.Decimal, r.Question, r.Offers = false, nil, nil, "", "", nil
	r.BadRows, r.GoodRows, r.Layout = 0, 0, false
}
