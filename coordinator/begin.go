package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"fedtab/api/v1"
	"fedtab/coordinator/admin"
	"fedtab/run"
)

// Begin implements admin.Backend.
func (d *backend) Begin(ctx context.Context, name, from string, model admin.File) (done v1.Done, err error) {
	if d.server == nil {
		return done, admin.Refuse(http.StatusConflict, "no coordinator serves %s: start one with coordinator serve --task %s --data %[1]s --fresh", d.dir, name)
	}
	end, err := d.wait(ctx, name)
	if err != nil {
		return done, err
	}
	defer end()
	st := d.served(name)
	if st == nil {
		return done, d.unserved(name)
	}
	return d.server.beginNext(ctx, st, from, model)
}

// beginNext starts a new run of a study, whose run before is over.
func (s *Server) beginNext(ctx context.Context, st *study, from string, model admin.File) (done v1.Done, err error) {
	if err := s.over(ctx, st); err != nil {
		return done, err
	}
	o, err := s.askedOrigin(st, from, model)
	if err != nil {
		return done, admin.Refuse(http.StatusUnprocessableEntity, "from: %v", err)
	}
	var id string
	var saved *run.Saved
	if o != nil {
		id, saved, err = s.beginFrom(o, st)
	} else {
		id, err = s.begin(st)
	}
	if err != nil {
		return done, err
	}
	if err = st.Data.ForgetConstants(); err == nil {
		err = s.replace(st, id, saved)
	}
	if err != nil {
		return done, errors.Join(err, s.discard(id))
	}
	done.Run = id
	if saved != nil && saved.Last != nil {
		done.Version = saved.Last.Round
	}
	return done, nil
}

// discard deletes a run that was created and could not begin.
func (s *Server) discard(id string) error {
	if err := s.store.Finish(id, "could not begin", time.Now()); err != nil {
		return err
	}
	return s.store.Delete(id)
}

// askedOrigin returns the model that an organiser asks a run to start from, nil for none.
func (s *Server) askedOrigin(st *study, from string, model admin.File) (*origin, error) {
	var src *source
	switch {
	case len(model.Content) > 0:
		src = &source{name: printable(filepath.Base(cmp.Or(model.Name, "model"+modelExt))), content: model.Content}
	case from != "":
		var err error
		if src, err = runSource(s.store, from, ""); err != nil {
			return nil, err
		}
	default:
		return nil, nil
	}
	return readOrigin(s.store, src, st.Task, st.Data, st.Model)
}
