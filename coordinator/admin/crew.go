package admin

import (
	"context"
	"sync"
	"time"

	"fedtab/coordinator/web"
)

const (
	crewEvery  = 250 * time.Millisecond // between two looks at who is present, for readers of events
	askTimeout = 5 * time.Second        // of a question to the owner of a run
)

// crews holds what readers of events see of the participants, by run: it is asked for and
// encoded once for all of them.
type crews struct {
	mu  sync.Mutex
	all map[string]*crew
}

type crew struct {
	mu   sync.Mutex
	at   time.Time
	json []byte
}

// of returns the crew of a run.
func (c *crews) of(run string) *crew {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]*crew{}
	}
	if c.all[run] == nil {
		c.all[run] = &crew{}
	}
	return c.all[run]
}

// crewJSON returns how many participants do what in a study's run, as JSON, no older than
// crewEvery. It is what it was before while the run's owner does not answer.
func (h *API) crewJSON(ctx context.Context, st *web.Study, run string) []byte {
	c := h.crews.of(run)
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) < crewEvery {
		return c.json
	}
	ctx, cancel := context.WithTimeout(ctx, crewEvery)
	defer cancel()
	if present, err := st.Present(ctx); err == nil && st.Run() == run {
		c.at, c.json = time.Now(), encode(crewOf(present))
	}
	return c.json
}
