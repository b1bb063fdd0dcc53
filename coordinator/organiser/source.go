package organiser

import (
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"fedtab/coordinator/task"
)

// Source is a file that is read again on demand. Its methods may be called by any
// goroutine.
type Source struct {
	path    string
	log     *slog.Logger
	current atomic.Pointer[Organiser]
}

// Open reads the file at path; with an empty path there is none, and Current is empty.
func Open(path string, log *slog.Logger) (*Source, error) {
	s := &Source{path: path, log: log}
	s.current.Store(new(Organiser))
	_, err := s.Reload()
	return s, err
}

// Current returns what the file said when it was last valid. The caller must not change
// it.
func (s *Source) Current() *Organiser { return s.current.Load() }

// Reload reads the file again, and reports whether there is one. After an error the
// content from before stays.
func (s *Source) Reload() (any bool, err error) {
	if s.path == "" {
		return false, nil
	}
	o, err := Load(s.path)
	if invalid := (*task.Error)(nil); err != nil && !errors.As(err, &invalid) {
		return true, fmt.Errorf("--site: %w, want a file that can be read", err)
	}
	if err != nil {
		return true, err
	}
	s.current.Store(o)
	s.log.Info("site loaded", "organiser", o.Name)
	for _, note := range o.Notes {
		s.log.Warn(note, "site", s.path)
	}
	return true, nil
}
