package listen

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// certificates are what handshakes get.
type certificates interface {
	get(*tls.ClientHelloInfo) (*tls.Certificate, error)
	protocols() []string // of ALPN
	names() []string     // that the certificates are for
	covers(host string) bool
	// challenges answers those of ACME, and leaves other requests to next.
	challenges(next http.Handler) http.Handler
	// prepare makes sure that certificates are there before the first handshake. It
	// returns when they are, or when that has failed, and logs which.
	prepare(ctx context.Context)
}

// An expiry warns of certificates that are not renewed.
type expiry struct {
	log *slog.Logger

	mu     sync.Mutex
	warned time.Time
}

const (
	expiryPart     = 6              // of its lifetime that a certificate has left: 15 days of 90; renewal begins at a third
	expiryInterval = 24 * time.Hour // between two warnings
)

// look warns once a day that a certificate is about to expire, or has expired.
func (e *expiry) look(c *tls.Certificate) {
	now := time.Now()
	if c.Leaf == nil || c.Leaf.NotAfter.Sub(now) > c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)/expiryPart {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.warned.IsZero() && now.Sub(e.warned) < expiryInterval {
		return
	}
	e.warned = now
	e.log.Warn("the certificate has not been renewed: browsers refuse it when it has expired", "names", strings.Join(c.Leaf.DNSNames, ","), "expires", c.Leaf.NotAfter)
}
