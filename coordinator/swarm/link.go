package swarm

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"fedtab/protocol"
)

// How long a swarm goes on without a connection.
const (
	// firstAttempts is how often a client tries before any of the swarm has joined: a
	// coordinator that is starting is waited for, half a minute at most with Backoff.
	firstAttempts = 7
	// lostLimit is how long all clients may be without a session, once one has joined.
	lostLimit = 5 * time.Minute
	// noticeEvery is how often the log says the same, and that the run waits.
	noticeEvery = time.Minute
	// firstLook is when the log says first that the run waits.
	firstLook = 10 * time.Second
	// dataAttempts is in how many sessions in a row a client may be refused its data.
	dataAttempts = 4
)

// link is what the clients of a swarm know together of the way to the coordinator.
type link struct {
	log *slog.Logger
	url string

	mu      sync.Mutex
	ever    bool                 // a client has joined
	joined  int                  // clients that have a session
	lost    time.Time            // since when none has
	noticed map[string]time.Time // when the log said what
	busy    bool                 // a client had something to do since the last look
	status  protocol.Status      // newest
}

func newLink(url string, log *slog.Logger) *link {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &link{url: url, log: log, noticed: map[string]time.Time{}}
}

// saw notes what a client has been told or has sent.
func (l *link) saw(m protocol.Message, sent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch m := m.(type) {
	case *protocol.Status:
		l.status = *m
	case *protocol.Order:
		l.busy = true
	case *protocol.Hello:
	default:
		l.busy = l.busy || sent
	}
}

// watch says in the log when no client has had anything to do for a while, until ctx
// ends: the run may wait for more participants than the swarm has.
func (l *link) watch(ctx context.Context) {
	for d := firstLook; ; d = noticeEvery {
		pause(ctx, d)
		if ctx.Err() != nil {
			return
		}
		l.mu.Lock()
		if l.joined > 0 && !l.busy {
			l.log.Info("no orders: the run waits, perhaps for more participants", "phase", l.status.Phase, "round", l.status.Round, "participants", l.status.Participants)
		}
		l.busy = false
		l.mu.Unlock()
	}
}

// join notes that a client has joined.
func (l *link) join() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ever && l.joined == 0 {
		l.log.Info("connected again", "url", l.url)
	}
	l.ever = true
	l.joined++
}

// leave notes that a client that had joined has lost its session.
func (l *link) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.joined--; l.joined == 0 {
		l.lost = time.Now()
	}
}

// waits notes that a client has been told to ask for its data later.
func (l *link) waits(r *Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy = true
	l.notice("data is put off, asking again", r.Text)
}

// notice writes a warning, the same reason at most once in noticeEvery.
func (l *link) notice(what, reason string) {
	if at, ok := l.noticed[reason]; !ok || time.Since(at) >= noticeEvery {
		l.noticed[reason] = time.Now()
		l.log.Warn(what, "reason", reason)
	}
}

// failed notes that a client could not join, or that it had and could not stay. It says
// so in the log, and returns an error if there is no use in trying again. attempts are
// those of this client in a row.
func (l *link) failed(err error, had bool, attempts int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ever && l.joined == 0 && time.Since(l.lost) >= lostLimit:
		return fmt.Errorf("no client connected for %v: %w", lostLimit, err)
	case !l.ever && (permanent(err) || attempts >= firstAttempts):
		return fmt.Errorf("cannot connect: %w", err)
	}
	what := "cannot connect, trying again"
	if had {
		what = "connection lost, coming back"
	} else if !l.ever {
		what = "cannot connect yet, waiting for the coordinator"
	}
	l.notice(what, why(err))
	return nil
}
