// Package listen opens the sockets of a coordinator and serves them: the participants'
// address, with TLS or without; an address for metrics and profiles; and, beside TLS, an
// address for plain HTTP that redirects to https.
//
// Certificates come from files, which are read again when they change, or from an ACME
// directory such as Let's Encrypt (RFC 8555), by tls-alpn-01 challenges on the
// participants' address and http-01 challenges on the plain one. A new certificate is
// for new connections: open sessions go on.
//
// HTTP/2 is not offered. A connection of HTTP/1.1 carries one request at a time, so that
// limits on connections are limits on requests; WebSockets need it in any case. A
// reverse proxy may offer HTTP/2.
package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"fedtab/coordinator/quota"
	"fedtab/protocol"
	"fedtab/static"
)

// Config says what to listen on, and with which certificates.
type Config struct {
	Addr      string // of participants, HOST:PORT; port 0 takes a free one
	AdminAddr string // of organisers; empty: none
	AnyAdmin  bool   // another port will do if that of AdminAddr is in use
	HTTPAddr  string // with TLS, of http-01 challenges and redirects; empty: none

	// Public is the address that participants use. If its scheme is https, redirects
	// lead there; nil: to Addr.
	Public *url.URL

	Cert, Key string // PEM files of a certificate with its chain, and of its key; empty: none
	ACME      ACME
}

// TLS reports whether participants are served over TLS.
func (c Config) TLS() bool { return c.Cert != "" || c.Key != "" || len(c.ACME.Hosts) > 0 }

// Problems returns every combination of settings that is not possible. Files and
// addresses are not looked at.
func (c Config) Problems() []string {
	var ps []string
	bad := func(is bool, format string, args ...any) {
		if is {
			ps = append(ps, fmt.Sprintf(format, args...))
		}
	}
	bad(c.Cert != "" && c.Key == "", "--tls-key: empty, want the file of the key that belongs to --tls-cert %s", c.Cert)
	bad(c.Key != "" && c.Cert == "", "--tls-cert: empty, want the file of the certificate that belongs to --tls-key %s", c.Key)
	bad(len(c.ACME.Hosts) > 0 && (c.Cert != "" || c.Key != ""), "--acme: given with --tls-cert and --tls-key, want one or the other")
	bad(c.HTTPAddr != "" && !c.TLS(), "--http-addr: %s without TLS, want --acme, or --tls-cert and --tls-key, with it", c.HTTPAddr)
	return append(ps, c.ACME.problems()...)
}

// sideTimeout bounds reading a request to the admin and the plain HTTP address, and writing
// the answer; a profile has its seconds beside that. The time limits of the participants'
// address are the caller's.
const sideTimeout = protocol.HelloTimeout

// Listeners are the open sockets.
type Listeners struct {
	log                 *slog.Logger
	public              *url.URL     // where redirects lead; nil: to front
	certs               certificates // nil: no TLS
	front, admin, plain net.Listener // admin and plain may be nil
	servers             []*http.Server
	serve               []func() error // runs each of servers
}

// Open loads the certificates and opens the sockets. Its errors say which flag is wrong.
func Open(cfg Config, log *slog.Logger) (*Listeners, error) {
	l := &Listeners{log: log}
	if cfg.Public != nil && cfg.Public.Scheme == "https" {
		l.public = cfg.Public
	}
	if err := l.open(cfg); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Listeners) open(cfg Config) (err error) {
	switch {
	case cfg.Cert != "":
		l.certs, err = openFiles(cfg.Cert, cfg.Key, l.log)
	case len(cfg.ACME.Hosts) > 0:
		l.certs, err = cfg.ACME.open(l.log)
	}
	if err != nil {
		return err
	}
	if l.front, err = socket("--addr", cfg.Addr); err != nil {
		return err
	}
	if cfg.AdminAddr != "" {
		l.admin, err = socket("--admin-addr", cfg.AdminAddr)
		if errors.Is(err, syscall.EADDRINUSE) && cfg.AnyAdmin {
			host, _, _ := net.SplitHostPort(cfg.AdminAddr)
			l.admin, err = socket("--admin-addr", net.JoinHostPort(host, "0"))
		}
		if err != nil {
			return err
		}
		if a := l.admin.Addr().(*net.TCPAddr); !a.IP.IsLoopback() {
			l.log.Warn("other machines may reach the admin address, where tokens travel in plain HTTP: want a loopback address, with a tunnel or a proxy that does TLS", "admin_addr", a)
		}
	}
	if cfg.HTTPAddr != "" {
		l.plain, err = socket("--http-addr", cfg.HTTPAddr)
	}
	return err
}

func socket(flag, addr string) (net.Listener, error) {
	if addr == "" { // would be any port of every address
		return nil, fmt.Errorf(`%s: "", want HOST:PORT`, flag)
	}
	config := net.ListenConfig{Control: unsent}
	config.SetMultipathTCP(false) // its connections do not inherit the bound, and browsers do not use it
	network := "tcp"
	if a, err := netip.ParseAddrPort(addr); err == nil && a.Addr().Is4() {
		network = "tcp4" // 0.0.0.0 would mean [::] too
	}
	l, err := config.Listen(context.Background(), network, addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, inUse{fmt.Sprintf("%s: %s is in use, want a free port: stop the other program or choose another port", flag, addr)}
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, addr, err)
	}
	return l, nil
}

// inUse says that a port is another program's.
type inUse struct{ text string }

func (e inUse) Error() string { return e.text }
func (e inUse) Unwrap() error { return syscall.EADDRINUSE }

// URL returns the URL of the participants' listener. With TLS, its host is the first name
// of the certificate.
func (l *Listeners) URL() string {
	if l.certs == nil {
		return "http://" + l.Addr()
	}
	for _, name := range l.certs.names() {
		if !strings.HasPrefix(name, "*") {
			return l.https(name)
		}
	}
	return "https://" + l.Addr()
}

// Name returns the host that a Host header means, and whether there is a certificate for
// it.
func (l *Listeners) Name(host string) (name string, ok bool) {
	name = quota.HostOf(host)
	return name, l.certs != nil && l.certs.covers(name)
}

// https returns the URL of the participants' listener under a name.
func (l *Listeners) https(name string) string {
	port := l.front.Addr().(*net.TCPAddr).Port
	if port != 443 {
		return "https://" + net.JoinHostPort(name, strconv.Itoa(port))
	}
	return "https://" + bracketed(name)
}

// Addr, AdminAddr and HTTPAddr return the addresses of the listeners, HOST:PORT; empty
// if there is none.
func (l *Listeners) Addr() string      { return address(l.front) }
func (l *Listeners) AdminAddr() string { return address(l.admin) }
func (l *Listeners) HTTPAddr() string  { return address(l.plain) }

func address(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// Handle says what is served: participants by front, which it gives TLS, and the admin
// address by admin. Connections to the plain HTTP address count by the ConnState of
// front, like those of participants.
func (l *Listeners) Handle(front *http.Server, admin http.Handler) {
	add := func(s *http.Server, serve func() error) {
		l.servers, l.serve = append(l.servers, s), append(l.serve, serve)
	}
	side := func(socket net.Listener, handler http.Handler, state func(net.Conn, http.ConnState)) *http.Server {
		s := &http.Server{
			Handler: handler, ConnState: state, DisableGeneralOptionsHandler: true,
			ReadTimeout: sideTimeout, WriteTimeout: sideTimeout, IdleTimeout: protocol.IdleTimeout, MaxHeaderBytes: protocol.MaxHeader,
			ErrorLog: front.ErrorLog,
		}
		add(s, func() error { return s.Serve(socket) })
		return s
	}
	if l.certs == nil {
		add(front, func() error { return front.Serve(l.front) })
	} else {
		front.Handler = strict(front.Handler)
		front.Protocols = new(http.Protocols)
		front.Protocols.SetHTTP1(true)
		front.TLSConfig = &tls.Config{GetCertificate: l.certs.get, MinVersion: tls.VersionTLS12, NextProtos: l.certs.protocols()}
		add(front, func() error { return front.ServeTLS(l.front, "", "") })
	}
	if l.admin != nil {
		side(l.admin, static.Secured(admin), quota.NewConns(quota.New(protocol.MaxAdminConnections, 0), quota.NewPace(0, 0), quota.Addresses{}, l.log).State)
	}
	if l.plain != nil {
		s := side(l.plain, static.Secured(l.certs.challenges(http.HandlerFunc(l.redirect))), front.ConnState)
		s.SetKeepAlivesEnabled(false) // a client needs one redirect only
	}
}

// Serve serves until Shutdown or an error. The contexts of requests follow from ctx.
func (l *Listeners) Serve(ctx context.Context) error {
	ended := make(chan error, len(l.servers))
	for i, s := range l.servers {
		s.BaseContext = func(net.Listener) context.Context { return ctx }
		go func() { ended <- l.serve[i]() }()
	}
	if l.certs != nil {
		go l.certs.prepare(ctx)
	}
	return <-ended
}

// Shutdown closes the sockets and waits for requests that are under way. When ctx ends,
// their connections are closed.
func (l *Listeners) Shutdown(ctx context.Context) {
	for _, s := range l.servers {
		if s.Shutdown(ctx) != nil {
			s.Close()
		}
	}
}

// Close closes the sockets.
func (l *Listeners) Close() {
	for _, s := range []net.Listener{l.front, l.admin, l.plain} {
		if s != nil {
			s.Close()
		}
	}
}

// Reload reads the certificate files again. It reports whether there are any. After an
// error the old certificate stays in use.
func (l *Listeners) Reload() (bool, error) {
	if f, ok := l.certs.(*files); ok {
		return true, f.reload()
	}
	return false, nil
}
