package web

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fedtab/coordinator/hub"
	"fedtab/coordinator/qrcode"
	"fedtab/coordinator/quota"
)

func TestQR(t *testing.T) {
	st, _ := studyOf(t, "anes96")
	sockets := hub.New(nil, hub.DefaultLimits(), slog.New(slog.DiscardHandler))
	for _, test := range []struct {
		name, public, host, path string
		tls                      bool
		want                     string // text of the code; empty: 400
	}{
		{"home", "", "localhost:8080", "", false, "http://localhost:8080/"},
		{"a task", "", "192.0.2.1", "t/anes96", false, "http://192.0.2.1/t/anes96"},
		{"TLS", "", "localhost", "t/anes96", true, "https://localhost/t/anes96"},
		{"a public address", "https://study.example/fedtab", "localhost", "t/anes96", false, "https://study.example/fedtab/t/anes96"},
		{"an unknown task", "", "localhost", "t/none", false, ""},
		{"another host", "", "localhost", "//evil.example/", false, ""},
		{"a URL", "", "localhost", "https://evil.example/", false, ""},
		{"steps up", "", "localhost", "../evil", false, ""},
		{"an invite of its own", "", "localhost", "t/anes96#invite=x", false, ""},
		{"a slash", "", "localhost", "/t/anes96", false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := New(NewStudies(st), sockets, nil, http.NotFoundHandler(), testSite(t, test.public, quota.Addresses{}), Limits{}, slog.New(slog.DiscardHandler))
			r := httptest.NewRequest("GET", "/qr.svg", nil)
			r.Host, r.URL.RawQuery = test.host, "path="+strings.ReplaceAll(test.path, "#", "%23")
			if test.tls {
				r.TLS = &tls.ConnectionState{}
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			got, err := io.ReadAll(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			if test.want == "" {
				if w.Code != 400 || !strings.Contains(string(got), "want t/NAME with the name of a task, or none for the home page") {
					t.Errorf("%d %s, want 400 and what would be right", w.Code, got)
				}
				return
			}
			want, err := qrcode.SVG(test.want)
			if err != nil {
				t.Fatal(err)
			}
			if w.Code != 200 || w.Header().Get("Content-Type") != "image/svg+xml" || !bytes.Equal(got, want) {
				t.Errorf("%d %s, want the code of %s", w.Code, got, test.want)
			}
		})
	}
}
