package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"fedtab/coordinator/store"
)

// controlFile is the socket in the data directory by which commands reach the
// coordinator that serves it. Whoever may write there may give orders.
const controlFile = "fedtab.sock"

// controlTimeout bounds an order: a version that is being made comes first.
const controlTimeout = 2 * time.Minute

// control serves orders of commands until the server stops.
func (s *Server) control() error {
	path := filepath.Join(s.cfg.Data, controlFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that was killed; the lock says that none is left
		return fmt.Errorf("cannot take over %s: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return fmt.Errorf("cannot protect %s: %w", path, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /runs/{run}/rollback/{version}", s.serveRollback)
	mux.HandleFunc("GET /runs", s.serveRuns)
	mux.HandleFunc("POST /runs/{run}/stop", s.serveStop)
	mux.HandleFunc("POST /runs/{run}/extend", s.serveExtend)
	mux.HandleFunc("POST /invites", s.serveInvite)
	mux.HandleFunc("GET /invites", s.serveInvites)
	mux.HandleFunc("POST /invites/{id}/revoke", s.serveRevoke)
	s.orders = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go s.orders.Serve(l)
	return nil
}

// refusal is the answer to an order that is not carried out, with status 409.
type refusal struct {
	Error string `json:"error"`
}

// answerOrder answers an order, with a refusal if there is an error.
func answerOrder(w http.ResponseWriter, answer any, err error) {
	if err != nil {
		w.WriteHeader(http.StatusConflict)
		answer = refusal{err.Error()}
	}
	json.NewEncoder(w).Encode(answer)
}

// order gives an order to the coordinator that serves a data directory, with a body in
// JSON if it is not nil, and reads the answer.
func order(ctx context.Context, dir, method, path string, body, answer any) error {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(dir, controlFile))
	}}}
	defer client.CloseIdleConnections()
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://coordinator"+path, &text)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var refused refusal
	into := answer
	if response.StatusCode != http.StatusOK {
		into = &refused
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("the coordinator answers %s: %w", response.Status, err)
	}
	if refused.Error != "" {
		return errors.New(refused.Error)
	}
	return nil
}

// unserved reports whether an error of order says that no coordinator serves the
// directory.
func unserved(err error) bool {
	return errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED)
}

// rolledBack is the answer to an order to go back.
type rolledBack struct {
	Run     string `json:"run"`
	Version uint64 `json:"version"` // new
}

func (s *Server) serveRollback(w http.ResponseWriter, r *http.Request) {
	var answer rolledBack
	version, err := strconv.ParseUint(r.PathValue("version"), 10, 64)
	if err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), controlTimeout)
		defer cancel()
		answer.Run, answer.Version, err = s.rollBack(ctx, r.PathValue("run"), version)
	}
	answerOrder(w, answer, err)
}

func (s *Server) serveStop(w http.ResponseWriter, r *http.Request) {
	var o stopOrder
	var answer stoppedRun
	err := json.NewDecoder(r.Body).Decode(&o)
	if err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), controlTimeout)
		defer cancel()
		answer, err = s.stopRun(ctx, r.PathValue("run"), o.Reason)
	}
	answerOrder(w, answer, err)
}

// served returns the study whose run or task has a name.
func (s *Server) served(name string) (*study, error) {
	for _, st := range s.studies {
		if st.Run == name || st.Task.Name == name {
			return st, nil
		}
	}
	return nil, fmt.Errorf("run: %q, want a run or a task that is served", name)
}

// stopRun ends a run that is served.
func (s *Server) stopRun(ctx context.Context, name, reason string) (done stoppedRun, err error) {
	st, err := s.served(name)
	if err != nil {
		return done, err
	}
	type answer struct {
		version uint64
		err     error
	}
	ended := make(chan answer, 1)
	if !st.live.Do(func() {
		st.live.Run.Stop(reason, func(v uint64, err error) { ended <- answer{v, err} })
	}) {
		return done, errors.New("the coordinator is stopping")
	}
	select {
	case a := <-ended:
		return stoppedRun{st.Run, a.version}, a.err
	case <-ctx.Done():
		return done, fmt.Errorf("run %s ends once the database can be written: %w", st.Run, ctx.Err())
	}
}

// rollBack makes the model of an earlier version the newest version of a run, which is
// named by its identity or by its task.
func (s *Server) rollBack(ctx context.Context, name string, version uint64) (id string, made uint64, err error) {
	st, err := s.served(name)
	if err != nil {
		return "", 0, err
	}
	params := make([]float32, st.Model.Layout().Size)
	if version == 0 {
		st.Model.Init(params, st.Task.Seed)
	} else if params, _, err = s.store.Model(st.Run, version); errors.Is(err, store.ErrNotKept) || errors.Is(err, store.ErrNotFound) {
		kept, e := s.store.Kept(st.Run)
		return "", 0, errors.Join(fmt.Errorf("%w, want one of %s", err, ranges(append([]uint64{0}, kept...))), e)
	} else if err != nil {
		return "", 0, err
	}
	type answer struct {
		version uint64
		err     error
	}
	done := make(chan answer, 1)
	if !st.live.Do(func() {
		st.live.Run.Rewind(version, params, func(v uint64, err error) { done <- answer{v, err} })
	}) {
		return "", 0, errors.New("the coordinator is stopping")
	}
	select {
	case a := <-done:
		return st.Run, a.version, a.err
	case <-ctx.Done():
		withdrawn := false
		if st.live.Call(func() { withdrawn = st.live.Run.Withdraw(version) }) && !withdrawn {
			return "", 0, fmt.Errorf("run %s has begun to go back to version %d, and does so once the database can be written (%w)", st.Run, version, ctx.Err())
		}
		return "", 0, fmt.Errorf("run %s does not answer, and stays as it is: %w", st.Run, ctx.Err())
	}
}
