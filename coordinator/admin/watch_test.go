package admin

import (
	"context"
	"database/sql"
	"math"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"fedtab/api/v1"
	"fedtab/coordinator/store"
	"fedtab/coordinator/web"
	"fedtab/run"
)

// past is a Backend of runs that are not served.
type past struct {
	Backend
	store *store.Store
}

func (past) Studies() []*web.Study { return nil }

func (p past) Find(name string) (store.Run, error) {
	r, _, err := p.store.FindRun(name)
	return r, err
}

// longRun returns the API of a database with a run "r" of a number of rounds, with as many
// participants, of whom 100 contribute to each round.
func longRun(b testing.TB, rounds, participants int) *API {
	b.Helper()
	dir := b.TempDir()
	open := func() *store.Store {
		s, err := store.Open(dir, "test")
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	s := open()
	if err := s.CreateRun(store.Run{ID: "r", Task: "t", Created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}); err != nil {
		b.Fatal(err)
	}
	s.Close()
	db, err := sql.Open("sqlite", filepath.Join(dir, store.File))
	if err != nil {
		b.Fatal(err)
	}
	for _, insert := range []string{
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
			INSERT INTO rounds (run, round, order_number, base, opened_at, deadline_at, committed_at, participants, weight, train_loss, test_loss, test_accuracy, test_examples,
			bytes_up, bytes_down, rate, models_up, models_down, kinds, cohort, participant_list, download, training, upload, committing, norm_min, norm_median, norm_max)
			SELECT 'r', i, i, i - 1, strftime('%Y-%m-%dT%H:%M:%fZ', 1767225600 + i, 'unixepoch'), '', strftime('%Y-%m-%dT%H:%M:%fZ', 1767225600.5 + i, 'unixepoch'), 100, 60000, 1.0 / i + random() * 1e-21, 1.0 / i, 1 - 1.0 / i + random() * 1e-21, 10000,
			2500000, 2600000, .1, 100, 100, '{"model":{"up":0,"down":2500000},"order":{"up":0,"down":100000},"contribution":{"up":2500000,"down":0}}',
			(SELECT json_group_array(value) FROM generate), '[]', .1, .2, .1, .05, 1, 2, 3 FROM n`,
		`INSERT INTO models (run, version, hash, length) SELECT run, round, printf('%064d', round), 199210 FROM rounds`,
		`UPDATE runs SET version = ?1, evaluated = ?1`,
		`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
			INSERT INTO participants (run, participant, client, contributions, examples, first_round, last_round, bytes_up, bytes_down, rejected)
			SELECT 'r', i, 'Firefox 140 on Linux', i % 97, 600 * (i % 97), 1, i, 25000 * i, 26000 * i, i % 7 FROM n`,
	} {
		insert = `CREATE TEMP VIEW IF NOT EXISTS generate AS SELECT value FROM json_each('[` + numbers(100) + `]');` + insert
		if _, err := db.Exec(insert, rounds, participants); err != nil {
			b.Fatal(err)
		}
	}
	db.Close()
	s = open()
	b.Cleanup(func() { s.Close() })
	return New(Config{Backend: past{store: s}, Store: store.Shown{Store: s}})
}

// numbers returns 1 to n with commas between them.
func numbers(n int) (text string) {
	for i := range n {
		if i > 0 {
			text += ","
		}
		text += number(i + 1)
	}
	return text
}

// ask is a request to the API.
func ask(b testing.TB, h *API, path string, answer any) {
	b.Helper()
	if err := Local(h.Socket()).Do(context.Background(), http.MethodGet, path, nil, answer); err != nil {
		b.Fatal(err)
	}
}

// A run of 12,000 rounds is answered in under 30 ms once it is at hand. "cold" reads it from
// the database.
func BenchmarkCurve(b *testing.B) {
	h := longRun(b, 12_000, 100)
	for _, name := range []string{"cold", "warm"} {
		b.Run(name, func(b *testing.B) {
			var c v1.History
			ask(b, h, "/runs/r/curve", &c)
			for b.Loop() {
				if name == "cold" {
					h.curves = curves{}
				}
				ask(b, h, "/runs/r/curve", nil)
			}
			b.ReportMetric(float64(len(c.Round)), "rounds")
		})
	}
}

// The history of a long run is read once somebody has seen the run in a list.
func TestReadAhead(t *testing.T) {
	h := longRun(t, aheadFrom, 1)
	ask(t, h, "/runs", nil)
	past := h.curves.of("r")
	deadline := time.After(time.Minute)
	for tick := time.NewTicker(time.Millisecond); ; {
		past.mu.Lock()
		n := len(past.points)
		past.mu.Unlock()
		if n == aheadFrom {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the history is not read")
		}
	}
}

func BenchmarkParticipants(b *testing.B) {
	h := longRun(b, 100, 1000)
	for _, sort := range []string{"participant", "contributions"} {
		b.Run(sort, func(b *testing.B) {
			for b.Loop() {
				ask(b, h, "/runs/r/participants?limit=1000&sort="+sort, nil)
			}
		})
	}
}

func BenchmarkShape(b *testing.B) {
	h := longRun(b, 12_000, 100)
	for b.Loop() {
		ask(b, h, "/runs/r/shape", nil)
	}
}

// Of a long run the first round, the last one and what stands out are left, and never more
// than was asked for.
func TestThin(t *testing.T) {
	all := make([]point, 12_000)
	for i := range all {
		nan := math.NaN()
		all[i] = point{round: uint64(i + 1), trainLoss: nan, testLoss: nan, testAccuracy: nan, testRMSE: nan, normMax: nan, seconds: 1}
		if i%7 == 0 {
			all[i].testLoss, all[i].testAccuracy = 1, .5+float64(i%100)/1000
		}
	}
	all[777].testAccuracy, all[7777].testAccuracy, all[5000].trainLoss, all[6001].seconds, all[9003].normMax = .01, .99, 9, 60, 1e6
	for _, n := range []int{2, 3, 10, 600, 5000, 11_999, 12_000, 20_000} {
		chosen := thin(all, n)
		if len(chosen) > n || len(chosen) < min(n, len(all))/4 || chosen[0] != 0 || chosen[len(chosen)-1] != len(all)-1 || !slices.IsSorted(chosen) {
			t.Errorf("%d of %d rounds: %d, from %d to %d", n, len(all), len(chosen), chosen[0], chosen[len(chosen)-1])
		}
		if n < 600 {
			continue
		}
		for _, i := range []int{777, 7777, 5000, 6001, 9003} {
			if !slices.Contains(chosen, i) {
				t.Errorf("%d of %d rounds: round %d is an extreme, and not among them", n, len(all), i+1)
			}
		}
	}
	if got := thin(nil, 600); len(got) != 0 {
		t.Errorf("no rounds: %v", got)
	}
}

// Rounds of an older version have no times and no norms, and what is not finite is null.
func TestPointOf(t *testing.T) {
	opened := time.Unix(1000, 0)
	old := pointOf(&run.RoundRecord{Round: 1, Opened: opened, Committed: opened.Add(3 * time.Second), TrainLoss: math.Inf(1), Weight: math.NaN(), Rate: .1}, 10)
	if w := old.waiting(opened.Add(-5 * time.Second)); w != 5 {
		t.Errorf("waiting: %v, want the 5 s until it opened", w)
	}
	timed := pointOf(&run.RoundRecord{Round: 2, Opened: opened, Committed: opened.Add(3 * time.Second), Times: &run.Times{Training: time.Second, Upload: time.Second / 2, Commit: time.Second / 2}}, 10)
	if w := timed.waiting(opened.Add(-5 * time.Second)); w != 6 {
		t.Errorf("waiting: %v, want the 6 s that are none of its own 2", w)
	}
	h := history{points: []point{old, timed}}
	c := h.curve(store.Run{ID: "r", Created: opened.Add(-7 * time.Second)}, []int{0, 1})
	if c.TrainLoss[0] != nil || c.Training[0] != nil || c.Download[1] != nil || *c.Training[1] != 1 || c.Examples[1] != 0 || c.At[0] != 10 || c.NormMax[1] != nil || c.RawRatio[0] != nil {
		t.Errorf("curve: %+v", c)
	}
}
