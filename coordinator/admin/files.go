package admin

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"fedtab/coordinator/access"
	"fedtab/coordinator/records"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// registerFiles declares the operations that answer with files of any length.
func (h *API) registerFiles(api huma.API) {
	type recordsInput struct {
		Named
		Format   string `query:"format" enum:"csv,jsonl,tensorboard" doc:"CSV (default), JSON Lines, or TensorBoard's event file"`
		Withheld bool   `query:"withheld" doc:"Of a run with noise also what is withheld: who has taken part in which round, and bytes. What is shown of it is covered by no claim of privacy. It needs the organiser's token"`
		Table    string `query:"table" enum:"rounds,contributions,traffic" doc:"The rounds (default), the contributions to them, or what each participant has sent and was sent in them"`
	}
	op := operation("get-records", http.MethodGet, "/runs/{run}/records", "runs", "Get what is recorded of a run's rounds as a file", "Those that were committed, the oldest first. docs/operating.md has the columns.", http.StatusNotFound)
	op.Responses = fileResponses("text/csv", "application/jsonl", "application/octet-stream")
	recordsOp := op.OperationID
	huma.Register(api, op, func(ctx context.Context, in *recordsInput) (*huma.StreamResponse, error) {
		r, err := h.Backend.Find(in.Run)
		if err != nil {
			return nil, h.fail(err)
		}
		f := records.File{Run: r, Table: cmp.Or(in.Table, "rounds"), Format: cmp.Or(in.Format, "csv")}
		if err := f.Validate(); err != nil {
			return nil, h.fail(Refuse(http.StatusUnprocessableEntity, "%v", err))
		}
		var from records.Source = h.Store
		if in.Withheld {
			who, _ := access.From(ctx)
			if who.Role != access.Organiser {
				err = Refuse(http.StatusForbidden, "a %s may not have what is withheld of a run with noise: want the organiser's token", who.Role)
			}
			h.audit(who, recordsOp, r.ID, "with what is withheld", err)
			if err != nil {
				return nil, h.fail(err)
			}
			from = h.Store.Store
		}
		return h.stream(f.Name(), f.ContentType(), http.Header{"Fedtab-Run": {r.ID}}, func(w io.Writer) error { return f.Write(w, from) }), nil
	})

	type none struct{}
	op = operation("get-backup", http.MethodGet, "/backup", "server", "Get a copy of the database", "All of it as it is at one moment, while it is written to: it needs the organiser's token, since the copy has the secret of resume tokens and invites. docs/operating.md says how to restore it.", http.StatusConflict, http.StatusInsufficientStorage)
	op.Responses = fileResponses("application/vnd.sqlite3")
	huma.Register(api, op, func(ctx context.Context, _ *none) (*huma.StreamResponse, error) {
		who, _ := access.From(ctx)
		var err error
		if who.Role != access.Organiser {
			err = Refuse(http.StatusForbidden, "a %s may not have the database, which has secrets in it: want the organiser's token", who.Role)
		}
		var answer *huma.StreamResponse
		if err == nil {
			answer, err = h.backup(ctx)
		}
		h.audit(who, op.OperationID, "", "", err)
		return answer, h.fail(err)
	})
}

// backup copies the database, and returns the answer that sends the copy and removes it.
func (h *API) backup(ctx context.Context) (*huma.StreamResponse, error) {
	made := time.Now().UTC()
	c, err := h.Store.Backup(ctx)
	if err != nil {
		return nil, err
	}
	size, err := c.Size()
	if err != nil {
		c.Close()
		return nil, err
	}
	header := http.Header{"Content-Length": {strconv.FormatInt(size, 10)}}
	return h.stream("fedtab-"+made.Format("20060102T150405Z")+".db", "application/vnd.sqlite3", header, func(w io.Writer) error {
		defer c.Close()
		_, err := io.Copy(w, c)
		return err
	}), nil
}

// fileResponses describes an answer that is a file of one of some media types.
func fileResponses(types ...string) map[string]*huma.Response {
	content := map[string]*huma.MediaType{}
	for _, t := range types {
		content[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	}
	return map[string]*huma.Response{"200": {Description: "The file", Content: content}}
}

// stream answers with a file as it is written. One that cannot be written whole is broken off,
// so that nobody takes a part of it for the file.
func (h *API) stream(name, contentType string, header http.Header, write func(io.Writer) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		_, w := humago.Unwrap(ctx)
		for key, values := range header {
			w.Header()[key] = values
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
		w.Header().Set("Cache-Control", "no-store")
		s := &steady{ResponseWriter: w, control: http.NewResponseController(w)}
		err := write(s)
		switch {
		case err == nil:
		case !s.begun:
			w.Header().Del("Content-Length")
			w.Header().Del("Content-Disposition")
			status, text := refusal(err)
			problem(w, status, text)
		default:
			if h.Log != nil {
				h.Log.Warn("file was not sent whole", "file", name, "error", err)
			}
			panic(http.ErrAbortHandler)
		}
	}}
}

// steady writes an answer that may take any time, as long as it is read.
type steady struct {
	http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (s *steady) Write(b []byte) (int, error) {
	s.begun = true
	s.control.SetWriteDeadline(time.Now().Add(sendTimeout)) // an error means that there are no deadlines, as in tests
	return s.ResponseWriter.Write(b)
}
