package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"fedtab/api/v1"
	"fedtab/coordinator/models"
	"fedtab/coordinator/store"
	"fedtab/coordinator/web"
	"fedtab/protocol/invite"
)

// A Backend carries out what organisers ask for: that of a coordinator that serves runs, or
// one on the database of a coordinator that does not run. Its methods may be called by any
// goroutine. A name is the identity of a run, its number, or the name of a task for its
// newest run. An error that is no Refusal is a fault of the coordinator.
type Backend interface {
	// Page returns the address of the page for participants, empty if none is served.
	Page() string
	// Studies returns the studies that are served.
	Studies() []*web.Study
	// Find returns the run that has a name.
	Find(name string) (store.Run, error)
	// Stop ends a run, after a version that is being made.
	Stop(ctx context.Context, name, reason string) (v1.Done, error)
	// Pause has a run open no round until Resume.
	Pause(ctx context.Context, name, reason string) (v1.Done, error)
	Resume(ctx context.Context, name string) (v1.Done, error)
	// Extend gives a run other stop conditions; one that is over goes on.
	Extend(ctx context.Context, name string, e v1.Extension) (v1.Done, error)
	// Rollback makes the model of an earlier version the newest one.
	Rollback(ctx context.Context, name string, version uint64) (v1.Done, error)
	// Begin starts a new run of a task that is served, whose run before is over: from the
	// seed, from a version of another run (RUN or RUN@VERSION), or from a model as
	// safetensors.
	Begin(ctx context.Context, task, from string, model File) (v1.Done, error)
	// Delete removes a run that is over and not served, with its models.
	Delete(ctx context.Context, name string) (v1.Done, error)
	// Configure changes settings of a run that has them as in was.
	Configure(ctx context.Context, name string, was, next v1.Settings) (v1.Settings, error)
	// Settings returns the settings of a run.
	Settings(name string) (v1.Settings, error)
	// Model returns a version of a run, which is a number, newest or best, as a file.
	Model(name, version, format string) (run string, made uint64, content []byte, err error)
	// Check says what a task would be.
	Check(ctx context.Context, o v1.CheckOrder) (v1.Checked, error)
	// Init makes a task file for participants who bring tables like the given one.
	Init(ctx context.Context, table Table) ([]byte, error)
	// Serve serves a task, of which text is the file, at once and after a restart. One of
	// its name must have a run that is over.
	Serve(ctx context.Context, text []byte) (v1.Served, error)
	// Withdraw ends the serving of a task that was added by Serve, whose run must be over.
	Withdraw(ctx context.Context, task string) (v1.Done, error)
	// Link returns the address of the page of a task that is open.
	Link(task string) (v1.Link, error)
	// Invite makes an invite.
	Invite(o v1.InviteOrder) (v1.NewInvite, error)
	// Revoke has an invite admit no further participant.
	Revoke(id invite.ID) error
}

// File is a model to start from; without content there is none.
type File struct {
	Name    string
	Content []byte
}

// Refusal is an order that is not carried out, for a reason that its giver can do something
// about. Status is that of HTTP.
type Refusal struct {
	Status int
	Text   string
}

func (r *Refusal) Error() string { return r.Text }

// Refuse returns a Refusal with a status.
func Refuse(status int, format string, args ...any) error {
	return &Refusal{status, fmt.Sprintf(format, args...)}
}

// refusal returns the status and the text by which an error is answered.
func refusal(err error) (int, string) {
	var r *Refusal
	var none models.NoVersion
	switch {
	case errors.As(err, &r):
		return r.Status, r.Text
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrNotKept), errors.As(err, &none):
		return http.StatusNotFound, err.Error()
	case errors.Is(err, store.ErrWithheld):
		return http.StatusForbidden, err.Error() + ": want the table rounds, or withheld=true (coordinator records --withheld), whose file no claim of privacy covers"
	case errors.Is(err, store.ErrUnfinished):
		return http.StatusConflict, err.Error() + ": stop it first"
	case errors.Is(err, store.ErrBusy):
		return http.StatusConflict, err.Error() + ": try again once it is done"
	case errors.Is(err, store.ErrFull):
		return http.StatusInsufficientStorage, err.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable, err.Error()
	}
	return http.StatusInternalServerError, err.Error()
}
