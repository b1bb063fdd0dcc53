// Package access says who may do what on the coordinator's admin address.
//
// There are two roles: a viewer may read everything, an organiser may change it too. Each
// has a token, in a file of the data directory that only its owner can read. A request
// is let in by
//
//   - the token itself: Authorization: Bearer TOKEN;
//   - the cookie of a session, which SignIn makes of a token (session.go);
//   - the socket in the data directory, whose file's permissions protect it (Socket).
//
// Guard stands before an API: the request's method decides which role it needs, and the
// handler finds in the context who asks (From). SignIn and SignOut are called by handlers
// that are not behind it. A token that is replaced (Reload) takes its sessions and the
// requests under way with it.
//
// A right token is always taken. What is limited are wrong ones: not for fear that 256
// bits are guessed, but to bound what strangers make the coordinator do.
package access

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"time"

	"fedtab/coordinator/quota"
)

// Role is what a person may do.
type Role string

// The roles.
const (
	Viewer    Role = "viewer"    // reads everything
	Organiser Role = "organiser" // changes it, too
)

// The ways in, as Who has them.
const (
	WayToken   = "token"
	WaySession = "session"
	WaySocket  = "socket"
)

// Who has made a request.
type Who struct {
	Role    Role
	Way     string
	Session string // identifies a session; empty for the other ways
	Address string // that the request counts for; empty: it came by the socket
}

// String returns role and way, as in "organiser by token".
func (w Who) String() string { return string(w.Role) + " by " + w.Way }

// Gate knows the tokens and the sessions that have ended. Its methods may be called from
// several goroutines; its fields are set before the first request.
type Gate struct {
	// Proxies may name the address that a request counts for; nil trusts this machine's.
	Proxies *quota.Proxies
	// Refuse answers a request that Guard refuses, after Refusal.SetHeaders; nil answers
	// in plain text.
	Refuse func(http.ResponseWriter, *http.Request, *Refusal)

	dir   string
	now   func() time.Time
	wrong wrong
	ended ended

	mu     sync.RWMutex
	grants []*grant // one for each of kinds
	fresh  bool
}

// grant is what a token grants until it is replaced.
type grant struct {
	kind
	token  string
	digest [sha256.Size]byte // of the token
	key    []byte            // that signs sessions
	during context.Context   // ends when the token is replaced
	end    context.CancelFunc
}

// Open reads the tokens in a directory, which must exist, and makes those that it lacks.
func Open(dir string) (*Gate, error) {
	g := &Gate{dir: dir, now: time.Now, wrong: newWrong()}
	return g, g.Reload()
}

// Reload reads the tokens again, and makes those whose files are gone. The sessions of a
// token that has changed end, and so do the contexts of its requests. After an error all
// tokens are as they were.
func (g *Gate) Reload() error {
	grants := make([]*grant, len(kinds))
	fresh := false
	for i, k := range kinds {
		token, made, err := readOrMake(g.dir, k)
		if err != nil {
			return err
		}
		grants[i] = newGrant(k, token)
		fresh = fresh || made && k.role == Organiser
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, old := range g.grants {
		if old.token == grants[i].token {
			grants[i] = old
		} else {
			old.end()
		}
	}
	g.grants, g.fresh = grants, fresh
	return nil
}

func newGrant(k kind, token string) *grant {
	during, end := context.WithCancel(context.Background())
	return &grant{kind: k, token: token, digest: sha256.Sum256([]byte(token)), key: sessionKey(token), during: during, end: end}
}

// Fresh reports whether the organiser's token was made by Open, or by the last Reload.
func (g *Gate) Fresh() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.fresh
}

// Token returns the token of a role.
func (g *Gate) Token(role Role) string {
	for _, k := range g.all() {
		if k.role == role {
			return k.token
		}
	}
	return ""
}

// Link returns the address of a page with the token of a role. base is the address of the
// coordinator. The token is in the fragment, which browsers send neither to servers nor
// in Referer: no proxy logs it. The page signs in with it and takes it out of its address.
func (g *Gate) Link(base string, role Role) string {
	return strings.TrimSuffix(base, "/") + "/#token=" + g.Token(role)
}

// all returns the grants of this moment.
func (g *Gate) all() []*grant {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.grants
}

// granted returns what a token grants, nil if it grants nothing. The time that it takes
// tells nothing of the tokens that there are: digests are compared, always all.
func (g *Gate) granted(token string) (found *grant) {
	if len(token) > maxToken {
		return nil
	}
	digest := sha256.Sum256([]byte(token))
	for _, k := range g.all() {
		if subtle.ConstantTimeCompare(digest[:], k.digest[:]) == 1 {
			found = k
		}
	}
	return found
}

// address returns the address that a request counts for. Programs on this machine count
// like any other: admin addresses are mostly theirs.
func (g *Gate) address(r *http.Request) string {
	return quota.Addresses{CountLoopback: true, Proxies: g.Proxies}.Of(r)
}
