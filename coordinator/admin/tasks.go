package admin

import (
	"context"
	"fmt"
	"net/http"

	"fedtab/coordinator/task"
	"fedtab/tasks"

	"github.com/danielgtaylor/huma/v2"
)

// Limits of tasks that come by the API.
const (
	maxTaskBody  = 4 * task.MaxFile // a text in JSON may be several times as long
	maxTableBody = 64 << 20
)

// Schemes are what a form of a task is made from.
type Schemes struct {
	Schemes []Scheme `json:"schemes"`
	Options []Option `json:"options" doc:"Of all schemes, and of the other sections of a task"`
}

// Scheme is a way to combine models.
type Scheme struct {
	Name    string   `json:"name" doc:"In strategy.kind"`
	Title   string   `json:"title" doc:"For people"`
	Summary string   `json:"summary" doc:"What it does, in a few words"`
	Help    string   `json:"help" doc:"When to choose it"`
	Options []string `json:"options" doc:"Keys of the options that it has"`
}

// Option is a setting of a task.
type Option struct {
	Key     string   `json:"key" doc:"Its path in a task file" example:"strategy.fraction"`
	Group   string   `json:"group" doc:"Its section; task: none"`
	Help    string   `json:"help" doc:"What it means"`
	Type    string   `json:"type" enum:"number,integer,text,choice,flag" doc:"text: also a list or a duration, as YAML"`
	Choices []string `json:"choices,omitempty" doc:"Of a choice"`
	Default string   `json:"default" doc:"YAML on one line; empty: there is none, or it depends on other settings"`
	Range   string   `json:"range" doc:"What is allowed, in words; empty: all of the type"`
	Schemes []string `json:"schemes,omitempty" doc:"That have it; absent: it does not depend on the scheme"`
}

// Presets are the tasks that ship.
type Presets struct {
	Items []Preset `json:"items"`
}

// Preset is a task that ships and can be served.
type Preset struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"`
	YAML        string `json:"yaml" doc:"The task file"`
}

// CheckOrder asks what a task would be.
type CheckOrder struct {
	YAML string   `json:"yaml" maxLength:"1048576" doc:"The task file"`
	Set  []string `json:"set,omitempty" maxItems:"1000" doc:"Changes to make first: KEY=VALUE, of which VALUE is YAML; an empty one takes the setting out" example:"[\"strategy.fraction=0.2\"]"`
}

// Checked says what a task would be.
type Checked struct {
	YAML     string            `json:"yaml" doc:"The task file with the changes; its comments and its order are kept"`
	Values   map[string]string `json:"values" doc:"Every setting, given or by default, as YAML on one line"`
	Problems []TaskProblem     `json:"problems" doc:"All that is wrong; empty: it can be served"`
	Name     string            `json:"name"`
	Title    string            `json:"title"`
	Own      bool              `json:"own" doc:"Participants bring the data"`
	Columns  []string          `json:"columns" doc:"Of a table of theirs, without the one that is predicted"`
	Target   string            `json:"target" doc:"The predicted column of that table"`
	Served   bool              `json:"served" doc:"A task of this name is served"`
	Estimate *Estimate         `json:"estimate" doc:"null while there are problems"`
}

// TaskProblem is something that is wrong with a task.
type TaskProblem struct {
	Key  string `json:"key" doc:"Of the setting; empty: of none"`
	Line int    `json:"line" doc:"Of the task file with the changes, from 1; 0: none, or it is of a change that cannot be made"`
	Text string `json:"text" doc:"What is wrong, and what would be right"`
}

// Estimate says what a run would cost.
type Estimate struct {
	Parameters        int     `json:"parameters" doc:"Length of the parameter vector"`
	Fewest            int     `json:"fewest" doc:"Participants without whom no round opens"`
	BytesUp           int64   `json:"bytes_up" doc:"That a participant sends in a round"`
	BytesDown         int64   `json:"bytes_down" doc:"That a participant is sent in a round"`
	Rounds            int     `json:"rounds" doc:"Of the run; 0: unknown"`
	Bytes             int64   `json:"bytes" doc:"Of a participant that is in every round, both ways; 0: unknown"`
	Examples          int64   `json:"examples" doc:"That a participant trains on in a round, each pass counted, with the fewest participants; 0: unknown"`
	Seconds           float64 `json:"seconds" doc:"Of training on them, in the browser that docs/performance.md was measured with; 0: unknown"`
	TabMemory         int64   `json:"tab_memory" doc:"Bytes that training takes in a tab, without the examples"`
	CoordinatorMemory int64   `json:"coordinator_memory" doc:"Bytes that contributions in flight may take in the coordinator"`
}

// TaskText is a task file.
type TaskText struct {
	YAML string `json:"yaml" maxLength:"1048576" doc:"The task file"`
}

// Served says what serving a task has led to.
type Served struct {
	Run     string `json:"run" doc:"Identity of its run"`
	Version uint64 `json:"version" doc:"The newest of the run"`
	Task    string `json:"task" doc:"Its name"`
}

// Table is a table of which a task is made.
type Table struct {
	Name         string // of its file
	Content      []byte
	Target       string // column; empty: the last
	Decimal      string // point or comma; empty: it is detected
	Participants int    // with whom training starts
}

// Link is the address of a task's page.
type Link struct {
	Link string `json:"link" doc:"Empty: no page is served"`
	QR   string `json:"qr" doc:"The same as a QR code, SVG; empty: no page is served"`
}

func (h *API) registerTasks(api huma.API) {
	type none struct{}
	huma.Register(api, operation("list-schemes", http.MethodGet, "/schemes", "tasks", "List the schemes and options of tasks", "A form of a task can be made from them."),
		func(context.Context, *none) (*answer[Schemes], error) { return give(schemes()), nil })
	huma.Register(api, operation("list-presets", http.MethodGet, "/presets", "tasks", "List the tasks that ship", "Those that can be served."),
		func(context.Context, *none) (*answer[Presets], error) {
			p, err := presets()
			return give(p), h.fail(err)
		})

	type checkInput struct{ Body CheckOrder }
	check := operation("check-task", http.MethodPost, "/tasks/check", "tasks", "Check a task", "Changes it, if asked to, and says what is wrong with it and what it would cost. A task file that is no YAML is answered with problems too. Nothing is served.", http.StatusServiceUnavailable)
	check.MaxBodyBytes = maxTaskBody
	huma.Register(api, check, func(ctx context.Context, in *checkInput) (*answer[Checked], error) { // no line in the audit log: forms ask with every key
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
	huma.Register(api, init, func(ctx context.Context, in *initInput) (*answer[TaskText], error) {
		text, err := h.Backend.Init(ctx, Table{in.Name, in.RawBody, in.Target, in.Decimal, in.Participants})
		return give(TaskText{string(text)}), h.fail(err)
	})
	content := api.OpenAPI().Paths[init.Path].Post.RequestBody.Content
	content["application/octet-stream"] = content["text/csv"]

	type serveInput struct{ Body TaskText }
	serve := operation("serve-task", http.MethodPost, "/tasks", "tasks", "Serve a task", "At once, and after a restart. If a task of its name is served, whose run is over, the task has these settings from now on, and another run; the runs before stay listed. Files of examples must be in the folder files of the data directory.", http.StatusConflict, http.StatusServiceUnavailable)
	serve.DefaultStatus, serve.MaxBodyBytes = http.StatusCreated, maxTaskBody
	change(h, api, serve,
		func(in *serveInput) (string, string) {
			t, _ := task.Inspect("task", []byte(in.Body.YAML))
			return t.Name, number(len(in.Body.YAML)) + " bytes"
		},
		func(ctx context.Context, in *serveInput) (*answer[Served], error) {
			done, err := h.Backend.Serve(ctx, []byte(in.Body.YAML))
			return give(done), err
		})

	type taskInput struct {
		Task string `path:"task" doc:"Name of a task that is served" maxLength:"200"`
	}
	change(h, api, operation("withdraw-task", http.MethodDelete, "/tasks/{task}", "tasks", "Serve a task no longer", "One that was added by this API, whose run is over; its runs stay listed.", http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable),
		func(in *taskInput) (string, string) { return in.Task, "" },
		func(ctx context.Context, in *taskInput) (*answer[Done], error) {
			done, err := h.Backend.Withdraw(ctx, in.Task)
			return give(done), err
		})
	huma.Register(api, operation("get-link", http.MethodGet, "/tasks/{task}/link", "tasks", "Get the address of a task's page", "Of one that any participant may join.", http.StatusNotFound, http.StatusConflict),
		func(_ context.Context, in *taskInput) (*answer[Link], error) {
			l, err := h.Backend.Link(in.Task)
			return give(l), h.fail(err)
		})
}

// schemes returns the schemes and options of tasks that are served.
func schemes() Schemes {
	s := Schemes{Schemes: []Scheme{}, Options: []Option{}}
	for _, o := range task.Options() {
		s.Options = append(s.Options, Option(o))
	}
	for _, scheme := range task.Served() {
		v := Scheme{Name: scheme.Name, Title: scheme.Title, Summary: scheme.Help, Help: scheme.Choose}
		for _, set := range scheme.Settings {
			v.Options = append(v.Options, "strategy."+set.Key)
		}
		s.Schemes = append(s.Schemes, v)
	}
	return s
}

// presets returns the tasks that ship and can be served.
func presets() (p Presets, err error) {
	p.Items = []Preset{}
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
			p.Items = append(p.Items, Preset{t.Name, t.Title.String(), t.Description.String(), string(text)})
		}
	}
	return p, nil
}
