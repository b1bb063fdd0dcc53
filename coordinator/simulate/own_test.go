package simulate

import (
	"bytes"
	"math"
	"testing"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
)

// ownTask is a task in which each of five clients has some rows of the survey.
const ownTask = `name: own
model: {kind: mlp, hidden: []}
data:
  source: own
  table:
    features:
      - {name: PID, type: number, min: 0, max: 6}
      - {name: selfLR, type: number, min: 1, max: 7}
      - {name: age, type: number, min: 18, max: 120}
    label: {name: vote, values: [Clinton, Dole]}
  from: {csv: ../dataset/anes96/anes96.csv, partition: {kind: power-law, exponent: 1, clients: 5}}
strategy: {kind: fedavg, fraction: 1, batch: 10, lr: 0.05, min_clients: 3}
stop: {rounds: 15}
`

// divided opens the data of ownTask and runs it.
func divided(t *testing.T, sets ...string) (*dataset.Dataset, *Result) {
	t.Helper()
	tk, err := task.Parse("own.yaml", []byte(ownTask), sets...)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dataset.Open(tk)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Divide(tk); err != nil {
		t.Fatal(err)
	}
	res, err := Run(t.Context(), tk, d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d, res
}

// The simulated clients are surveyed, train and evaluate as tabs do. The constants are
// those of all training rows in one place.
func TestOwn(t *testing.T) {
	d, res := divided(t)
	n, mean, squares := 0., make([]float64, 3), make([]float64, 3)
	each := func(visit func([]float64, uint8)) {
		for _, p := range d.Parts {
			p.Each(visit)
		}
	}
	each(func(x []float64, _ uint8) {
		n++
		for k, v := range x {
			mean[k] += v
		}
	})
	for k := range mean {
		mean[k] /= n
	}
	each(func(x []float64, _ uint8) {
		for k, v := range x {
			squares[k] += (v - mean[k]) * (v - mean[k])
		}
	})
	for k, c := range d.Encoding().Columns {
		if want := math.Sqrt(squares[k] / n); math.Abs(c.Mean-mean[k]) > 1e-9*mean[k] || math.Abs(c.Deviation-want) > 1e-9*want {
			t.Errorf("%s: mean %v and deviation %v, want %v and %v", c.Name, c.Mean, c.Deviation, mean[k], want)
		}
	}
	if a := res.Final.TestAccuracy; a == nil || *a < .87 || *a > .95 {
		t.Errorf("accuracy %v, want about 0.9", a)
	}
	_, again := divided(t)
	var a, b bytes.Buffer
	res.WriteJSON(&a)
	if again.WriteJSON(&b); !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same seed gives another result")
	}
}

// Every way to standardise and to evaluate, the central baseline, and schemes without
// rounds.
func TestOwnWays(t *testing.T) {
	for _, c := range []struct {
		name string
		sets []string
	}{
		{"a test file", []string{"evaluate={on: test, test: {csv: ../dataset/anes96/anes96.csv}}"}},
		{"both", []string{"evaluate={on: both, test: {csv: ../dataset/anes96/anes96.csv}}"}},
		{"local constants", []string{"data.standardise=local"}},
		{"the central baseline", []string{"strategy={kind: central, fraction: 0, min_clients: 0}"}},
		{"dynamic averaging", []string{"strategy={kind: dynamic, fraction: 0, min_clients: 0, batches: 5, delta: 0.1}", "stop.rounds=60"}},
		{"a liar", []string{"adversaries={kind: sign-flip, fraction: 0.2}"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, res := divided(t, c.sets...); res.Final.TestAccuracy == nil || *res.Final.TestAccuracy < .85 {
				t.Errorf("accuracy %v, want at least 0.85", res.Final.TestAccuracy)
			}
		})
	}
}

// A number is predicted in its own unit.
func TestOwnRegression(t *testing.T) {
	_, res := divided(t, "model={kind: linear}", "model.hidden=", "data.table.features=[{name: educ, type: number, min: 1, max: 7}, {name: age, type: number, min: 18, max: 120, missing: mean}]",
		"data.table.label={name: income, type: number, min: 1, max: 24}", "data.table.label.values=")
	f := res.Final
	if f.TestRMSE == nil || *f.TestRMSE < 4 || *f.TestRMSE > 6.5 || f.TestR2 == nil || *f.TestR2 < .1 {
		t.Errorf("RMSE %v, R2 %v, want about 5.5 of 24 incomes and 0.15", f.TestRMSE, f.TestR2)
	}
}
