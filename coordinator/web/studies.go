package web

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Studies are the studies that are served, in their order. The list may change at any time:
// who reads it has it as it was at one moment. The zero value is an empty list.
type Studies struct {
	mu    sync.Mutex // of changes
	list  atomic.Pointer[[]*Study]
	build string // identity of the page's files
}

// NewStudies returns a list of studies.
func NewStudies(all ...*Study) *Studies {
	s := new(Studies)
	for _, st := range all {
		s.Prepare(st)
		s.Add(st)
	}
	return s
}

// All returns the studies; the caller must not change the slice.
func (s *Studies) All() []*Study {
	if all := s.list.Load(); all != nil {
		return *all
	}
	return nil
}

// Find returns the study of a task, nil if there is none.
func (s *Studies) Find(task string) *Study {
	for _, st := range s.All() {
		if st.Task.Name == task {
			return st
		}
	}
	return nil
}

// Prepare makes a study ready to be shown. It comes before its run is started, which
// publishes to its feed.
func (s *Studies) Prepare(st *Study) {
	st.Feed.view, st.Feed.round = st.view, st.viewRound
	st.fix(s.build)
}

// Add shows a study that is prepared, in the place of the one of its task if there is one,
// which ends.
func (s *Studies) Add(st *Study) {
	s.change(func(all []*Study) []*Study {
		i := slices.IndexFunc(all, func(other *Study) bool { return other.Task.Name == st.Task.Name })
		if i < 0 {
			return append(all, st)
		}
		all[i].End()
		all[i] = st
		return all
	})
}

// Remove ends a study: it is shown no longer.
func (s *Studies) Remove(st *Study) {
	s.change(func(all []*Study) []*Study {
		return slices.DeleteFunc(all, func(other *Study) bool { return other == st })
	})
	st.End()
}

func (s *Studies) change(f func(copied []*Study) []*Study) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := f(slices.Clone(s.All()))
	s.list.Store(&all)
}

// built tells the studies the identity of the page's files.
func (s *Studies) built(build string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.build = build
	for _, st := range s.All() {
		st.fixed.Build = build
	}
}
