package quota

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestParseProxies(t *testing.T) {
	for list, want := range map[string]string{
		"10.0.0.5":                 "10.0.0.5/32",
		" 10.0.0.5 , 10.1.2.3/16,": "10.0.0.5/32 10.1.0.0/16",
		"2001:db8::1/64,::1":       "2001:db8::/64 ::1/128",
		"::ffff:192.0.2.1":         "192.0.2.1/32",
		"::ffff:10.1.2.3/104":      "10.0.0.0/8",
		"::ffff:16.0.0.0/104":      "16.0.0.0/8",
		LoopbackProxies:            "127.0.0.0/8 ::1/128",
		"":                         "",
	} {
		p, err := ParseProxies(list, nil)
		if err != nil {
			t.Errorf("%q: %v", list, err)
			continue
		}
		var got []string
		for _, n := range p.networks {
			got = append(got, n.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %v, want %s", list, got, want)
		}
	}
	for _, list := range []string{"proxy", "10.0.0.0/33", "10.0.0.5:80", "10.0.0.5 10.0.0.6", "[::1]"} {
		if _, err := ParseProxies(list, nil); err == nil || !strings.Contains(err.Error(), "want addresses and networks") {
			t.Errorf("%q: got %v, want an error", list, err)
		}
	}
	for list, want := range map[string]string{"0.0.0.0/0": "at least /8", "::ffff:0:0/96": "at least /8", "10.0.0.1,10.0.0.0/7": "at least /8", "::/0": "at least /16"} {
		if _, err := ParseProxies(list, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", list, err, want)
		}
	}
	if _, err := ParseProxies("::ffff:10.0.0.0/95", nil); err == nil || !strings.Contains(err.Error(), "of IPv4 or of IPv6 addresses") {
		t.Errorf("a network of IPv4 and IPv6 addresses: got %v, want an error", err)
	}
}

// A network of IPv4 addresses is trusted however it is written.
func TestMappedProxies(t *testing.T) {
	p, err := ParseProxies("::ffff:10.0.0.0/104", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, remote := range []string{"10.1.2.3:80", "[::ffff:10.1.2.3]:80"} {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{forwardedFor: {"192.0.2.1"}}}
		if got := (Addresses{Proxies: p}).Of(r); got != "192.0.2.1" {
			t.Errorf("a request of %s counts for %s, want its client", remote, got)
		}
	}
}

func TestForwarded(t *testing.T) {
	const (
		x     = forwardedFor
		f     = forwarded
		r     = realIP
		proxy = "10.0.0.1" // counted for what cannot be read
	)
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	for _, test := range []struct {
		name string
		h    http.Header
		want string
	}{
		{"no header", header(), ""},
		{"one hop", header(x, "192.0.2.1"), "192.0.2.1"},
		{"a port", header(x, "192.0.2.1:5000"), "192.0.2.1"},
		{"IPv6", header(x, "2001:db8:1:2::7"), "2001:db8:1:2::/64"},
		{"IPv6 in brackets", header(x, "[2001:db8:1:2::7]"), "2001:db8:1:2::/64"},
		{"IPv6 and a port", header(x, "[2001:db8:1:2::8]:443"), "2001:db8:1:2::/64"},
		{"IPv6 and a zone", header(x, "fe80::1%eth0"), "fe80::/64"},
		{"IPv4 in IPv6", header(x, "::ffff:192.0.2.1"), "192.0.2.1"},
		{"what the client claims", header(x, "203.0.113.7, 192.0.2.1"), "192.0.2.1"},
		{"garbage that the client claims", header(x, `for="<, 192.0.2.1`), "192.0.2.1"},
		{"trusted hops", header(x, "203.0.113.7, 192.0.2.1, 10.0.0.2,10.0.0.3"), "192.0.2.1"},
		{"several lines", header(x, "203.0.113.7", x, "192.0.2.1, 10.0.0.2", x, "10.0.0.3"), "192.0.2.1"},
		{"empty elements", header(x, ", 192.0.2.1, ,", x, ""), "192.0.2.1"},
		{"trusted hops alone", header(x, "10.0.0.4, 10.0.0.2"), "10.0.0.4"},
		{"nothing in it", header(x, " "), ""},
		{"a name", header(x, "unknown"), proxy},
		{"a name beyond a trusted hop", header(x, "_hidden, 10.0.0.2"), proxy},
		{"no port after the colon", header(x, "192.0.2.1:"), proxy},
		{"a port too large", header(x, "192.0.2.1:65536"), proxy},
		{"IPv4 in brackets", header(x, "[192.0.2.1]"), proxy},
		{"no end of brackets", header(x, "[2001:db8::1"), proxy},
		{"text after brackets", header(x, "[2001:db8::1]x"), proxy},
		{"octal", header(x, "192.0.2.010"), proxy},

		{"Forwarded", header(f, "for=192.0.2.1"), "192.0.2.1"},
		{"its other parameters", header(f, `proto=https; For = "192.0.2.1:80" ;by=203.0.113.43;host="a,b;c=\"d"`), "192.0.2.1"},
		{"quoted IPv6", header(f, `for="[2001:db8:1:2::7]:4711"`), "2001:db8:1:2::/64"},
		{"a hidden port", header(f, `for="192.0.2.1:_x"`), "192.0.2.1"},
		{"quoted pairs", header(f, `for="192\.0.2.1"`), "192.0.2.1"},
		{"hops of Forwarded", header(f, `for=203.0.113.7;proto=http, for=192.0.2.1, for=10.0.0.2`, f, "for=10.0.0.3"), "192.0.2.1"},
		{"a comma in quotes", header(f, `for="203.0.113.7, for=203.0.113.8", for=192.0.2.1`), "192.0.2.1"},
		{"no for", header(f, "proto=https;host=example.org"), ""},
		{"no for in the last hop", header(f, "for=203.0.113.7, proto=https"), ""},
		{"no for beyond a trusted hop", header(f, "proto=https, for=10.0.0.2"), proxy},
		{"an obfuscated name", header(f, "for=_gazonk"), proxy},
		{"no end of quotes", header(f, `for="192.0.2.1`), proxy},
		{"quotes within", header(f, `for=x"192.0.2.1"`), proxy},
		{"text after quotes", header(f, `for="192.0.2.1"x`), proxy},
		{"no value", header(f, "for"), proxy},

		{"X-Real-IP", header(r, "192.0.2.1"), "192.0.2.1"},
		{"X-Real-IP of a trusted hop", header(r, "10.0.0.2"), "10.0.0.2"},
		{"all agree", header(x, "192.0.2.1:80", f, "for=192.0.2.1", r, "192.0.2.1"), "192.0.2.1"},
		{"X-Real-IP is the last hop", header(x, "192.0.2.1, 10.0.0.2", r, "10.0.0.2"), "192.0.2.1"},
		{"a client adds Forwarded", header(x, "192.0.2.1", f, "for=203.0.113.7"), proxy},
		{"a client adds X-Forwarded-For", header(x, "203.0.113.7", f, "for=192.0.2.1"), proxy},
		{"a client adds X-Real-IP", header(x, "192.0.2.1", r, "203.0.113.7"), proxy},
		{"a client spoils one", header(x, "192.0.2.1", f, "x"), proxy},
		{"a client names a trusted hop", header(x, "192.0.2.1", f, "for=10.0.0.9"), proxy},
		{"Forwarded without for says nothing", header(x, "192.0.2.1", f, "proto=https"), "192.0.2.1"},
	} {
		p, err := ParseProxies("10.0.0.0/24", nil)
		if err != nil {
			t.Fatal(err)
		}
		request := &http.Request{RemoteAddr: proxy + ":4000", Header: test.h}
		want := test.want
		if want == "" {
			want = proxy // nobody is named: the sender is the client
		}
		if got := (Addresses{Proxies: p}).Of(request); got != want {
			t.Errorf("%s: got %q, want %q", test.name, got, want)
		}
		if got, want := p.Invalid() == 1, test.want == proxy; got != want {
			t.Errorf("%s: counted as invalid: %v, want %v", test.name, got, want)
		}
		stranger := &http.Request{RemoteAddr: "198.51.100.9:4000", Header: test.h}
		if got := (Addresses{Proxies: p}).Of(stranger); got != "198.51.100.9" {
			t.Errorf("%s, from elsewhere: got %q, want its own address", test.name, got)
		}
		if got, want := (Addresses{Proxies: p}).Untrusted(stranger), len(test.h) > 0; got != want {
			t.Errorf("%s, from elsewhere: untrusted %v, want %v", test.name, got, want)
		}
	}
}

// A proxy on this machine that cannot be read is counted, so that nobody gets out of
// the count by a header of their own.
func TestForwardedOfLoopback(t *testing.T) {
	for line, want := range map[string]string{"unknown": "127.0.0.1", "": "", "127.0.0.1": "", "203.0.113.7, 127.0.0.1": "203.0.113.7"} {
		r := &http.Request{RemoteAddr: "127.0.0.1:4000", Header: http.Header{forwardedFor: {line}}}
		if got := (Addresses{}).Of(r); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
	none, err := ParseProxies("", nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{RemoteAddr: "127.0.0.1:4000", Header: http.Header{forwardedFor: {"203.0.113.7"}}}
	for _, count := range []bool{false, true} {
		a := Addresses{Proxies: none, CountLoopback: count}
		if a.Of(r) != "127.0.0.1" || !a.Untrusted(r) {
			t.Errorf("without trusted proxies: got %q, untrusted %v, want 127.0.0.1 and true", a.Of(r), a.Untrusted(r))
		}
	}
	program := &http.Request{RemoteAddr: "127.0.0.1:4000"}
	if a := (Addresses{Proxies: none}); a.Of(program) != "" || a.Untrusted(program) {
		t.Errorf("a program of this machine: got %q, untrusted %v, want that it is not counted", a.Of(program), a.Untrusted(program))
	}
}

// What a client writes into the headers never makes it another address than the
// proxy's or the one that the proxy has added.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "203.0.113.7", `for="[2001:db8::1]:80";proto=https`, `for="a, for=\"`, "unknown, 10.0.0.2", "[::1]:80,,"} {
		f.Add(seed, seed, seed)
	}
	p, err := ParseProxies("10.0.0.1", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, x, fw, real string) {
		for name, h := range map[string]http.Header{
			forwardedFor: {forwardedFor: {x + ", 192.0.2.1"}, forwarded: {fw}, realIP: {real}},
			forwarded:    {forwardedFor: {x}, forwarded: {fw, "for=192.0.2.1"}, realIP: {real}},
			realIP:       {forwardedFor: {x}, forwarded: {fw}, realIP: {"192.0.2.1"}},
		} {
			r := &http.Request{RemoteAddr: "10.0.0.1:4000", Header: h}
			if got := (Addresses{Proxies: p}).Of(r); got != "192.0.2.1" && got != "10.0.0.1" {
				t.Errorf("%s of the proxy: got %q of %v, want the client's or the proxy's address", name, got, h)
			}
		}
		if a, err := parseHop(x); err == nil {
			if again, err := parseHop(netip.AddrPortFrom(a, 80).String()); err != nil || again != a {
				t.Errorf("%q is %v, and with a port %v (%v)", x, a, again, err)
			}
		}
	})
}
