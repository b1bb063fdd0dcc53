package listen

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// files are a certificate and its key in PEM files. They are read again when they have
// changed, which handshakes notice, and by reload.
type files struct {
	certFile, keyFile string
	log               *slog.Logger
	expiry            expiry

	mu      sync.Mutex
	current *tls.Certificate
	seen    stamp     // of the files that were read last, with success or without
	looked  time.Time // when they were compared with it
}

// stamp tells versions of the two files apart.
type stamp [2]struct {
	modified time.Time
	size     int64
}

// lookInterval is how long a handshake trusts the last look at the files.
const lookInterval = 10 * time.Second

func openFiles(certFile, keyFile string, log *slog.Logger) (*files, error) {
	f := &files{certFile: certFile, keyFile: keyFile, log: log, expiry: expiry{log: log}}
	return f, f.reload()
}

// reload reads the files. After an error the old certificate stays.
func (f *files) reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read(f.stamp())
}

// read reads files with the given stamp; f.mu is held. A stamp taken before the reading
// cannot hide a change after it.
func (f *files) read(s stamp) error {
	f.seen, f.looked = s, time.Now()
	cert, err := os.ReadFile(f.certFile)
	if err != nil {
		return fmt.Errorf("--tls-cert: %w, want a readable PEM file", err)
	}
	key, err := os.ReadFile(f.keyFile)
	if err != nil {
		return fmt.Errorf("--tls-key: %w, want a readable PEM file", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("--tls-cert %s, --tls-key %s: %s, want PEM files of a certificate with its chain and of the key that belongs to it", f.certFile, f.keyFile, strings.TrimPrefix(err.Error(), "tls: "))
	}
	f.current = &pair
	f.log.Info("certificate loaded", "names", strings.Join(names(&pair), ","), "expires", pair.Leaf.NotAfter)
	return nil
}

func (f *files) stamp() (s stamp) {
	for i, name := range []string{f.certFile, f.keyFile} {
		if info, err := os.Stat(name); err == nil {
			s[i].modified, s[i].size = info.ModTime(), info.Size()
		}
	}
	return s
}

func (f *files) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c := f.newest()
	f.expiry.look(c)
	return c, nil
}

// newest returns the certificate, read again if the files have changed.
func (f *files) newest() *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); now.Sub(f.looked) >= lookInterval {
		f.looked = now
		if s := f.stamp(); s != f.seen {
			// The certificate may be there before its key: the next change is
			// looked at again.
			if err := f.read(s); err != nil {
				f.log.Warn("certificate not reloaded: the one before stays in use", "error", err)
			}
		}
	}
	return f.current
}

func (f *files) held() *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current
}

func (f *files) protocols() []string { return nil }

func (f *files) names() []string { return names(f.held()) }

func names(c *tls.Certificate) []string {
	all := append([]string(nil), c.Leaf.DNSNames...)
	for _, ip := range c.Leaf.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

func (f *files) covers(host string) bool { return f.held().Leaf.VerifyHostname(host) == nil }

func (f *files) challenges(next http.Handler) http.Handler { return next }

func (f *files) prepare(context.Context) { f.expiry.look(f.held()) }
