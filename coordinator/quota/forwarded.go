package quota

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
)

// Proxies are the reverse proxies whose word on their clients is trusted. A proxy
// names its client in X-Forwarded-For, in Forwarded (RFC 7239), or in X-Real-IP.
// It is safe for concurrent use.
type Proxies struct {
	networks []netip.Prefix
	log      *slog.Logger
	notices  Notices
	invalid  atomic.Int64
}

// loopback are the proxies that are trusted by default.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// LoopbackProxies is the default of --trusted-proxies.
const LoopbackProxies = "127.0.0.0/8,::1"

// ParseProxies reads a list of addresses and networks, separated by commas. An empty
// list trusts no proxy. The log gets headers that cannot be read.
func ParseProxies(list string, log *slog.Logger) (*Proxies, error) {
	p := &Proxies{log: log}
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		network, err := netip.ParsePrefix(entry)
		if address, e := netip.ParseAddr(entry); e == nil {
			address = address.Unmap().WithZone("")
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q, want addresses and networks such as 10.0.0.5,10.1.0.0/16,2001:db8::/64", entry)
		}
		if a := network.Addr(); a.Is4In6() { // peers' addresses are unmapped
			const mapped = 96 // bits of ::ffff:0:0
			if network.Bits() < mapped {
				return nil, fmt.Errorf("%q, want a network of IPv4 or of IPv6 addresses, such as 10.0.0.0/8 or 2001:db8::/32", entry)
			}
			network = netip.PrefixFrom(a.Unmap(), network.Bits()-mapped)
		}
		if least := map[bool]int{true: 8, false: 16}[network.Addr().Is4()]; network.Bits() < least {
			return nil, fmt.Errorf("%q, want a smaller network, at least /%d: whoever is in it can claim any address", entry, least)
		}
		p.networks = append(p.networks, network.Masked())
	}
	return p, nil
}

// trusts reports whether an address is a trusted proxy's. A nil p trusts loopback
// addresses.
func (p *Proxies) trusts(address netip.Addr) bool {
	networks := loopback
	if p != nil {
		networks = p.networks
	}
	for _, n := range networks {
		if n.Contains(address) {
			return true
		}
	}
	return false
}

// Invalid returns how many requests of trusted proxies had headers that name no
// client, or contradict each other.
func (p *Proxies) Invalid() int64 {
	if p == nil {
		return 0
	}
	return p.invalid.Load()
}

// unreadable counts and logs a request whose client is not known.
func (p *Proxies) unreadable(proxy netip.Addr, err error) {
	if p == nil {
		return
	}
	p.invalid.Add(1)
	if p.log != nil && p.notices.Due(proxy.String(), "headers") {
		p.log.Warn("the proxy's headers name no client: its own address is counted", "proxy", proxy, "error", err)
	}
}

// The headers in which a proxy names its client.
const (
	forwardedFor = "X-Forwarded-For"
	forwarded    = "Forwarded"
	realIP       = "X-Real-Ip"
)

// names reports whether a request says for which client it is.
func names(h http.Header) bool {
	return len(h[forwardedFor]) > 0 || len(h[forwarded]) > 0 || len(h[realIP]) > 0
}

// errNone says that a header names nobody.
var errNone = errors.New("no client is named")

// client returns the address of the client that a trusted proxy names. All headers must
// name the same one, because a client may have sent those that the proxy does not set
// (ADR 0009). X-Real-IP holds one hop: another header may have more. The error is
// errNone if no header names a client.
func (p *Proxies) client(h http.Header) (netip.Addr, error) {
	var client netip.Addr
	for _, header := range []struct {
		name  string
		split func(line string) ([]string, error)
	}{{forwardedFor, splitList}, {forwarded, splitForwarded}, {realIP, splitList}} {
		address, err := p.lastHop(h[header.name], header.split)
		switch {
		case errors.Is(err, errNone):
		case err != nil:
			return netip.Addr{}, fmt.Errorf("%s: %w", header.name, err)
		case client.IsValid() && header.name == realIP && p.trusts(address):
		case client.IsValid() && client != address:
			return netip.Addr{}, fmt.Errorf("%s: %v, want %v as in the other headers", header.name, address, client)
		default:
			client = address
		}
	}
	if !client.IsValid() {
		return client, errNone
	}
	return client, nil
}

// lastHop returns the right-most hop that is no trusted proxy, or else the left-most.
// Hops to the left of it are not read: its client has written them.
func (p *Proxies) lastHop(lines []string, split func(string) ([]string, error)) (hop netip.Addr, err error) {
	for i := len(lines) - 1; i >= 0; i-- {
		hops, err := split(lines[i])
		if err != nil {
			return netip.Addr{}, err
		}
		for j := len(hops) - 1; j >= 0; j-- {
			if hops[j] == "" && !hop.IsValid() {
				return hop, errNone
			}
			if hop, err = parseHop(hops[j]); err != nil || !p.trusts(hop) {
				return hop, err
			}
		}
	}
	if !hop.IsValid() {
		return hop, errNone
	}
	return hop, nil
}

// splitList returns the elements of a list, without empty ones.
func splitList(line string) (elements []string, err error) {
	for e := range strings.SplitSeq(line, ",") {
		if e = strings.TrimSpace(e); e != "" {
			elements = append(elements, e)
		}
	}
	return elements, nil
}

// splitForwarded returns the for parameters of a Forwarded header (RFC 7239, section
// 4), unquoted: one for each element, empty where it has none.
func splitForwarded(line string) (hops []string, err error) {
	elements, err := splitQuoted(line, ',')
	if err != nil {
		return nil, err
	}
	for _, element := range elements {
		if strings.TrimSpace(element) == "" {
			continue // lists may have empty elements
		}
		pairs, err := splitQuoted(element, ';')
		if err != nil {
			return nil, err
		}
		hop := ""
		for _, pair := range pairs {
			name, value, ok := strings.Cut(pair, "=")
			if !ok && strings.TrimSpace(pair) != "" {
				return nil, fmt.Errorf("%q, want name=value", clip(pair))
			}
			if strings.EqualFold(strings.TrimSpace(name), "for") {
				if hop, err = unquote(strings.TrimSpace(value)); err != nil {
					return nil, err
				}
			}
		}
		hops = append(hops, hop)
	}
	return hops, nil
}

// splitQuoted splits text at a separator, but not within quoted strings.
func splitQuoted(text string, separator byte) (parts []string, err error) {
	start, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	if quoted {
		return nil, fmt.Errorf("%q, want the end of a quoted string", clip(text[start:]))
	}
	return append(parts, text[start:]), nil
}

// unquote returns the content of a quoted string, and any other value as it is.
func unquote(value string) (string, error) {
	if !strings.HasPrefix(value, `"`) {
		return value, nil
	}
	var b strings.Builder
	for i := 1; i < len(value)-1; i++ {
		if value[i] == '\\' {
			i++
		}
		b.WriteByte(value[i])
	}
	if len(value) < 2 || value[len(value)-1] != '"' {
		return "", fmt.Errorf("%q, want a quoted string", clip(value))
	}
	return b.String(), nil
}

// parseHop reads an address with or without a port: 192.0.2.1, 192.0.2.1:5000,
// 2001:db8::1, [2001:db8::1], [2001:db8::1]:5000. Names that hide an address
// ("unknown", "_proxy7") are errors.
func parseHop(text string) (netip.Addr, error) {
	host, port, hasPort := text, "", false
	if inner, ok := strings.CutPrefix(text, "["); ok {
		host, port, ok = strings.Cut(inner, "]")
		if port, hasPort = strings.CutPrefix(port, ":"); !ok || !hasPort && port != "" || !strings.Contains(host, ":") {
			host = ""
		}
	} else if strings.Count(text, ":") == 1 {
		host, port, hasPort = strings.Cut(text, ":")
	}
	address, err := netip.ParseAddr(host)
	if err != nil || hasPort && !isPort(port) {
		return netip.Addr{}, fmt.Errorf("%q, want an IP address with or without a port", clip(text))
	}
	return address.Unmap().WithZone(""), nil
}

// isPort reports whether text is a port, or a name that hides one (RFC 7239, section 6).
func isPort(text string) bool {
	if name, ok := strings.CutPrefix(text, "_"); ok {
		return name != ""
	}
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// maxClip bounds what errors and the log quote of a request, in bytes.
const maxClip = 64

func clip(text string) string { return text[:min(len(text), maxClip)] }

// peerOf returns the address of a HOST:PORT; it is not valid if there is none.
func peerOf(remote string) netip.Addr {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	address, _ := netip.ParseAddr(host)
	return address.Unmap().WithZone("")
}

// HostOf returns the name or address in a Host header, without its port and in lower
// case.
func HostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}
