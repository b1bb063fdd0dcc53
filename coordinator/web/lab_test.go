package web

import (
	"net/http"
	"strings"
	"testing"

	"fedtab/lab"
)

// The lab's pages are there without a task of their own, each with its figures drawn; one
// that there is not is answered with 404.
func TestLabPages(t *testing.T) {
	votes, _ := studyOf(t, "anes96")
	site := pagesOf(t, votes)
	_, list := visit(t, site.URL+"/lab")
	for _, s := range lab.Sheets() {
		if !strings.Contains(list, `href="lab/`+s.Name+`"`) {
			t.Errorf("the list does not lead to %s", s.Name)
		}
		r, body := visit(t, site.URL+"/lab/"+s.Name)
		if r.StatusCode != http.StatusOK || !strings.Contains(body, `data-kind="stand"`) || !strings.Contains(body, `<svg `) || !strings.Contains(body, `href="../lab"`) {
			t.Errorf("%s: status %d, or not the page with its figures", s.Name, r.StatusCode)
		}
		if _, other := visit(t, site.URL+"/lab/"+s.Name+"?seed=7"); other != body {
			t.Errorf("%s: the coordinator draws a state that an address asks for", s.Name)
		}
	}
	if r, _ := visit(t, site.URL+"/lab/none"); r.StatusCode != http.StatusNotFound {
		t.Errorf("a page that there is not: status %d, want 404", r.StatusCode)
	}
}
