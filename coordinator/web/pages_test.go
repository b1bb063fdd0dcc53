package web

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"fedtab/coordinator/hub"
	"fedtab/coordinator/quota"
	"fedtab/coordinator/task"
	"fedtab/static"
)

// pagesOf serves the pages of studies.
func pagesOf(t *testing.T, studies ...*Study) *httptest.Server {
	t.Helper()
	frame, err := static.OpenFrame()
	if errors.Is(err, static.ErrUnbuilt) {
		t.Skip("static/dist is empty: run make build")
	}
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s := httptest.NewServer(New(NewStudies(studies...), hub.New(nil, hub.DefaultLimits(), log), NewPages(frame, nobody(t)), static.Handler(), testSite(t, "", quota.Addresses{}), Limits{}, log))
	t.Cleanup(s.Close)
	return s
}

// visit returns the response to a browser, which does not follow redirects.
func visit(t *testing.T, url string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w, string(b)
}

func TestPeoplesPages(t *testing.T) {
	digits, _ := studyOf(t, "mnist-2nn")
	votes, _ := studyOf(t, "anes96")
	alone, both := pagesOf(t, digits), pagesOf(t, digits, votes)
	for _, c := range []struct {
		name, url string
		header    []string
		status    int
		location  string
		has       []string
	}{
		{"one task", alone.URL + "/", nil, 302, "t/mnist-2nn", nil},
		{"one task, with an invite", alone.URL + "/?invite=x", nil, 302, "t/mnist-2nn?invite=x", nil},
		{"home", both.URL + "/", nil, 200, "", []string{`<html lang="en"`, `href="t/mnist-2nn"`, `href="t/anes96"`, `href="bench"`, `data-kind="home"`}},
		{"task", both.URL + "/t/mnist-2nn", nil, 200, "", []string{`<h1 id="task-title"`, "60,000", `src="../host.`, `data-testid="join"`, `href="../bench"`, `"kind":"task"`}},
		{"German", both.URL + "/t/mnist-2nn", []string{"Accept-Language", "fr, de-AT;q=0.8, en;q=0.5"}, 200, "", []string{`<html lang="de"`, `href="?lang=en"`}},
		{"chosen", both.URL + "/t/mnist-2nn", []string{"Accept-Language", "de", "Cookie", languageCookie + "=en"}, 200, "", []string{`<html lang="en"`}},
		{"choice", both.URL + "/t/mnist-2nn?invite=x&lang=de", nil, 303, "mnist-2nn?invite=x", nil},
		{"choice at home", both.URL + "/?lang=de", nil, 303, "./", nil},
		{"no such language", both.URL + "/?lang=xx", nil, 200, "", []string{`<html lang="en"`}},
		{"screen", both.URL + "/screen", nil, 200, "", []string{`data-kind="screen"`, `src="qr.svg"`, both.URL + "/</figcaption>"}},
		{"screen of a task", both.URL + "/screen?task=anes96", nil, 200, "", []string{`src="qr.svg?path=t/anes96"`, both.URL + "/t/anes96</figcaption>"}},
		{"screen of the only task", alone.URL + "/screen", nil, 200, "", []string{`src="qr.svg?path=t/mnist-2nn"`}},
		{"screen of no task", both.URL + "/screen?task=none", nil, 404, "", []string{`data-kind="absent"`}},
		{"measuring", both.URL + "/bench", nil, 200, "", []string{
			`<html lang="en" data-kind="bench"`, "<title>How fast is this device? · fedtab</title>", `data-images="data/mnist-2nn/`, `data-shards="100"`,
			"Measure</button>", "Stop</button>", `data-job="2NN, dense inputs, mini-batches of 32"`, `data-progress="{0} of {1}: {2}"`,
			`data-faster="{0} times as fast"`, `data-slower="{0} times slower"`, "Nothing leaves this device", `src="host.`,
		}},
		{"measuring, German", both.URL + "/bench", []string{"Accept-Language", "de"}, 200, "", []string{
			`<html lang="de" data-kind="bench"`, "<title>Wie schnell ist dieses Gerät? · fedtab</title>", "Messen</button>", "Abbrechen</button>",
			`data-job="2NN, dichte Eingaben, Mini-Batches von 32"`, `data-progress="{0} von {1}: {2}"`, `data-faster="{0}-mal so schnell"`, "Nichts verlässt dieses Gerät",
		}},
		{"measuring, chosen", both.URL + "/bench?lang=de", nil, 303, "bench", nil},
		{"no such task", both.URL + "/t/none", nil, 404, "", []string{"There is no such page", `href=".././"`, `data-kind="absent"`}},
		{"no such page", both.URL + "/a/b.html", nil, 404, "", []string{"There is no such page"}},
	} {
		w, body := visit(t, c.url, c.header...)
		if w.StatusCode != c.status || w.Header.Get("Location") != c.location {
			t.Errorf("%s: status %d, location %q, want %d, %q", c.name, w.StatusCode, w.Header.Get("Location"), c.status, c.location)
		}
		for _, want := range c.has {
			if !strings.Contains(body, want) {
				t.Errorf("%s: the page lacks %s", c.name, want)
			}
		}
		if strings.Contains(body, "asset:") || strings.Contains(body, "{{") {
			t.Errorf("%s: the page is not filled in", c.name)
		}
	}
	w, _ := visit(t, both.URL+"/?lang=de")
	if cookie := w.Header.Get("Set-Cookie"); !strings.HasPrefix(cookie, languageCookie+"=de;") || !strings.Contains(cookie, "SameSite=Lax") {
		t.Errorf("the choice of a language is kept as %q", cookie)
	}
}

// A link that chooses a language stays on this host, whatever its path looks like.
func TestChoiceStaysHere(t *testing.T) {
	digits, _ := studyOf(t, "mnist-2nn")
	votes, _ := studyOf(t, "anes96")
	site := pagesOf(t, digits, votes)
	for _, path := range []string{`/%5C%5Cother.example`, "/https:other.example", `/https:%5C%5Cother.example`, "/a/javascript:alert(1)"} {
		w, _ := visit(t, site.URL+path+"?lang=de")
		location := w.Header.Get("Location")
		to, err := url.Parse(location)
		if w.StatusCode != 303 || err != nil || to.Scheme != "" || to.Host != "" || strings.Contains(location, `\`) {
			t.Errorf("%s: status %d, location %q, %v, want one on this host", path, w.StatusCode, location, err)
		}
	}
}

// Pages that do not exist cost little: there are as many of them as anyone can think of.
func TestAbsentPagesAreBounded(t *testing.T) {
	digits, _ := studyOf(t, "mnist-2nn")
	votes, _ := studyOf(t, "anes96")
	frame, err := static.OpenFrame()
	if err != nil {
		t.Skip(err)
	}
	log := slog.New(slog.DiscardHandler)
	pages := NewPages(frame, nobody(t))
	s := httptest.NewServer(New(NewStudies(digits, votes), hub.New(nil, hub.DefaultLimits(), log), pages, static.Handler(), testSite(t, "", quota.Addresses{}), Limits{}, log))
	t.Cleanup(s.Close)
	visit(t, s.URL+"/t/none")
	few := len(pages.cache)
	for i := range 20 {
		for _, path := range []string{"/t/none-%d", "/t/a%%2Fb%%2F%d", "/t/mnist-2nn?x=%d", "/screen?task=%d"} {
			visit(t, s.URL+fmt.Sprintf(path, i))
		}
	}
	if n := len(pages.cache); n > few+2 {
		t.Errorf("%d pages are kept, want those of / and /t/ alone, and a task: %d", n, few+2)
	}
	_, body := visit(t, s.URL+"/t/a%2Fb%2Fc%2Fd")
	if !strings.Contains(body, `src="../host.`) {
		t.Errorf("the page of /t/a%%2Fb does not lead to the root by ../")
	}
	for _, last := range []string{"b.html", "api"} {
		w, body := visit(t, s.URL+"/"+strings.Repeat("a/", 5000)+last)
		if w.StatusCode != 404 || len(body) > 1000 {
			t.Errorf("%s at depth 5000: status %d, %d bytes, want 404 in a line", last, w.StatusCode, len(body))
		}
	}
}

// Titles, names and paths are text, whatever is in them.
func TestMarkupIsText(t *testing.T) {
	const bad = `</script><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}`
	tk, err := task.Find("mnist-2nn", nil)
	if err != nil {
		t.Fatal(err)
	}
	tk.Title, tk.Description = task.Text{"en": bad, "de": bad}, task.Text{"en": bad, "de": bad}
	digits, _ := serveStudy(t, tk)
	votes, _ := studyOf(t, "anes96")
	site := pagesOf(t, digits, votes)
	for _, path := range []string{"/", "/t/mnist-2nn", "/screen?task=mnist-2nn", "/" + url.PathEscape(bad), "/" + url.PathEscape(bad) + "/api/x", "/screen?task=" + url.QueryEscape(bad)} {
		for _, language := range []string{"en", "de"} {
			_, body := visit(t, site.URL+path, "Accept-Language", language)
			if !strings.Contains(body, "alert(1)") && !strings.HasPrefix(path, "/screen?task=%") && path != "/"+url.PathEscape(bad) {
				t.Errorf("%s in %s: the text is not in the page", path, language)
			}
			for _, part := range []string{"<script>alert", "<img src=x"} {
				if strings.Contains(body, part) {
					t.Errorf("%s in %s: %s is in the page as it is", path, language, part)
				}
			}
		}
	}
}
