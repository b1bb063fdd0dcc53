package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// A tab whose data cannot be fetched says why, tries again, asks its person to act, and
// trains once the data has come.
func TestDataMissing(t *testing.T) {
	c := serve(t, digits())
	target, err := url.Parse(c.url())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // the page's origin
	}}
	var missing atomic.Bool
	missing.Store(true)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if missing.Load() && strings.HasPrefix(r.URL.Path, "/data/") {
			http.NotFound(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	defer front.CloseClientConnections() // event streams last
	b := open(t, front.URL+"/")
	b.join()
	await(t, "the page says what failed", func() bool {
		return b.text("state") == "Cannot fetch data: the coordinator answers 404, trying again"
	})
	await(t, "the page says what to do", func() bool {
		return strings.Contains(js[string](b, "document.querySelector('#state + .aside').textContent"), "Reload the page; if that does not help, tell the organiser.")
	})
	missing.Store(false)
	await(t, "the tab trains", func() bool { return b.state("activity") == "training" })
	await(t, "the trouble is forgotten", func() bool {
		return !strings.Contains(js[string](b, "document.querySelector('#state + .aside').textContent"), "fetch")
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problems = slices.DeleteFunc(b.problems, func(p string) bool { return strings.Contains(p, "status of 404") })
}

// A tab learns prices from a table as spreadsheets write it in Germany, and the page
// shows the error in euros.
func TestTabPredictsNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	rows := "area;rooms;price\n"
	for range 400 {
		area := 20 + 180*r.Float64()
		rooms := 1 + int(area/30)
		rows += strings.ReplaceAll(fmt.Sprintf("%.1f;%d;%.2f\n", area, rooms, 2500*area+8000*float64(rooms)+1000*r.NormFloat64()), ".", ",")
	}
	table := filepath.Join(t.TempDir(), "flats.csv")
	if err := os.WriteFile(table, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	c := serve(t, fmt.Sprintf(`name: flats
title: What a flat costs
model: {kind: linear}
data: {source: csv, csv: {path: %q, target: price, predict: number}, public: true, partition: {kind: iid, clients: 4}}
strategy: {kind: fedavg, fraction: 1, epochs: 5, batch: 10, lr: 0.05, min_clients: 1}
stop: {rounds: 50, metrics: [{metric: rmse, reach: 2500}]}
`, table))
	b := open(t, c.url())
	b.press("join") // the run may be over before the page shows that the tab has joined
	await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
	reached := c.state("flats")
	await(t, "the coordinator says why", func() bool { reached = c.state("flats"); return reached.Finished != "" })
	if want := "test RMSE "; !strings.HasPrefix(reached.Finished, want) {
		t.Errorf("finished with %q, want %s... reached", reached.Finished, want)
	}
	await(t, "the page shows the error that ended the run", func() bool { // a later version may have been made meanwhile
		return strings.HasSuffix(reached.Finished, " at version "+js[string](b, "document.getElementById('test-error').dataset.version"))
	})
	shown, _ := b.value("test-error")
	if shown < 500 || shown > 2500 {
		t.Errorf("the page shows an error of %v, want about the noise of 1000", shown)
	}
	for _, want := range []string{"Typical error of price", "of the variance explained", "test RMSE 2,500 or less", "Training is finished: typical test error "} {
		await(t, "the page says "+want, func() bool {
			return strings.Contains(js[string](b, "document.getElementById('page').textContent"), want)
		})
	}
	if js[bool](b, "document.getElementById('test-accuracy').offsetParent !== null") {
		t.Error("the page shows an accuracy of numbers")
	}
	if *screenshots != "" {
		b.pictures("13-numbers")
	}
}

// A page has a row for each class: how many of its examples are found, and what they
// are mistaken for.
func TestTabTellsClassesApart(t *testing.T) {
	c := serve(t, digits("rounds: 15", "rounds: 2"))
	b := open(t, c.url())
	b.join()
	await(t, "the run is finished", func() bool { return b.state("connection") == "finished" })
	await(t, "every class has a row", func() bool {
		return js[int](b, "document.querySelectorAll('#classes tr').length") == 10
	})
	await(t, "the figures of the last version are shown", func() bool {
		page := js[string](b, "document.getElementById('page').textContent")
		return strings.Contains(page, "Balanced accuracy ") && strings.Contains(page, "on 10,000 test examples")
	})
	if *screenshots != "" {
		b.pictures("14-classes")
	}
}
