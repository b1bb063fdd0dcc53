package access

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"fedtab/coordinator/quota"
)

var start = time.Unix(1_700_000_000, 0)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is the gate's, set by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// open returns a gate on a new directory.
func open(t testing.TB) (*Gate, *clock) {
	t.Helper()
	g, err := Open(t.TempDir())
	must(t, err)
	c := &clock{now: start}
	g.now = c.Now
	return g, c
}

// request returns a request of the coordinator's own page.
func request(method string) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:9090/api/v1/runs", nil)
	r.RemoteAddr = "127.0.0.1:1234"
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

func withToken(r *http.Request, token string) *http.Request {
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func withCookie(r *http.Request, c *http.Cookie) *http.Request {
	r.AddCookie(c)
	return r
}

// signIn returns the cookie of a new session.
func signIn(t testing.TB, g *Gate, role Role) *http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	_, err := g.SignIn(w, request("POST"), g.Token(role))
	must(t, err)
	return w.Result().Cookies()[0]
}

// ask sends a request through the gate, and returns the answer and who has asked.
func ask(g *Gate, r *http.Request) (answer *http.Response, who Who) {
	w := httptest.NewRecorder()
	g.Guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { who, _ = From(r.Context()) })).ServeHTTP(w, r)
	return w.Result(), who
}

// status is what ask's answer says.
func status(g *Gate, r *http.Request) int {
	answer, _ := ask(g, r)
	return answer.StatusCode
}

func TestTokens(t *testing.T) {
	dir := t.TempDir()
	g, err := Open(dir)
	must(t, err)
	if !g.Fresh() {
		t.Error("the tokens are not fresh when they have just been made")
	}
	for role, want := range map[Role]string{Organiser: `^fto_[\w-]{43}$`, Viewer: `^ftv_[\w-]{43}$`} {
		if token := g.Token(role); !regexp.MustCompile(want).MatchString(token) {
			t.Errorf("the %s's token is %s, want %s", role, token, want)
		}
		path := filepath.Join(dir, string(role)+".token")
		text, err := os.ReadFile(path)
		must(t, err)
		info, err := os.Stat(path)
		must(t, err)
		if string(text) != g.Token(role)+"\n" || info.Mode() != 0o600 {
			t.Errorf("%s: %q with mode %v, want the token and 0600", path, text, info.Mode())
		}
		for _, base := range []string{"https://study.example/lab", "https://study.example/lab/"} {
			if got, want := g.Link(base, role), "https://study.example/lab/#token="+g.Token(role); got != want {
				t.Errorf("Link(%s) = %s, want %s", base, got, want)
			}
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("the directory has %v, want two tokens", entries)
	}
	again, err := Open(dir)
	must(t, err)
	if again.Fresh() || again.Token(Organiser) != g.Token(Organiser) || again.Token(Viewer) != g.Token(Viewer) {
		t.Error("the tokens are others when the directory is opened again")
	}
	must(t, os.Remove(filepath.Join(dir, "viewer.token")))
	if again, err = Open(dir); err != nil || again.Fresh() || again.Token(Viewer) == g.Token(Viewer) {
		t.Errorf("a viewer's token that was removed is not made anew, or makes the organiser's a fresh one (%v)", err)
	}
	if got := g.Token("janitor"); got != "" {
		t.Errorf("the token of no role is %q", got)
	}
}

func TestRefusedFiles(t *testing.T) {
	good := makeToken(kinds[1])
	const anew = "remove the file and start again to have a new one"
	const form = "FILE: malformed, want one line, fto_ and 43 characters of A-Z a-z 0-9 _ -: " + anew
	for _, test := range []struct {
		name, text string
		mode       os.FileMode
		want       string // FILE stands for the path
	}{
		{"the group can read it", good, 0o640, "FILE: mode 0640, want 0600: others on this machine may know the organiser's token, so " + anew},
		{"others can write to it", good, 0o602, "FILE: mode 0602, want 0600: others on this machine may know the organiser's token, so " + anew},
		{"empty", "", 0o600, "FILE: empty, want the organiser's token: " + anew},
		{"blank", "\n", 0o600, form},
		{"cut", good[:20], 0o600, form},
		{"a character too many", good + "A", 0o600, form},
		{"the viewer's", makeToken(kinds[0]), 0o600, form},
		{"no prefix", good[4:], 0o600, form},
		{"twice", good + "\n" + good, 0o600, form},
		{"a line end inside", good[:20] + "\n" + good[20:], 0o600, form},
		{"padded", good + "=", 0o600, form},
		{"large", strings.Repeat("x", 1<<20), 0o600, form},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "organiser.token")
			must(t, os.WriteFile(path, []byte(test.text), 0o600))
			must(t, os.Chmod(path, test.mode))
			_, err := Open(dir)
			if want := strings.Replace(test.want, "FILE", path, 1); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if text, _ := os.ReadFile(path); string(text) != test.text {
				t.Error("the file was changed")
			}
		})
	}
	t.Run("a directory", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "viewer.token")
		must(t, os.Mkdir(path, 0o700))
		_, err := Open(dir)
		if want := path + ": not a regular file, want one with the viewer's token: move it away"; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	})
	t.Run("line ends of another system", func(t *testing.T) {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "organiser.token"), []byte(good+"\r\n"), 0o400))
		if g, err := Open(dir); err != nil || g.Token(Organiser) != good {
			t.Errorf("got %v, want the token", err)
		}
	})
}

func TestUnwritableDirectory(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	readOnly := t.TempDir()
	must(t, os.Chmod(readOnly, 0o500))
	for _, test := range []struct{ name, dir, want string }{
		{"missing", missing, "cannot make the viewer's token: no such file or directory"},
		{"a file", file, "cannot read the viewer's token: not a directory"},
		{"read-only", readOnly, "cannot make the viewer's token: permission denied"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.dir == readOnly && os.Getuid() == 0 {
				t.Skip("root may write there")
			}
			_, err := Open(test.dir)
			if want := filepath.Join(test.dir, "viewer.token") + ": " + test.want; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// replace has the file of a role hold another token.
func replace(t testing.TB, g *Gate, k kind) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(g.dir, k.file), []byte(makeToken(k)+"\n"), 0o600))
}

func TestReload(t *testing.T) {
	g, _ := open(t)
	old := g.Token(Organiser)
	organiser, viewer := signIn(t, g, Organiser), signIn(t, g, Viewer)
	before := g.granted(old)
	must(t, g.Reload())
	if before.during.Err() != nil {
		t.Error("streams end though their token has stayed")
	}
	if g.Fresh() || status(g, withCookie(request("GET"), organiser)) != http.StatusOK {
		t.Error("a session ends though its token has stayed")
	}

	// A stream of the old token ends with it, a stream of the other goes on.
	streams := map[Role]context.Context{}
	var begun, done sync.WaitGroup
	release := make(chan struct{})
	for role, c := range map[Role]*http.Cookie{Organiser: organiser, Viewer: viewer} {
		begun.Add(1)
		done.Go(func() {
			h := g.Guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { streams[role] = r.Context(); begun.Done(); <-release }))
			h.ServeHTTP(httptest.NewRecorder(), withCookie(request("GET"), c))
		})
		begun.Wait()
	}
	replace(t, g, kinds[1])
	must(t, g.Reload())
	select {
	case <-streams[Organiser].Done():
	case <-time.After(10 * time.Second):
		t.Error("a stream of the old token goes on")
	}
	if streams[Viewer].Err() != nil || g.granted(g.Token(Viewer)).during.Err() != nil {
		t.Error("a stream of the other token has ended")
	}
	close(release)
	done.Wait()

	for name, test := range map[string]struct {
		r    *http.Request
		want int
	}{
		"the old token":                {withToken(request("GET"), old), http.StatusUnauthorized},
		"the old token's session":      {withCookie(request("GET"), organiser), http.StatusUnauthorized},
		"the new token":                {withToken(request("POST"), g.Token(Organiser)), http.StatusOK},
		"the other token's session":    {withCookie(request("GET"), viewer), http.StatusOK},
		"a session of the new token":   {withCookie(request("POST"), signIn(t, g, Organiser)), http.StatusOK},
		"the other token, as it was":   {withToken(request("GET"), g.Token(Viewer)), http.StatusOK},
		"the new token's file is read": {withToken(request("GET"), strings.TrimSpace(string(readFile(t, g, kinds[1])))), http.StatusOK},
	} {
		if got := status(g, test.r); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}

	// A file that cannot be used changes nothing, not even the other token.
	kept := g.Token(Viewer)
	replace(t, g, kinds[0])
	must(t, os.Truncate(filepath.Join(g.dir, kinds[1].file), 10))
	if err := g.Reload(); err == nil || g.Token(Viewer) != kept || status(g, withCookie(request("GET"), viewer)) != http.StatusOK {
		t.Errorf("a malformed file: %v, want an error and the tokens as they were", err)
	}
	must(t, os.Remove(filepath.Join(g.dir, kinds[1].file)))
	if err := g.Reload(); err != nil || !g.Fresh() {
		t.Errorf("a file that was removed: %v, fresh %v, want a new token", err, g.Fresh())
	}
}

func readFile(t testing.TB, g *Gate, k kind) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(g.dir, k.file))
	must(t, err)
	return b
}

func TestRoles(t *testing.T) {
	g, _ := open(t)
	for _, test := range []struct {
		role          Role
		read, changes int
	}{{Organiser, 200, 200}, {Viewer, 200, 403}} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "BREW"} {
			want := test.changes
			if method == "GET" || method == "HEAD" {
				want = test.read
			}
			for way, r := range map[string]*http.Request{
				WayToken: withToken(request(method), g.Token(test.role)), WaySession: withCookie(request(method), signIn(t, g, test.role)),
			} {
				answer, who := ask(g, r)
				if answer.StatusCode != want || want == 200 && (who.Role != test.role || who.Way != way || who.Address != "127.0.0.1" || (who.Session == "") != (way == WayToken)) {
					t.Errorf("%s by the %s's %s: %d for %+v, want %d", method, test.role, way, answer.StatusCode, who, want)
				}
				checked, err := g.Check(r)
				var refusal *Refusal
				if errors.As(err, &refusal) != (want != 200) || err == nil && checked != who || refusal != nil && (refusal.Status != want ||
					refusal.Text != "the viewer's token may not change anything, want the organiser's") {
					t.Errorf("%s: Check says %+v, %v", method, checked, err)
				}
			}
		}
	}
	if got := (Who{Role: Organiser, Way: WayToken}).String(); got != "organiser by token" {
		t.Errorf("got %q", got)
	}
}

func TestSocket(t *testing.T) {
	g, _ := open(t)
	var who Who
	var ok bool
	h := g.Guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { who, ok = From(r.Context()) }))
	r := httptest.NewRequest("DELETE", "http://coordinator/", nil)
	r.RemoteAddr = "@"
	Socket(h).ServeHTTP(httptest.NewRecorder(), r)
	if want := (Who{Role: Organiser, Way: WaySocket}); who != want || !ok {
		t.Errorf("got %+v, want %+v", who, want)
	}
	if who, ok := From(context.Background()); ok {
		t.Errorf("a context of no request is of %+v", who)
	}
}

func TestAddress(t *testing.T) {
	g, _ := open(t)
	r := withToken(request("GET"), g.Token(Viewer))
	r.Header.Set("X-Forwarded-For", "192.0.2.7")
	if who, err := g.Check(r); err != nil || who.Address != "192.0.2.7" {
		t.Errorf("behind a proxy on this machine: %+v, %v", who, err)
	}
	var err error
	g.Proxies, err = quota.ParseProxies("", nil)
	must(t, err)
	if who, err := g.Check(r); err != nil || who.Address != "127.0.0.1" {
		t.Errorf("behind a proxy that is not trusted: %+v, %v", who, err)
	}
}

func TestAuthorization(t *testing.T) {
	g, _ := open(t)
	session := signIn(t, g, Organiser)
	for _, test := range []struct {
		name, header string
		cookie       bool
		way          string // empty: refused
	}{
		{"the scheme in another case", "bearer " + g.Token(Viewer), false, WayToken},
		{"spaces", "Bearer   " + g.Token(Viewer) + " ", false, WayToken},
		{"no scheme", g.Token(Viewer), false, ""},
		{"a proxy's password beside a session", "Basic YTpi", true, WaySession},
		{"a proxy's password alone", "Basic YTpi", false, ""},
		{"a wrong token beside a session", "Bearer x", true, ""},
		{"a right token beside a session", "Bearer " + g.Token(Organiser), true, WayToken},
	} {
		r := request("GET")
		r.Header.Set("Authorization", test.header)
		if test.cookie {
			r.AddCookie(session)
		}
		if who, _ := g.Check(r); who.Way != test.way {
			t.Errorf("%s: %+v, want it by %q", test.name, who, test.way)
		}
	}
}

// Requests, sign-ins and sign-outs go on while tokens are replaced.
func TestConcurrent(t *testing.T) {
	g, _ := open(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 50 {
				w := httptest.NewRecorder()
				if _, err := g.SignIn(w, request("POST"), g.Token(Organiser)); err != nil {
					continue // replaced in between
				}
				c := w.Result().Cookies()[0]
				ask(g, withCookie(request("POST"), c))
				if err := g.SignOut(httptest.NewRecorder(), withCookie(request("POST"), c)); err != nil {
					t.Error(err)
				}
				if got := status(g, withCookie(request("GET"), c)); got == http.StatusOK {
					t.Error("a session goes on after it was signed out")
				}
			}
		})
	}
	for range 20 {
		replace(t, g, kinds[1])
		must(t, g.Reload())
	}
	wait.Wait()
	if got := status(g, withToken(request("POST"), g.Token(Organiser))); got != http.StatusOK {
		t.Errorf("the token afterwards: %d", got)
	}
}

// overTLS makes a request one that has come by TLS.
func overTLS(r *http.Request) *http.Request {
	r.TLS = &tls.ConnectionState{}
	return r
}
