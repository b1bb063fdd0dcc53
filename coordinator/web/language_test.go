package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// A page is in the language of the cookie, else in the browser's; an address with ?lang
// sets the cookie and leads on to the address without it.
func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		name, target, cookie, accept string
		want, chosen, location       string
	}{
		{"nothing", "/", "", "", "en", "", ""},
		{"the browser's", "/t/digits", "", "fr, de-CH;q=0.8, en;q=0.5", "de", "", ""},
		{"the cookie's", "/", "de", "en", "de", "", ""},
		{"chosen at the root", "/?lang=en", "de", "de", "de", "en", "./"},
		{"chosen at a task", "/t/digits?a=1&lang=de", "", "", "en", "de", "digits?a=1"},
		{"unknown ones", "/?lang=tlh", "<script>", "de", "de", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", c.target, nil)
			r.Header.Set("Accept-Language", c.accept)
			if c.cookie != "" {
				r.AddCookie(&http.Cookie{Name: languageCookie, Value: c.cookie})
			}
			if got := languageOf(r).Code; got != c.want {
				t.Errorf("the language is %s, want %s", got, c.want)
			}
			w := httptest.NewRecorder()
			if chosen := choose(w, r); chosen != (c.chosen != "") {
				t.Errorf("chosen: %v, want %q", chosen, c.chosen)
			}
			chosen := ""
			for _, cookie := range w.Result().Cookies() {
				chosen = cookie.Value
			}
			if location := w.Header().Get("Location"); chosen != c.chosen || location != c.location {
				t.Errorf("the cookie is %q and leads to %q, want %q and %q", chosen, location, c.chosen, c.location)
			}
		})
	}
}
