package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"fedtab/api/v1"
	"fedtab/coordinator/admin"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/live"
	"fedtab/coordinator/qrcode"
	"fedtab/coordinator/task"
	"fedtab/coordinator/web"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/protocol/invite"
)

// Check implements admin.Backend.
func (d *backend) Check(ctx context.Context, o v1.CheckOrder) (c v1.Checked, err error) {
	text, left := task.Edit([]byte(o.YAML), o.Set)
	t, problems := task.Inspect("task", text, left...)
	c = v1.Checked{
		YAML: string(text), Values: t.Values(), Problems: []v1.TaskProblem{}, Columns: []string{},
		Name: t.Name, Title: t.Title.String(), Own: t.Brought(), Served: d.served(t.Name) != nil,
	}
	maps.Copy(c.Values, task.Given(text)) // also what could not be read
	if len(problems) == 0 {
		if table := t.Data.Schema(); c.Own && table.Table != nil {
			c.Target = table.Table.Label.Name
			for _, f := range table.Table.Features {
				c.Columns = append(c.Columns, f.Name)
			}
		}
		c.Estimate, problems = d.estimate(t)
	}
	for _, p := range problems {
		key, _, _ := strings.Cut(p.Set, "=")
		c.Problems = append(c.Problems, v1.TaskProblem{Key: cmp.Or(p.Path, key), Line: p.Line, Text: p.Text})
	}
	return c, ctx.Err()
}

// problemsOf returns the problems of an error of a task that is read. What is not of a line
// of its file is of the section that it is about.
func problemsOf(t *task.Task, section string, err error) []task.Problem {
	if ps := task.Problems(err); ps != nil {
		return ps
	}
	return []task.Problem{{Path: section, Line: t.Line(section), Text: strings.TrimPrefix(err.Error(), "task "+t.Name+": ")}}
}

// allowed returns what keeps a valid task from being served at an organiser's word: it can
// only be simulated, or names files that are none of an organiser's.
func (d *backend) allowed(t *task.Task) (problems []task.Problem) {
	if err := t.CheckLive(); err != nil {
		problems = problemsOf(t, "", err)
	}
	files := t.Files()
	for _, key := range slices.Sorted(maps.Keys(files)) {
		if err := d.readable(files[key]); err != nil {
			problems = append(problems, task.Problem{Path: key, Line: t.Line(key), Text: fmt.Sprintf("%s is %q, %v", key, files[key], err)})
		}
	}
	return problems
}

// filesDir is the folder in the data directory of the files that tasks of the API may name.
// The directory itself has tokens and the database.
const filesDir = "files"

// readable reports why a task that came by the API may not name a file: who has an
// organiser's token must not read what else is on the machine. Samples that ship are for all.
func (d *backend) readable(path string) error {
	if strings.HasPrefix(path, "tasks/samples/") && fs.ValidPath(path) {
		return nil
	}
	folder := filepath.Join(d.dir, filesDir)
	refused := fmt.Errorf("want a file in %s: a task that is added while the coordinator runs reads no others; give it with --task, or move the file", folder)
	if !within(folder, path) {
		return refused
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("which cannot be read: %w", err)
	}
	if root, err := filepath.EvalSymlinks(folder); err != nil || !within(root, real) {
		return refused
	}
	return nil
}

// within reports whether a path is below a folder, by their names.
func within(folder, path string) bool {
	a, errA := filepath.Abs(folder)
	b, errB := filepath.Abs(path)
	rel, err := filepath.Rel(a, b)
	return errA == nil && errB == nil && err == nil && filepath.IsLocal(rel) && rel != "."
}

// estimate says what a run of a valid task would cost, or why it cannot be served.
func (d *backend) estimate(t *task.Task) (*v1.Estimate, []task.Problem) {
	if ps := d.allowed(t); ps != nil {
		return nil, ps
	}
	d.estimating.Lock()
	defer d.estimating.Unlock()
	examples, shape, classes := t.Known()
	set := new(dataset.Dataset)
	if !t.Brought() && examples == 0 {
		var err error
		if set, err = dataset.Open(t); err != nil {
			return nil, problemsOf(t, "data", err)
		}
		examples, shape, classes = set.Train.Len(), set.Shape(), set.Labels()
	}
	if err := t.CheckModel(shape, classes); err != nil {
		return nil, problemsOf(t, "model", err)
	}
	m, err := learn.New(t.Model.Spec(shape, classes, t.StartSeed()))
	if err != nil {
		return nil, problemsOf(t, "model", err)
	}
	if _, err := set.Strategy(t, m, true, t.SamplingSeed()); err != nil {
		return nil, problemsOf(t, "strategy", err)
	}
	return estimateOf(t, m, examples), nil
}

// estimateOf says what a run costs whose model is m, of a number of training examples, 0 if
// it is unknown.
func estimateOf(t *task.Task, m learn.Model, examples int) *v1.Estimate {
	parameters := m.Layout().Size
	e := &v1.Estimate{
		Parameters: parameters, Fewest: fewest(t, parameters), Rounds: t.RunStop(nil).Rounds,
		CoordinatorMemory: live.LeaseBytes(parameters, t.Strategy.Vectors()),
	}
	e.BytesUp, e.BytesDown = web.RoundBytes(t, parameters)
	e.Bytes = int64(e.Rounds) * (e.BytesUp + e.BytesDown)
	local := (examples + e.Fewest - 1) / e.Fewest
	steps, batch := t.Strategy.Steps(), t.Strategy.Batch
	switch {
	case steps > 0:
		e.Examples = int64(steps) * int64(cmp.Or(batch, local))
	default:
		e.Examples = int64(max(t.Strategy.Epochs, 1)) * int64(local)
	}
	e.Seconds = web.TrainingSeconds(m, batch, e.Examples)
	if t.Brought() {
		local = t.Data.Examples.Max
	}
	e.TabMemory = int64(trainingMemory(t, m, local).Total())
	return e
}

// fewest returns without how many participants no round of a task opens.
func fewest(t *task.Task, parameters int) int {
	n := t.Fewest(parameters)
	if t.Brought() && t.Data.Standardise == "federated" {
		n = max(n, t.Data.Examples.Participants)
	}
	return n
}

// Init implements admin.Backend.
func (d *backend) Init(_ context.Context, table admin.Table) ([]byte, error) {
	refuse := func(err error) ([]byte, error) {
		text := strings.NewReplacer("--decimal", "decimal", "--target", "target").Replace(err.Error())
		return nil, admin.Refuse(http.StatusUnprocessableEntity, "%s", text)
	}
	name := printable(filepath.Base(cmp.Or(table.Name, "table.csv")))
	g, err := data.GuessCSV(bytes.NewReader(table.Content), name, dataset.Dialect("", table.Decimal, ""))
	if err != nil {
		return refuse(err)
	}
	text, err := task.Init(name, g, task.Guessed{Target: table.Target, Participants: table.Participants})
	if err != nil {
		return refuse(err)
	}
	if _, err := tried("the task for "+name, text); err != nil {
		return refuse(err)
	}
	return text, nil
}

// tried reads a task that was made, and opens its data.
func tried(name string, text []byte) (*task.Task, error) {
	t, err := task.Parse(name, text)
	if err != nil {
		return nil, err
	}
	d, err := dataset.Open(t)
	if err == nil {
		_, err = d.Model(t)
	}
	if err == nil && t.Data.From.CSV != "" {
		err = d.Divide(t)
	}
	return t, err
}

// Link implements admin.Backend.
func (d *backend) Link(name string) (v1.Link, error) {
	t, err := d.taskOf(name)
	if err != nil {
		return v1.Link{}, err
	}
	if t.Join == task.Invited {
		return v1.Link{}, admin.Refuse(http.StatusConflict, "task: %s has join: %s, and its page admits nobody without an invite: make one, which has a link", t.Name, t.Join)
	}
	return d.link(t.Name, "")
}

// link returns the address of the page of a task, with an invite if its code is given.
func (d *backend) link(name, code string) (l v1.Link, err error) {
	page := d.Page()
	if page == "" {
		return l, nil
	}
	if l.Link = page + "t/" + name; code != "" {
		l.Link = invite.Link(page, name, code)
	}
	svg, err := qrcode.SVG(l.Link)
	l.QR = string(svg)
	return l, err
}
