package listen

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"fedtab/coordinator/quota"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACME says how to get certificates from an ACME directory (RFC 8555). Opening it
// accepts the directory's terms of service.
type ACME struct {
	Hosts     []string // DNS names, one certificate each; empty: no ACME
	Directory string   // https URL; empty: Let's Encrypt's
	CA        string   // PEM file of the roots that the directory's own certificate is checked against; empty: the system's
	Email     string   // contact of the account; empty: none
	Cache     string   // folder for accounts' keys, and certificates with their keys
}

// directoryTimeout bounds a request to the directory.
const directoryTimeout = 30 * time.Second

// hostName is a DNS name of at least two labels; others than ASCII are written in
// Punycode.
var hostName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (a ACME) problems() []string {
	var ps []string
	bad := func(flag, value, want string) { ps = append(ps, fmt.Sprintf("--%s: %q, want %s", flag, value, want)) }
	if len(a.Hosts) == 0 {
		for flag, value := range map[string]string{"acme-directory": a.Directory, "acme-ca": a.CA, "acme-email": a.Email} {
			if value != "" {
				bad(flag, value, "--acme with it")
			}
		}
		slices.Sort(ps)
		return ps
	}
	for _, h := range a.Hosts {
		if !hostName.MatchString(h) {
			bad("acme", h, "public DNS names such as study.example.org, separated by commas, in lower case, without port and *")
		}
	}
	if u, err := url.Parse(a.Directory); a.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		bad("acme-directory", a.Directory, "an https URL")
	}
	if m, err := mail.ParseAddress(a.Email); a.Email != "" && (err != nil || m.Address != a.Email) {
		bad("acme-email", a.Email, "an address such as name@example.org")
	}
	return ps
}

// acmeCerts gets certificates from an ACME directory when they are first needed, and
// renews them when a third of their lifetime is left.
type acmeCerts struct {
	hosts   []string
	manager *autocert.Manager
	log     *slog.Logger
	expiry  expiry

	mu     sync.Mutex
	warned time.Time // that a certificate cannot be had
}

// warnInterval is the time between two warnings: every visitor meets the same problem.
const warnInterval = time.Minute

func (a ACME) open(log *slog.Logger) (*acmeCerts, error) {
	c := &acmeCerts{hosts: a.Hosts, log: log, expiry: expiry{log: log}}
	client := &http.Client{Timeout: directoryTimeout}
	if a.CA != "" {
		pem, err := os.ReadFile(a.CA)
		if err != nil {
			return nil, fmt.Errorf("--acme-ca: %w, want a readable PEM file", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--acme-ca: %s: no certificate in it, want a PEM file of root certificates", a.CA)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		client.Transport = transport
	}
	directory := cmp.Or(a.Directory, acme.LetsEncryptURL)
	u, err := url.Parse(directory)
	if err != nil {
		return nil, fmt.Errorf("--acme-directory: %w", err)
	}
	c.manager = &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(filepath.Join(a.Cache, strings.ReplaceAll(u.Host, ":", "_"))), // certificates of a directory for tests are of no use later
		HostPolicy: func(_ context.Context, host string) error { return c.allow(host) },
		Client:     &acme.Client{DirectoryURL: directory, HTTPClient: client, UserAgent: "fedtab"},
		Email:      a.Email,
	}
	log.Info("certificates come from an ACME directory, whose terms of service are accepted", "hosts", strings.Join(a.Hosts, ","), "directory", directory)
	return c, nil
}

// allow returns an error if host is none of the names. The Host header of an http-01
// challenge has a port if it is not 80.
func (c *acmeCerts) allow(host string) error {
	if !c.covers(quota.HostOf(host)) {
		return fmt.Errorf("host: %q, want one of %s", host, strings.Join(c.hosts, ", "))
	}
	return nil
}

func (c *acmeCerts) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if err := c.allow(hello.ServerName); err != nil {
		return nil, err // a scanner's
	}
	cert, err := c.manager.GetCertificate(hello)
	if slices.Contains(hello.SupportedProtos, acme.ALPNProto) { // a challenge, or a scanner's
		return cert, err
	}
	if err != nil {
		c.warn(hello.ServerName, err)
		return nil, err
	}
	c.expiry.look(cert)
	return cert, nil
}

// warn logs once in a while why there is no certificate.
func (c *acmeCerts) warn(host string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.warned) >= warnInterval {
		c.warned = now
		c.log.Warn("no certificate: participants cannot connect; want the name to lead here, and port 443 or 80 to be open to the directory", "host", host, "error", err)
	}
}

func (c *acmeCerts) protocols() []string { return []string{"http/1.1", acme.ALPNProto} }

func (c *acmeCerts) names() []string { return c.hosts }

func (c *acmeCerts) covers(host string) bool { return slices.Contains(c.hosts, host) }

func (c *acmeCerts) challenges(next http.Handler) http.Handler { return c.manager.HTTPHandler(next) }

// prepare gets the certificates one after the other, so that the first visitor does not
// wait, and a problem is in the log at once.
func (c *acmeCerts) prepare(ctx context.Context) {
	for _, host := range c.hosts {
		cert, err := c.manager.GetCertificate(&tls.ClientHelloInfo{
			ServerName:   host,
			CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, // asks for the kind of key that browsers get
		})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.warn(host, err)
		default:
			c.log.Info("certificate ready", "host", host, "expires", cert.Leaf.NotAfter)
		}
	}
}
