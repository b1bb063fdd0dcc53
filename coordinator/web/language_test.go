package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"fedtab/coordinator/quota"
)

// A page is in the language that its address asks for, which a cookie remembers; else in
// that of the cookie, or the browser's.
func TestLanguage(t *testing.T) {
	for _, c := range []struct {
		name, target, cookie, accept string
		want, remembered             string
	}{
		{"nothing", "/", "", "", "en", ""},
		{"the browser's", "/t/digits", "", "fr, de-CH;q=0.8, en;q=0.5", "de", ""},
		{"the cookie's", "/", "de", "en", "de", ""},
		{"the address's", "/?lang=en", "de", "de", "en", "en"},
		{"unknown ones", "/?lang=tlh", "<script>", "de", "de", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &server{site: testSite(t, "https://example.com/study", quota.Addresses{})}
			r := httptest.NewRequest("GET", c.target, nil)
			r.Header.Set("Accept-Language", c.accept)
			if c.cookie != "" {
				r.AddCookie(&http.Cookie{Name: languageCookie, Value: c.cookie})
			}
			w := httptest.NewRecorder()
			if got := s.language(w, r).Code; got != c.want {
				t.Errorf("the language is %s, want %s", got, c.want)
			}
			remembered, path := "", ""
			for _, cookie := range w.Result().Cookies() {
				remembered, path = cookie.Value, cookie.Path
			}
			if remembered != c.remembered || remembered != "" && path != "/study/" {
				t.Errorf("the cookie is %q below %q, want %q", remembered, path, c.remembered)
			}
			if got := w.Header().Get("Vary"); got != "Accept-Language, Cookie" {
				t.Errorf("Vary is %q, want Accept-Language, Cookie", got)
			}
		})
	}
}
