package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"fedtab/api"
	"fedtab/api/v1"
	"fedtab/coordinator/models"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/coordinator/told"
	"fedtab/coordinator/web"

	"github.com/danielgtaylor/huma/v2"
)

// PageInput asks for a page of what a run has.
type PageInput struct {
	Named
	Cursor string `query:"cursor" doc:"next of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"10000" doc:"Items in a page (default 100)"`
}

// register declares all operations.
func (h *API) register(api huma.API) {
	h.registerRuns(api)
	h.registerWatch(api)
	h.registerOrders(api)
	h.registerTasks(api)
	h.registerServer(api)
	h.registerFiles(api)
}

func (h *API) registerRuns(api huma.API) {
	type listInput struct {
		Task   string `query:"task" doc:"Only runs of this task"`
		State  string `query:"state" enum:"going,paused,over" doc:"Only runs that go on, are paused, or are over"`
		Cursor string `query:"cursor" doc:"next of the page before"`
		Limit  int    `query:"limit" minimum:"1" maximum:"10000" doc:"Runs in a page (default 100)"`
	}
	huma.Register(api, operation("list-runs", http.MethodGet, "/runs", "runs", "List runs", "The newest first."),
		func(_ context.Context, in *listInput) (*answer[v1.Page[v1.Run]], error) {
			before, err := cursor(in.Cursor)
			if err != nil {
				return nil, h.fail(err)
			}
			yes, no := true, false
			f := store.Filter{Task: in.Task, Before: before, Limit: limitOf(in.Limit) + 1}
			switch in.State {
			case "going":
				f.Over, f.Paused = &no, &no
			case "paused":
				f.Over, f.Paused = &no, &yes
			case "over":
				f.Over = &yes
			}
			all, err := h.Store.Runs(f)
			if err != nil {
				return nil, h.fail(err)
			}
			h.ahead(all)
			items, refs := make([]v1.Run, len(all)), make([]*v1.Run, len(all))
			for i := range all {
				items[i] = h.view(&all[i])
				refs[i] = &items[i]
			}
			if err := h.accounts(refs); err != nil {
				return nil, h.fail(err)
			}
			return page(items, limitOf(in.Limit), func(r v1.Run) int64 { return r.Number }), nil
		})

	type runInput struct {
		Named
		IfNoneMatch string `header:"If-None-Match" doc:"ETag of an answer that is at hand"`
	}
	huma.Register(api, operation("get-run", http.MethodGet, "/runs/{run}", "runs", "Get a run", "With its task, what is kept of it, and how it stands.", http.StatusNotModified, http.StatusNotFound),
		func(_ context.Context, in *runInput) (*tagged[v1.Detail], error) {
			d, err := h.detail(in.Run)
			if err != nil {
				return nil, h.fail(err)
			}
			return tag(d, in.IfNoneMatch)
		})
	huma.Register(api, operation("get-settings", http.MethodGet, "/runs/{run}/settings", "runs", "Get the settings of a run", "The ETag goes into If-Match of a change.", http.StatusNotModified, http.StatusNotFound),
		func(_ context.Context, in *runInput) (*tagged[v1.Settings], error) {
			s, err := h.Backend.Settings(in.Run)
			if err != nil {
				return nil, h.fail(err)
			}
			return tag(s, in.IfNoneMatch)
		})

	huma.Register(api, operation("list-rounds", http.MethodGet, "/runs/{run}/rounds", "runs", "List the rounds of a run", "Those that were committed, the newest first.", http.StatusNotFound),
		func(_ context.Context, in *PageInput) (*answer[v1.Page[v1.CommittedRound]], error) {
			r, before, err := h.find(in.Run, in.Cursor)
			if err != nil {
				return nil, h.fail(err)
			}
			rounds, err := h.Store.Rounds(r.ID, uint64(before), limitOf(in.Limit)+1)
			if err != nil {
				return nil, h.fail(err)
			}
			parameters, err := h.Store.Parameters(r.ID)
			if err != nil {
				return nil, h.fail(err)
			}
			items := make([]v1.CommittedRound, len(rounds))
			for i := range rounds {
				rec := &rounds[len(rounds)-1-i]
				items[i] = v1.CommittedRound{Round: web.ViewRound(rec, parameters), Opened: rec.Opened, Committed: rec.Committed, Hash: fmt.Sprintf("%x", rec.Hash)}
			}
			return page(items, limitOf(in.Limit), func(r v1.CommittedRound) int64 { return int64(r.Round.Round) }), nil
		})
	type logInput struct {
		PageInput
		Kind        string `query:"kind" doc:"Only lines of this kind"`
		Participant int64  `query:"participant" default:"-1" minimum:"-1" maximum:"4294967295" doc:"Only lines of this participant, 0 being the coordinator itself; -1: of all"`
		Round       int64  `query:"round" default:"-1" minimum:"-1" doc:"Only lines of this round; -1: of all"`
	}
	huma.Register(api, operation("list-log", http.MethodGet, "/runs/{run}/log", "runs", "Read the event log of a run", "The newest line first.", http.StatusNotFound),
		func(_ context.Context, in *logInput) (*answer[v1.Page[v1.LogLine]], error) {
			r, before, err := h.find(in.Run, in.Cursor)
			if err != nil {
				return nil, h.fail(err)
			}
			f := store.LogFilter{Kind: in.Kind, Before: before, Limit: limitOf(in.Limit) + 1}
			if in.Participant >= 0 {
				participant := uint32(in.Participant)
				f.Participant = &participant
			}
			if in.Round >= 0 {
				round := uint64(in.Round)
				f.Round = &round
			}
			all, err := h.Store.LogLines(r.ID, f)
			if err != nil {
				return nil, h.fail(err)
			}
			items := make([]v1.LogLine, len(all))
			for i, l := range all {
				items[i] = v1.LogLine{ID: l.ID, At: l.At, Round: l.Round, Participant: l.Participant, Kind: l.Kind, Detail: l.Detail}
			}
			return page(items, limitOf(in.Limit), func(l v1.LogLine) int64 { return l.ID }), nil
		})

	type modelInput struct {
		Named
		Version string `path:"version" doc:"A number, newest or best" example:"best"`
		Format  string `query:"format" enum:"safetensors,onnx,json" doc:"safetensors (default), onnx, or the description alone"`
	}
	type file struct {
		ContentType        string `header:"Content-Type"`
		ContentDisposition string `header:"Content-Disposition"`
		CacheControl       string `header:"Cache-Control"`
		Run                string `header:"Fedtab-Run" doc:"Identity of the run"`
		Version            uint64 `header:"Fedtab-Version" doc:"Number of the version"`
		Body               []byte
	}
	op := operation("get-model", http.MethodGet, "/runs/{run}/models/{version}", "runs", "Get a version of a model as a file", "", http.StatusNotFound)
	op.Responses = map[string]*huma.Response{"200": {Description: "The file", Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}
	huma.Register(api, op, func(_ context.Context, in *modelInput) (*file, error) {
		format := in.Format
		if format == "" {
			format = "safetensors"
		}
		run, version, content, err := h.Backend.Model(in.Run, in.Version, format)
		if err != nil {
			return nil, h.fail(err)
		}
		return &file{models.ContentType(format), fmt.Sprintf("attachment; filename=%q", models.Name(run, version)+"."+format), "no-store", run, version, content}, nil
	})
	h.registerEvents(api)
}

// find returns the run with a name, and the number that a cursor stands for.
func (h *API) find(name, at string) (store.Run, int64, error) {
	n, err := cursor(at)
	if err != nil {
		return store.Run{}, 0, err
	}
	r, err := h.Backend.Find(name)
	return r, n, err
}

// served returns the study whose run has an identity, nil if it is not served.
func (h *API) served(id string) *web.Study {
	for _, st := range h.Backend.Studies() {
		if st.Run() == id {
			return st
		}
	}
	return nil
}

func (h *API) view(s *store.Summary) v1.Run {
	r := v1.Run{
		Run: s.ID, Number: s.Number, Task: s.Task, Title: s.Title, Seed: s.Seed, Note: s.Note, Origin: s.Origin, Created: s.Created,
		Finished: s.Finished, Paused: s.Paused, Rounds: s.Rounds, Participants: s.Participants, BytesUp: s.Up, BytesDown: s.Down, Version: s.Version, Evaluated: s.Evaluated, TestLoss: s.TestLoss, TestAccuracy: s.TestAccuracy,
	}
	if st := h.served(s.ID); st != nil {
		r.Served, r.Rounds = true, st.Stop().Rounds
	}
	switch {
	case !s.Ended.IsZero():
		r.State, r.Ended = "over", &s.Ended
	case s.Paused != "":
		r.State = "paused"
	default:
		r.State = "going"
	}
	return r
}

// accounts adds to runs what they and the earlier ones of their tasks tell of participants.
func (h *API) accounts(runs []*v1.Run) error {
	of := map[string][]store.Account{}
	for _, r := range runs {
		all, has := of[r.Task]
		if !has {
			var err error
			if all, err = h.Store.Accounts(r.Task); err != nil {
				return err
			}
			of[r.Task] = all
		}
		earlier := told.Earlier(all, r.Number)
		switch n := len(earlier); {
		case n < len(all) && all[n].Number == r.Number:
			r.Privacy = told.Account(all[n].Spec, &all[n].Spent, earlier)
		case n > 0: // it has told nothing yet, and they have
			recorded, _, err := h.Store.FindRun(r.Run)
			if err != nil {
				return err
			}
			r.Privacy = told.Account(recorded.Spec, nil, earlier)
		}
	}
	return nil
}

func (h *API) detail(name string) (v1.Detail, error) {
	var d v1.Detail
	r, err := h.Backend.Find(name)
	if err != nil {
		return d, err
	}
	all, err := h.Store.Runs(store.Filter{ID: r.ID})
	if err != nil {
		return d, err
	}
	if len(all) == 0 {
		return d, Refuse(http.StatusNotFound, "run %s was deleted", r.ID)
	}
	d.Run, d.Spec = h.view(&all[0]), string(r.Spec)
	if d.Kept, d.KeptBytes, err = h.Store.Size(r.ID); err != nil {
		return d, err
	}
	if d.Parameters, err = h.Store.Parameters(r.ID); err != nil {
		return d, err
	}
	if err := h.accounts([]*v1.Run{&d.Run}); err != nil {
		return d, err
	}
	if st := h.served(r.ID); st != nil {
		d.Live = new(api.Task)
		d.Parameters = st.Model.Layout().Size
		state, _ := st.Feed.Page(0, 0, 0)
		if err := json.NewDecoder(bytes.NewReader(state)).Decode(d.Live); err != nil {
			return d, err
		}
		d.Stop = d.Live.Stop
		return d, nil
	}
	t, err := task.Parse("the task of run "+r.ID, r.Spec)
	if err != nil { // of an older build, perhaps: what is recorded can still be read
		d.Stop = api.Stop{Goals: []api.Goal{}}
		return d, nil
	}
	d.Stop = web.ViewStop(t.Extended(r.Extended.Rounds, r.Extended.Accuracy, nil))
	return d, nil
}
