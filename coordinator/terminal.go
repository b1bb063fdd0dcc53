package main

import (
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/lmittmann/tint"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// newLog returns a log: compact and in colours on a terminal, unless NO_COLOR is set, and
// for programs elsewhere.
func newLog(w io.Writer, level slog.Level) *slog.Logger {
	if !isTerminal(w) {
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}))
}

// lanURLs returns the addresses by which other devices in the network reach a page that is
// served on all addresses of this machine; none if it is not.
func lanURLs(page string) (urls []string) {
	u, err := url.Parse(page)
	if err != nil {
		return nil
	}
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsUnspecified() {
		return nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addresses {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.To4() == nil || !n.IP.IsPrivate() {
			continue // an address of the internet wants a name and TLS
		}
		to := *u
		to.Host = net.JoinHostPort(n.IP.String(), u.Port())
		urls = append(urls, to.String()+"/")
	}
	return urls
}

// openBrowser shows an address in the browser of this machine. It does not wait for it.
func openBrowser(address string) error {
	if u, err := url.Parse(address); err == nil {
		if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsUnspecified() {
			u.Host = net.JoinHostPort("127.0.0.1", u.Port())
			address = u.String()
		}
	}
	command := map[string][]string{
		"darwin": {"open"}, "windows": {"rundll32", "url.dll,FileProtocolHandler"},
	}[runtime.GOOS]
	if command == nil {
		command = []string{"xdg-open"}
	}
	c := exec.Command(command[0], append(command[1:], address)...)
	if err := c.Start(); err != nil {
		return err
	}
	go c.Wait()
	return nil
}
