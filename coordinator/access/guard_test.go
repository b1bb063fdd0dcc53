package access

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is wrong with a token or a cookie stays untold: every answer has the same bytes.
func TestRefusedAlike(t *testing.T) {
	g, clock := open(t)
	other, _ := open(t)
	tampered := func(change func(text string) string) func() *http.Request {
		return func() *http.Request {
			c := signIn(t, g, Viewer)
			c.Value = change(c.Value)
			return withCookie(request("GET"), c)
		}
	}
	asOrganiser := func(text string) string {
		s, mac, _ := parseSession(text)
		s.letter = 'o'
		return coding.EncodeToString(append(s.head(), mac...))
	}
	signedOut := signIn(t, g, Organiser)
	must(t, g.SignOut(httptest.NewRecorder(), withCookie(request("POST"), signedOut)))
	var first string
	for _, test := range []struct {
		name string
		make func() *http.Request
	}{
		{"nothing", func() *http.Request { return request("GET") }},
		{"nothing, to change something", func() *http.Request { return request("POST") }},
		{"an empty token", func() *http.Request { return withToken(request("GET"), "") }},
		{"a wrong token", func() *http.Request { return withToken(request("GET"), makeToken(kinds[1])) }},
		{"another coordinator's token", func() *http.Request { return withToken(request("GET"), other.Token(Organiser)) }},
		{"a token that is cut", func() *http.Request {
			return withToken(request("GET"), g.Token(Organiser)[:len(g.Token(Organiser))-1])
		}},
		{"a token that is longer", func() *http.Request { return withToken(request("GET"), g.Token(Organiser)+"A") }},
		{"a token with the other role's prefix", func() *http.Request { return withToken(request("GET"), "fto_"+g.Token(Viewer)[4:]) }},
		{"a token of a megabyte", func() *http.Request { return withToken(request("GET"), strings.Repeat("x", 1<<20)) }},
		{"a token as the cookie", func() *http.Request {
			return withCookie(request("GET"), &http.Cookie{Name: "fedtab-session", Value: g.Token(Organiser)})
		}},
		{"another coordinator's cookie", func() *http.Request { return withCookie(request("GET"), signIn(t, other, Organiser)) }},
		{"an empty cookie", tampered(func(string) string { return "" })},
		{"a cookie that is cut", tampered(func(s string) string { return s[:len(s)-1] })},
		{"a cookie that is cut by a block", tampered(func(s string) string { return s[:len(s)-4] })},
		{"a cookie that is longer", tampered(func(s string) string { return s + "AAAA" })},
		{"a cookie with another byte", tampered(func(s string) string { return s[:40] + map[bool]string{true: "B", false: "A"}[s[40] == 'A'] + s[41:] })},
		{"a cookie of another role", tampered(asOrganiser)},
		{"a cookie over TLS, sent without", func() *http.Request {
			c := signIn(t, g, Viewer)
			c.Name = "__Host-" + c.Name
			return withCookie(request("GET"), c)
		}},
		{"a cookie sent over TLS, of a sign-in without", func() *http.Request { return overTLS(withCookie(request("GET"), signIn(t, g, Viewer))) }},
		{"an expired session", func() *http.Request {
			c := signIn(t, g, Viewer)
			clock.add(sessionLife)
			return withCookie(request("GET"), c)
		}},
		{"a session that was signed out", func() *http.Request { return withCookie(request("GET"), signedOut) }},
	} {
		g.wrong = newWrong() // its limit has a test of its own
		answer, _ := ask(g, test.make())
		body, err := io.ReadAll(answer.Body)
		must(t, err)
		got := fmt.Sprintln(answer.StatusCode, answer.Header, string(body))
		if first == "" {
			first = got
		}
		if got != first || answer.StatusCode != http.StatusUnauthorized || answer.Header.Get("WWW-Authenticate") != "Bearer" || answer.Header.Get("Retry-After") != "" ||
			string(body) != "a valid token is missing: sign in with the organiser's or the viewer's token\n" {
			t.Errorf("%s: got %s, want as for the first: %s", test.name, got, first)
		}
	}
}

// A change with a cookie must be the page's own. A token needs no such proof: no page of
// another site has it.
func TestSameOrigin(t *testing.T) {
	g, _ := open(t)
	const host = "study.example:9090"
	for _, test := range []struct {
		site, origin string
		tls          bool
		own          bool
	}{
		{"same-origin", "", false, true},
		{"same-origin", "http://" + host, false, true},
		{"same-site", "http://study.example:8080", false, false},
		{"same-site", "http://" + host, false, false},
		{"cross-site", "http://" + host, false, false},
		{"cross-site", "", false, false},
		{"none", "", false, false},
		{"none", "http://" + host, false, false},
		{"nonsense", "http://" + host, false, false},
		{"", "", false, false},
		{"", "null", false, false},
		{"", "http://" + host, false, true},
		{"", "http://STUDY.example:9090", false, true},
		{"", "https://" + host, false, true}, // a proxy does TLS
		{"", "https://" + host, true, true},
		{"", "http://" + host, true, false},
		{"", "http://study.example", false, false},
		{"", "http://evil.example", false, false},
		{"", "http://evil.example/" + host, false, false},
		{"", "http://" + host + ".evil.example", false, false},
		{"", "file://" + host, false, false},
		{"", host, false, false},
		{"", "http://[::1", false, false},
	} {
		for _, method := range []string{"POST", "DELETE", "GET"} {
			for _, way := range []string{WayToken, WaySession} {
				r := httptest.NewRequest(method, "http://"+host+"/", nil)
				w := httptest.NewRecorder()
				signing := request("POST")
				if test.tls {
					overTLS(r)
					overTLS(signing)
				}
				if way == WayToken {
					withToken(r, g.Token(Organiser))
				} else {
					_, err := g.SignIn(w, signing, g.Token(Organiser))
					must(t, err)
					r.AddCookie(w.Result().Cookies()[0])
				}
				for name, value := range map[string]string{"Sec-Fetch-Site": test.site, "Origin": test.origin} {
					if value != "" {
						r.Header.Set(name, value)
					}
				}
				want := http.StatusOK
				if way == WaySession && method != "GET" && !test.own {
					want = http.StatusForbidden
				}
				if got := status(g, r); got != want {
					t.Errorf("%s by %s, Sec-Fetch-Site %q, Origin %q, TLS %v: %d, want %d", method, way, test.site, test.origin, test.tls, got, want)
				}
			}
		}
	}
}

// Another site's page signs its visitor neither in nor out.
func TestSignInOfAnotherSite(t *testing.T) {
	g, _ := open(t)
	cookie := signIn(t, g, Viewer)
	r := withCookie(request("POST"), cookie)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	_, in := g.SignIn(w, r, g.Token(Viewer))
	for what, err := range map[string]error{"in": in, "out": g.SignOut(w, r)} {
		if refusal, ok := err.(*Refusal); !ok || refusal.Status != http.StatusForbidden || len(w.Result().Cookies()) != 0 {
			t.Errorf("signed %s: %v, cookies %v", what, err, w.Result().Cookies())
		}
	}
	if status(g, withCookie(request("GET"), cookie)) != http.StatusOK {
		t.Error("the session has ended")
	}
}

// Wrong tokens and cookies are limited, for an address and for all together. Right ones
// are not, nor are requests that show nothing.
func TestWrongTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := open(t)
		session := signIn(t, g, Viewer)
		from := func(address string, r *http.Request) *http.Request {
			r.RemoteAddr = address + ":1234"
			return r
		}
		wrong := func(address string, i int) *http.Request {
			if i%2 == 0 {
				return from(address, withToken(request("GET"), "wrong"))
			}
			return from(address, withCookie(request("GET"), &http.Cookie{Name: "fedtab-session", Value: "wrong"}))
		}
		for i := range 3 * wrongBurst {
			if got := status(g, from("192.0.2.1", request("GET"))); got != http.StatusUnauthorized {
				t.Fatalf("request %d without a token: %d", i, got)
			}
		}
		for i := range wrongBurst {
			if got := status(g, wrong("192.0.2.1", i)); got != http.StatusUnauthorized {
				t.Fatalf("wrong token %d: %d", i, got)
			}
		}
		answer, _ := ask(g, wrong("192.0.2.1", 0))
		if answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") != "6" || answer.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("one too many: %d, %v", answer.StatusCode, answer.Header)
		}
		if _, err := g.SignIn(httptest.NewRecorder(), from("192.0.2.1", request("POST")), "wrong"); err == nil || err.(*Refusal).Status != http.StatusTooManyRequests {
			t.Errorf("a sign-in beyond the limit: %v", err)
		}
		for name, r := range map[string]*http.Request{
			"a right token": withToken(request("GET"), g.Token(Viewer)), "a session": withCookie(request("GET"), session),
		} {
			if got := status(g, from("192.0.2.1", r)); got != http.StatusOK {
				t.Errorf("%s of an address that is limited: %d", name, got)
			}
		}
		if _, err := g.SignIn(httptest.NewRecorder(), from("192.0.2.1", request("POST")), g.Token(Viewer)); err != nil {
			t.Errorf("a sign-in of an address that is limited: %v", err)
		}
		if got := status(g, wrong("192.0.2.2", 0)); got != http.StatusUnauthorized {
			t.Errorf("another address: %d", got)
		}
		time.Sleep(6 * time.Second)
		if got := status(g, wrong("192.0.2.1", 0)); got != http.StatusUnauthorized {
			t.Errorf("after the wait: %d", got)
		}

		refused := 0
		for i := range 2 * allWrongBurst {
			if status(g, wrong(fmt.Sprintf("198.51.100.%d", i), i)) == http.StatusTooManyRequests {
				refused++
			}
		}
		if refused < allWrongBurst {
			t.Errorf("%d wrong tokens of as many addresses: %d are refused, want %d", 2*allWrongBurst, refused, allWrongBurst)
		}
		if got := status(g, from("203.0.113.1", withToken(request("POST"), g.Token(Organiser)))); got != http.StatusOK {
			t.Errorf("a right token meanwhile: %d", got)
		}
	})
}

// An API answers refusals in its own format, with the headers that belong to them.
func TestRefuse(t *testing.T) {
	g, _ := open(t)
	g.Refuse = func(w http.ResponseWriter, _ *http.Request, refusal *Refusal) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(refusal.Status)
		json.NewEncoder(w).Encode(map[string]string{"detail": refusal.Error()})
	}
	answer, _ := ask(g, request("GET"))
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	if answer.StatusCode != 401 || answer.Header.Get("WWW-Authenticate") != "Bearer" || !strings.HasPrefix(string(body), `{"detail":"a valid token is missing`) {
		t.Errorf("%d, %v, %s", answer.StatusCode, answer.Header, body)
	}
}
