package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"fedtab/api/v1"
	"fedtab/coordinator/admin"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/hub"
	"fedtab/coordinator/live"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/coordinator/web"
	"fedtab/protocol"
	"fedtab/run"
)

// Rollback implements admin.Backend.
func (d *backend) Rollback(ctx context.Context, name string, version uint64) (done v1.Done, err error) {
	end, err := d.waitFor(ctx, name)
	if err != nil {
		return done, err
	}
	defer end()
	r, err := d.newest(name)
	if err != nil {
		return done, err
	}
	if r.Finished != "" {
		return done, admin.Refuse(http.StatusConflict, "run %s is over: %s; extend it first", r.ID, r.Finished)
	}
	if st := d.study(r.ID); st != nil {
		return d.server.rollBack(ctx, st, version)
	}
	return d.rollBackAlone(ctx, r, version)
}

// rollBack makes the model of an earlier version the newest version of a run that is served.
func (s *Server) rollBack(ctx context.Context, st *study, version uint64) (done v1.Done, err error) {
	id := st.Run()
	params := make([]float32, st.Model.Layout().Size)
	if version == 0 {
		st.Model.Init(params, st.Task.StartSeed())
	} else if params, _, err = s.store.Model(id, version); errors.Is(err, store.ErrNotKept) || errors.Is(err, store.ErrNotFound) {
		kept, e := s.store.Kept(id)
		if e != nil {
			return done, e
		}
		return done, admin.Refuse(http.StatusNotFound, "%v, want one of %s", err, ranges(append([]uint64{0}, kept...)))
	} else if err != nil {
		return done, err
	}
	done.Run = id
	done.Version, err = st.order(ctx, func(r *run.Run, then func(uint64, error)) { r.Rewind(version, params, then) })
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return done, err
	}
	withdrawn := false
	if st.live.Call(func() { withdrawn = st.live.Run.Withdraw(version) }) && !withdrawn {
		return done, fmt.Errorf("run %s has begun to go back to version %d, and does so once the database can be written: %w", id, version, err)
	}
	return done, fmt.Errorf("run %s does not answer, and stays as it is: %w", id, err)
}

// rollBackAlone runs a run as a coordinator would, without participants, and goes back.
func (d *backend) rollBackAlone(ctx context.Context, r store.Run, version uint64) (done v1.Done, err error) {
	s := &Server{cfg: Config{Data: d.dir, Log: slog.New(slog.DiscardHandler), Limits: hub.DefaultLimits()}, store: d.store}
	s.vault = live.NewVault(d.dir, protocol.MaxBodies)
	defer s.vault.Close()
	t, err := task.Parse("the task of run "+r.ID, r.Spec)
	if err != nil {
		return done, err
	}
	data, err := dataset.Open(t)
	if err != nil {
		return done, err
	}
	m, err := data.Model(t)
	if err != nil {
		return done, err
	}
	if err := data.Pack(d.dir); err != nil { // its hash says whether the data is the run's
		return done, err
	}
	if why, err := changes(t, data, r); err != nil || len(why) > 0 {
		return done, errors.Join(admin.Refuse(http.StatusConflict, "run %s cannot go on: its data has changed", r.ID), err)
	}
	st := &study{Study: web.Study{Task: t, Data: data, Model: m}}
	if err := s.prepare(st); err != nil {
		return done, err
	}
	served, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { defer close(ended); st.live.Serve(served) }()
	done, err = s.rollBack(ctx, st, version)
	stop()
	<-ended
	return done, err
}

// ranges writes ascending versions in few words: three and more in a row are one range,
// and four and more at equal distances, as in "0 to 950 in steps of 50, 996 to 1000".
func ranges(versions []uint64) string {
	var parts []string
	for len(versions) > 0 {
		n := 1
		for n < len(versions) && versions[n]-versions[n-1] == versions[1]-versions[0] {
			n++
		}
		switch {
		case n < 3, n == 3 && versions[1]-versions[0] > 1:
			n = 1
			parts = append(parts, strconv.FormatUint(versions[0], 10))
		case versions[1]-versions[0] == 1:
			parts = append(parts, fmt.Sprintf("%d to %d", versions[0], versions[n-1]))
		default:
			parts = append(parts, fmt.Sprintf("%d to %d in steps of %d", versions[0], versions[n-1], versions[1]-versions[0]))
		}
		versions = versions[n:]
	}
	return strings.Join(parts, ", ")
}
