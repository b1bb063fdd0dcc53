package admin

import (
	"context"
	"fmt"
	"net/http"

	"fedtab/api/v1"
	"fedtab/coordinator/task"
	"fedtab/tasks"

	"github.com/danielgtaylor/huma/v2"
)

// Limits of tasks that come by the API.
const (
	maxTaskBody  = 4 * task.MaxFile // a text in JSON may be several times as long
	maxTableBody = 64 << 20
)

// Table is a table of which a task is made.
type Table struct {
	Name         string // of its file
	Content      []byte
	Target       string // column; empty: the last
	Decimal      string // point or comma; empty: it is detected
	Participants int    // with whom training starts
}

func (h *API) registerTasks(api huma.API) {
	type none struct{}
	huma.Register(api, operation("list-schemes", http.MethodGet, "/schemes", "tasks", "List the schemes and options of tasks", "A form of a task can be made from them."),
		func(context.Context, *none) (*answer[v1.Schemes], error) { return give(schemes()), nil })
	huma.Register(api, operation("list-presets", http.MethodGet, "/presets", "tasks", "List the tasks that ship", "Those that can be served."),
		func(context.Context, *none) (*answer[v1.Presets], error) {
			p, err := presets()
			return give(p), h.fail(err)
		})

	type checkInput struct{ Body v1.CheckOrder }
	check := operation("check-task", http.MethodPost, "/tasks/check", "tasks", "Check a task", "Changes it, if asked to, and says what is wrong with it and what it would cost. A task file that is no YAML is answered with problems too. Nothing is served.", http.StatusServiceUnavailable)
	check.MaxBodyBytes = maxTaskBody
	huma.Register(api, check, func(ctx context.Context, in *checkInput) (*answer[v1.Checked], error) { // no line in the audit log: forms ask with every key
		c, err := h.Backend.Check(ctx, in.Body)
		return give(c), h.fail(err)
	})

	type initInput struct {
		Name         string `query:"name" maxLength:"200" doc:"Of the file"`
		Target       string `query:"target" maxLength:"1000" doc:"Column to predict, by name or number from 1 (default the last)"`
		Decimal      string `query:"decimal" enum:"point,comma" doc:"The decimal sign (default what the numbers show)"`
		Participants int    `query:"participants" minimum:"2" maximum:"10000" default:"3" doc:"With whom training starts"`
		RawBody      []byte `contentType:"text/csv" doc:"The table, with the names of its columns in the first line"`
	}
	init := operation("init-task", http.MethodPost, "/tasks/init", "tasks", "Make a task for a table", "For participants who bring tables like it. Each guess has a comment. The table is not kept.")
	init.MaxBodyBytes, init.BodyReadTimeout = maxTableBody, uploadTimeout
	huma.Register(api, init, func(ctx context.Context, in *initInput) (*answer[v1.TaskText], error) {
		text, err := h.Backend.Init(ctx, Table{in.Name, in.RawBody, in.Target, in.Decimal, in.Participants})
		return give(v1.TaskText{YAML: string(text)}), h.fail(err)
	})
	content := api.OpenAPI().Paths[init.Path].Post.RequestBody.Content
	content["application/octet-stream"] = content["text/csv"]

	type serveInput struct{ Body v1.TaskText }
	serve := operation("serve-task", http.MethodPost, "/tasks", "tasks", "Serve a task", "At once, and after a restart. If a task of its name is served, whose run is over, the task has these settings from now on, and another run; the runs before stay listed. Files of examples must be in the folder files of the data directory.", http.StatusConflict, http.StatusServiceUnavailable)
	serve.DefaultStatus, serve.MaxBodyBytes = http.StatusCreated, maxTaskBody
	change(h, api, serve,
		func(in *serveInput) (string, string) {
			t, _ := task.Inspect("task", []byte(in.Body.YAML))
			return t.Name, number(len(in.Body.YAML)) + " bytes"
		},
		func(ctx context.Context, in *serveInput) (*answer[v1.Served], error) {
			done, err := h.Backend.Serve(ctx, []byte(in.Body.YAML))
			return give(done), err
		})

	type taskInput struct {
		Task string `path:"task" doc:"Name of a task that is served" maxLength:"200"`
	}
	change(h, api, operation("withdraw-task", http.MethodDelete, "/tasks/{task}", "tasks", "Serve a task no longer", "One that was added by this API, whose run is over; its runs stay listed.", http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable),
		func(in *taskInput) (string, string) { return in.Task, "" },
		func(ctx context.Context, in *taskInput) (*answer[v1.Done], error) {
			done, err := h.Backend.Withdraw(ctx, in.Task)
			return give(done), err
		})
	huma.Register(api, operation("get-link", http.MethodGet, "/tasks/{task}/link", "tasks", "Get the address of a task's page", "Of one that any participant may join.", http.StatusNotFound, http.StatusConflict),
		func(_ context.Context, in *taskInput) (*answer[v1.Link], error) {
			l, err := h.Backend.Link(in.Task)
			return give(l), h.fail(err)
		})
}

// schemes returns the schemes and options of tasks that are served.
func schemes() v1.Schemes {
	s := v1.Schemes{Schemes: []v1.Scheme{}, Options: []v1.Option{}}
	for _, o := range task.Options() {
		s.Options = append(s.Options, v1.Option(o))
	}
	for _, scheme := range task.Served() {
		v := v1.Scheme{Name: scheme.Name, Title: scheme.Title, Summary: scheme.Help, Help: scheme.Choose}
		for _, set := range scheme.Settings {
			v.Options = append(v.Options, "strategy."+set.Key)
		}
		s.Schemes = append(s.Schemes, v)
	}
	return s
}

// presets returns the tasks that ship and can be served.
func presets() (p v1.Presets, err error) {
	p.Items = []v1.Preset{}
	for _, name := range task.Shipped() {
		text, err := tasks.Files.ReadFile(name + ".yaml")
		if err != nil {
			return p, fmt.Errorf("task that ships: %w", err)
		}
		t, err := task.Parse(name, text)
		if err != nil {
			return p, err
		}
		if t.CheckLive() == nil && len(t.Files()) == 0 {
			p.Items = append(p.Items, v1.Preset{Name: t.Name, Title: t.Title.String(), Description: t.Description.String(), YAML: string(text)})
		}
	}
	return p, nil
}
