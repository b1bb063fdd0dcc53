package hostile

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
)

// evil is a site of somebody else, whose pages a participant may have open.
const evil = "evil.example"

// answered is the status of an answer.
type answered int

func (a answered) String() string { return strconv.Itoa(int(a)) }

// open asks for a socket as a browser would for a page, and returns the answer's
// status and text.
func (t *T) open(header http.Header) (answered, string) {
	conn, r, err := dialerFrom(t.World.Address()).DialContext(t.Context(), t.World.URL, header)
	if err == nil {
		conn.Close()
		return http.StatusSwitchingProtocols, ""
	}
	if r == nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(r.Body) // gorilla has read it
	return answered(r.StatusCode), string(text)
}

// fetch asks for a path with headers, of which Host is one.
func (t *T) fetch(path string, header http.Header) (answered, string) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, t.World.http+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header, r.Host = header, header.Get("Host")
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: t.World.Address()}}).DialContext}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // what there is of it
	return answered(response.StatusCode), string(text)
}

// origins are attacks of other sites' pages in a participant's browser, and of headers
// that only a proxy should send.
func origins() (cases []Case) {
	add := func(words, about string, attack func(t *T)) {
		cases = append(cases, Case{Name: name("origin", words), About: about, World: plain, Attack: attack})
	}
	forbidden := func(t *T, what string, got answered, text string) {
		t.Is(what, got, answered(http.StatusForbidden))
		if !strings.Contains(text, evil) || !strings.Contains(text, "--public-url") {
			t.Errorf("%s: %q, want the name that is refused and the flag that allows it", what, text)
		}
	}
	paths := func(t *T) []string {
		return []string{"/", "/api/tasks", "/api/tasks/" + t.World.Task, "/api/tasks/" + t.World.Task + "/events", "/api/door", "/data/", "/healthz"}
	}
	add("rebinding by a socket", "DNS rebinding: a handshake whose Host and Origin are another site's", func(t *T) {
		status, text := t.open(http.Header{"Host": {evil}, "Origin": {"http://" + evil}})
		forbidden(t, "/ws", status, text)
	})
	add("rebinding by the API", "DNS rebinding: requests whose Host is another site's", func(t *T) {
		for _, path := range paths(t) {
			status, text := t.fetch(path, http.Header{"Host": {evil + ":8080"}})
			forbidden(t, path, status, text)
		}
	})
	add("rebinding with a proxy's headers", "DNS rebinding: a page may set headers that proxies set", func(t *T) {
		header := http.Header{"Host": {evil}, "X-Forwarded-Host": {"localhost"}, "X-Forwarded-For": {"127.0.0.1"}, "Forwarded": {"for=127.0.0.1;host=localhost"}}
		for _, path := range paths(t) {
			status, text := t.fetch(path, header.Clone())
			forbidden(t, path, status, text)
		}
	})
	add("another site by a socket", "a handshake from a page of another site", func(t *T) {
		status, text := t.open(http.Header{"Origin": {"https://" + evil}})
		forbidden(t, "/ws", status, text)
	})
	add("another site by the API", "requests from a page of another site, a stream of events among them", func(t *T) {
		for _, path := range paths(t) {
			status, text := t.fetch(path, http.Header{"Origin": {"https://" + evil}})
			forbidden(t, path, status, text)
		}
	})
	for _, spoiled := range []struct{ words, name, value string }{
		{"X-Forwarded-For without an address", "X-Forwarded-For", "unknown"},
		{"Forwarded without an end", "Forwarded", `for="[2001:db8::1]`},
	} {
		add(spoiled.words, "proxies: headers that cannot be read lead out of no limit", func(t *T) {
			admitted := t.welcomed(perAddress+16, t.World.Address(), http.Header{spoiled.name: {spoiled.value}})
			t.AtMost("admitted", admitted, perAddress, "")
			t.AtLeast("admitted", admitted, 1, "")
		})
	}
	return cases
}
