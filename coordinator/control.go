package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"fedtab/coordinator/admin"
	"fedtab/coordinator/cluster"
	"fedtab/coordinator/store"
)

// controlFile is the socket in the data directory by which commands reach the
// coordinator that serves it. Whoever may write there may give orders.
const controlFile = "fedtab.sock"

// control serves the organisers' API to commands until the server stops.
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
	s.orders = &http.Server{Handler: s.admin.Socket(), ReadHeaderTimeout: 10 * time.Second}
	go s.orders.Serve(l)
	return nil
}

// ask asks the coordinator that serves a data directory, or the directory's database if
// none does.
func ask(dir string, f func(c *admin.Client) error) error {
	if _, err := os.Stat(filepath.Join(dir, store.File)); err != nil {
		return fmt.Errorf("no database in %s (%w): want the directory of a coordinator that has been started", dir, err)
	}
	var d net.Dialer
	served := &admin.Client{Client: http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", filepath.Join(dir, controlFile))
	}}}}
	defer served.CloseIdleConnections()
	err := f(served)
	if !unserved(err) {
		return err
	}
	s, err := store.Open(dir, build())
	if err != nil {
		return err
	}
	if id, e := cluster.Known(s); e != nil || id != "" {
		s.Via(cluster.Detached())
	}
	alone := &backend{store: s, dir: dir}
	err = f(admin.Local(admin.New(admin.Config{Backend: alone, Store: store.Shown{Store: s}, Build: build()}).Socket()))
	return errors.Join(err, s.Close())
}

// unserved reports whether an error says that no coordinator serves the directory. The file
// of another error may be missing, too, such as that which an answer is written to.
func unserved(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial" && (errors.Is(dial, syscall.ENOENT) || errors.Is(dial, syscall.ECONNREFUSED))
}
