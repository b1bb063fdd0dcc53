package simulate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rows writes a CSV file of n rows.
func rows(t *testing.T, n int, header string, row func(r *rand.Rand) string) string {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString(header + "\n")
	for range n {
		b.WriteString(row(r) + "\n")
	}
	path := filepath.Join(t.TempDir(), "table.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A target in euros is learned, and its error is in euros.
func TestLearnsATargetInItsUnit(t *testing.T) {
	path := rows(t, 400, "area,price", func(r *rand.Rand) string {
		area := 20 + 180*r.Float64()
		return fmt.Sprintf("%.2f,%.2f", area, 2500*area+1000*r.NormFloat64())
	})
	for _, scheme := range [][]string{
		{"strategy.kind=fedavg"},
		{"strategy.kind=central", "strategy.fraction="},
		{"strategy.kind=minibatch", "strategy.epochs=", "strategy.batch=40", "strategy.lr=0.3"},
	} {
		res := simulate(t, "csv", append(scheme, "data.csv.path="+path, "data.csv.target=price", "data.csv.predict=number", "data.csv.ignore=", "data.csv.missing=",
			"data.partition.clients=4", "model.hidden=", "model.kind=linear", "stop={rounds: 60}")...)
		last := res.Rounds[len(res.Rounds)-1]
		// The noise is 1,000; the prices' deviation is about 130,000.
		if last.TestRMSE == nil || *last.TestRMSE < 700 || *last.TestRMSE > 1500 || *last.TestR2 < .999 || last.TestAccuracy != nil {
			t.Errorf("%v: RMSE %v, R2 %v, accuracy %v, want about 1000, 1 and none", scheme, figure(last.TestRMSE), figure(last.TestR2), figure(last.TestAccuracy))
		}
	}
}

func figure(x *float64) any {
	if x == nil {
		return nil
	}
	return *x
}

// Where 97 of 100 are healthy, accuracy is reached without finding one who is ill;
// recall is reached only by finding them.
func TestRareClass(t *testing.T) {
	path := rows(t, 3000, "marker,outcome", func(r *rand.Rand) string {
		if r.Float64() < .03 {
			return fmt.Sprintf("%.3f,ill", 3.5+r.NormFloat64())
		}
		return fmt.Sprintf("%.3f,healthy", r.NormFloat64())
	})
	run := func(sets ...string) *Result {
		return simulate(t, "csv", append(sets, "data.csv.path="+path, "data.csv.target=outcome", "data.csv.ignore=", "data.csv.missing=", "data.partition.clients=4", "data.holdout=0.4")...)
	}
	easy := run("stop={rounds: 100, accuracy: 0.95}")
	if easy.Final.Round > 2 || *easy.Final.TestBalancedAccuracy > .6 {
		t.Errorf("95%% accuracy in round %d with a balanced accuracy of %.3f, want in round 1 or 2 without finding the rare class", easy.Final.Round, *easy.Final.TestBalancedAccuracy)
	}
	const rare = "metrics: [{metric: recall, class: ill, reach: 0.8}]}"
	if slow := run("stop={rounds: 20, " + rare); slow.Final.Reason != "20 rounds done" {
		t.Errorf("%s after %d rounds, want a recall of 0.8 not reached in 20 rounds", slow.Final.Reason, slow.Final.Round)
	}
	if weighted := run("stop={rounds: 20, "+rare, "model.class_weights=balanced"); !strings.HasPrefix(weighted.Final.Reason, "test recall of ill") || *weighted.Final.TestBalancedAccuracy < .85 {
		t.Errorf("with balanced class weights: %s after %d rounds, balanced accuracy %.3f, want a recall of 0.8", weighted.Final.Reason, weighted.Final.Round, *weighted.Final.TestBalancedAccuracy)
	}
	hard := run("stop={rounds: 100, metrics: [{metric: recall, class: ill, reach: 0.4}]}")
	if hard.Final.Round <= easy.Final.Round || !strings.HasPrefix(hard.Final.Reason, "test recall of ill 0.") || *hard.Final.TestBalancedAccuracy < .69 {
		t.Errorf("%s after %d rounds with a balanced accuracy of %.3f, want a recall of 0.4 reached later", hard.Final.Reason, hard.Final.Round, *hard.Final.TestBalancedAccuracy)
	}
}
