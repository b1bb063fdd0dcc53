package admin

import (
	"cmp"
	"context"
	"fmt"
	"net/http"

	"fedtab/api/v1"
	"fedtab/learn/export"

	"github.com/danielgtaylor/huma/v2"
)

func (h *API) registerOrders(api huma.API) {
	order := func(id, path, summary, description string, errors ...int) huma.Operation {
		return operation(id, http.MethodPost, path, "orders", summary, description, append(errors, http.StatusNotFound, http.StatusConflict, http.StatusServiceUnavailable)...)
	}

	type reason struct {
		Reason string `json:"reason,omitempty" maxLength:"200" doc:"That participants read"`
	}
	type reasonInput struct {
		Named
		Body *reason
	}
	why := func(in *reasonInput) string {
		if in.Body == nil {
			return ""
		}
		return in.Body.Reason
	}
	told := func(in *reasonInput) (string, string) { return in.Run, why(in) }
	change(h, api, order("stop-run", "/runs/{run}/stop", "End a run", "After a version that is being made; an open round is given up. Its model stays."), told,
		func(ctx context.Context, in *reasonInput) (*answer[v1.Done], error) {
			done, err := h.Backend.Stop(ctx, in.Run, Because("stopped", why(in)))
			return give(done), err
		})
	change(h, api, order("pause-run", "/runs/{run}/pause", "Pause a run", "No round is opened until it is resumed; an open one is given up. Participants stay, and read the reason."), told,
		func(ctx context.Context, in *reasonInput) (*answer[v1.Done], error) {
			done, err := h.Backend.Pause(ctx, in.Run, cmp.Or(why(in), noReason))
			return give(done), err
		})
	change(h, api, order("resume-run", "/runs/{run}/resume", "Resume a run that is paused", ""),
		func(in *Named) (string, string) { return in.Run, "" },
		func(ctx context.Context, in *Named) (*answer[v1.Done], error) {
			done, err := h.Backend.Resume(ctx, in.Run)
			return give(done), err
		})

	type extendInput struct {
		Named
		Body v1.Extension
	}
	change(h, api, order("extend-run", "/runs/{run}/extend", "Have a run go on for longer", "Also one that is over: its identity stays, and its rounds go on. One of by and rounds is needed."),
		func(in *extendInput) (string, string) {
			return in.Run, fmt.Sprintf("by %d, rounds %d, accuracy %s", in.Body.By, in.Body.Rounds, optional(in.Body.Accuracy))
		},
		func(ctx context.Context, in *extendInput) (*answer[v1.Done], error) {
			if (in.Body.By == 0) == (in.Body.Rounds == 0) {
				return nil, Refuse(http.StatusUnprocessableEntity, "by is %d and rounds is %d, want one of them", in.Body.By, in.Body.Rounds)
			}
			done, err := h.Backend.Extend(ctx, in.Run, in.Body)
			return give(done), err
		})

	type rollbackInput struct {
		Named
		Body struct {
			Version uint64 `json:"version" doc:"Whose model is kept; 0: the model before training"`
		}
	}
	change(h, api, order("roll-back-run", "/runs/{run}/rollback", "Go back to an earlier version", "Its model becomes a new version, the newest one."),
		func(in *rollbackInput) (string, string) { return in.Run, "to version " + number(in.Body.Version) },
		func(ctx context.Context, in *rollbackInput) (*answer[v1.Done], error) {
			done, err := h.Backend.Rollback(ctx, in.Run, in.Body.Version)
			return give(done), err
		})

	type beginInput struct {
		Task    string `path:"task" doc:"Name of a task that is served"`
		From    string `query:"from" doc:"RUN or RUN@VERSION whose model the new run starts from; RUN@best is that with the best figures, RUN alone the newest"`
		Name    string `query:"name" maxLength:"200" doc:"Of the file in the body, for the run's origin"`
		RawBody []byte `contentType:"application/octet-stream" doc:"A model as safetensors, of ours or in the layout of PyTorch, that the new run starts from"`
	}
	begin := order("begin-run", "/tasks/{task}/runs", "Start a new run of a task", "The run before must be over; it stays listed. Open pages come to the new one by themselves.")
	begin.DefaultStatus, begin.MaxBodyBytes = http.StatusCreated, export.MaxOtherFile
	change(h, api, begin,
		func(in *beginInput) (string, string) {
			switch {
			case len(in.RawBody) > 0:
				return in.Task, fmt.Sprintf("from a file of %d bytes", len(in.RawBody))
			case in.From != "":
				return in.Task, "from " + in.From
			}
			return in.Task, ""
		},
		func(ctx context.Context, in *beginInput) (*answer[v1.Done], error) {
			if in.Name != "" && len(in.RawBody) == 0 {
				return nil, Refuse(http.StatusUnprocessableEntity, "name: %q, and the body is empty: want a model in it", in.Name)
			}
			if in.From != "" && len(in.RawBody) > 0 {
				return nil, Refuse(http.StatusUnprocessableEntity, "want one of from and a model in the body")
			}
			done, err := h.Backend.Begin(ctx, in.Task, in.From, File{in.Name, in.RawBody})
			return give(done), err
		})

	api.OpenAPI().Paths[begin.Path].Post.RequestBody.Required = false // without one, the run begins with the seed

	type deleteInput struct {
		Named
		Confirm string `query:"confirm" required:"true" doc:"The run's identity once more: it is gone for good, with its models"`
	}
	change(h, api, operation("delete-run", http.MethodDelete, "/runs/{run}", "orders", "Delete a run", "One that is over and not served, with its models and all that is recorded of it.", http.StatusNotFound, http.StatusConflict),
		func(in *deleteInput) (string, string) { return in.Run, "" },
		func(ctx context.Context, in *deleteInput) (*answer[v1.Done], error) {
			r, err := h.Backend.Find(in.Run)
			if err != nil {
				return nil, err
			}
			if in.Confirm != r.ID {
				return nil, Refuse(http.StatusUnprocessableEntity, "confirm: %q, want %s, the identity of the run that is to be deleted with its models", in.Confirm, r.ID)
			}
			done, err := h.Backend.Delete(ctx, r.ID)
			return give(done), err
		})

	type settingsInput struct {
		Named
		IfMatch string `header:"If-Match" required:"true" doc:"ETag of the settings that the change is based on"`
		Body    struct {
			Note         *string  `json:"note,omitempty" maxLength:"10000" doc:"Absent: as it is"`
			StopRounds   *int     `json:"stop_rounds,omitempty" minimum:"1" doc:"Absent: as it is"`
			StopAccuracy *float64 `json:"stop_accuracy,omitempty" minimum:"0" maximum:"1" doc:"0: none; absent: as it is"`
		}
	}
	change(h, api, operation("change-settings", http.MethodPatch, "/runs/{run}/settings", "orders", "Change the settings of a run", "Those that do not change what is learned. If they have been changed since, the answer is 412.", http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed),
		func(in *settingsInput) (string, string) {
			detail := ""
			if in.Body.Note != nil {
				detail += fmt.Sprintf("note of %d bytes ", len(*in.Body.Note))
			}
			if in.Body.StopRounds != nil {
				detail += "stop_rounds " + number(*in.Body.StopRounds) + " "
			}
			return in.Run, detail + "stop_accuracy " + optional(in.Body.StopAccuracy)
		},
		func(ctx context.Context, in *settingsInput) (*tagged[v1.Settings], error) {
			was, err := h.Backend.Settings(in.Run)
			if err != nil {
				return nil, err
			}
			if !matches(in.IfMatch, etag(was)) {
				return nil, Refuse(http.StatusPreconditionFailed, "the settings of run %s have been changed since: read them again", in.Run)
			}
			next := was
			if in.Body.Note != nil {
				next.Note = *in.Body.Note
			}
			if in.Body.StopRounds != nil {
				next.StopRounds = *in.Body.StopRounds
			}
			if a := in.Body.StopAccuracy; a != nil {
				if next.StopAccuracy = a; *a == 0 {
					next.StopAccuracy = nil
				}
			}
			if next, err = h.Backend.Configure(ctx, in.Run, was, next); err != nil {
				return nil, err
			}
			return tag(next, "")
		})
}

// noReason is the reason of a pause without one.
const noReason = "no reason is given"

// Because is the reason of an end, as participants read it.
func Because(what, reason string) string {
	text := what + " by its organiser"
	if reason != "" {
		text += ": " + reason
	}
	return text
}

// optional writes a number that may be absent, for the audit log.
func optional(x *float64) string {
	if x == nil {
		return "as it is"
	}
	return fmt.Sprint(*x)
}
