package compare

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"fedtab/coordinator/compare/figure"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/lab/study"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
)

// computation is what a part computes that is no simulation. Its rows have measures of their
// own, of which columns are told in a table.
type computation func(ctx context.Context, seeds []uint64) (*findings, error)

type findings struct {
	rows    []*Row
	columns []heading
	figures []Named
}

// heading is a column of a study's table.
type heading struct {
	name, words string
	unit        unit
}

// studies are those of the article's two figures, and attacks on what a coordinator sees.
var studies = map[string]computation{
	"lambda": lambdas, "surface": surface, "mixing": mixing,
	"members_single": membership(memberSingle, drawROC), "members_sums": membership(memberSums, drawSums), "members_noise": membership(memberNoise, drawNoise),
	"members_hidden": membership(memberHidden, drawROC),
	"inversion":      inversion,
}

func studyNames() []string { return sorted(studies) }

// add adds the value of a seed to a measure of a row.
func (f *findings) add(variant, measure string, x float64) {
	r := f.row(variant)
	r.given[measure] = append(r.given[measure], x)
}

// row returns a row, a new one if there is none of that name.
func (f *findings) row(variant string) *Row {
	for _, r := range f.rows {
		if r.Variant == variant {
			return r
		}
	}
	r := &Row{Variant: variant, given: map[string][]float64{}}
	f.rows = append(f.rows, r)
	return r
}

// lambdas is the article's Figure 1: support vector regression on 20 points of
// y = sin x + 0.3 x + N(0, 0.1), with a Gaussian kernel by random features, minimising
// lambda/2 |w|^2 + mean max(0, |y - f| - 0.02). The error is that of the curve without noise.
func lambdas(ctx context.Context, seeds []uint64) (*findings, error) {
	const points, noise, grid = 20, .1, 400
	f := &findings{columns: []heading{{"train_error", "error on the points", number}, {"true_error", "error from the true curve", number}, {"swing", "most that f differs from its bias", number}}}
	all := []float64{1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100}
	curves := figure.Figure{Kind: figure.Line, Title: "Figure 1: three values of lambda, seed 1", X: "x", Y: "y"}
	gridX, gridY := study.Grid(grid)
	for _, seed := range seeds {
		xs, ys := study.Points(seed, points, noise)
		for _, lambda := range all {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			r, err := study.NewRegression(xs, ys, lambda, seed)
			if err != nil {
				return nil, fmt.Errorf("compare: %w", err)
			}
			if _, err := r.Run(math.MaxInt); err != nil {
				return nil, fmt.Errorf("compare: %w", err)
			}
			drawn := r.At(gridX)
			var swing float64
			for _, y := range drawn {
				swing = max(swing, math.Abs(float64(y)-r.Bias()))
			}
			name := fmt.Sprintf("lambda_%s", exponent(lambda))
			f.add(name, "train_error", study.MeanError(r.At(xs), ys))
			f.add(name, "true_error", study.MeanError(drawn, gridY))
			f.add(name, "swing", swing)
			words := "lambda " + strconv.FormatFloat(lambda, 'f', -1, 64)
			f.row(name).label = words
			if seed == seeds[0] && (lambda == 1e-6 || lambda == 1e-2 || lambda == 10) {
				curves.Series = append(curves.Series, figure.Series{Name: words, Points: lineOf(gridX, drawn)})
			}
		}
		if seed == seeds[0] {
			curves.Loose = []int{len(curves.Series) + 1}
			curves.Series = append(curves.Series,
				figure.Series{Name: "true curve", Points: lineOf(gridX, gridY)}, figure.Series{Name: "the 20 points", Points: lineOf(xs, ys)})
		}
	}
	errors := figure.Figure{Kind: figure.Line, Title: "Figure 1: error against lambda", X: "lambda", Y: "mean absolute error", LogX: true}
	for _, of := range []struct{ name, measure string }{{"on the points", "train_error"}, {"from the true curve", "true_error"}} {
		s := figure.Series{Name: of.name}
		for i, lambda := range all {
			x := f.rows[i].Spread(of.measure)
			s.Points = append(s.Points, figure.Point{X: lambda, Y: x.Mean, Low: x.Least, High: x.Most})
		}
		errors.Series = append(errors.Series, s)
	}
	f.figures = []Named{{"lambda", errors}, {"lambda_curves", curves}}
	return f, nil
}

// lineOf returns points of a figure.
func lineOf(xs, ys []float32) []figure.Point {
	points := make([]figure.Point, len(xs))
	for i, x := range xs {
		points[i] = figure.Point{X: float64(x), Y: float64(ys[i])}
	}
	return points
}

// exponent writes a power of ten as names have it: m6 is 1e-6.
func exponent(x float64) string {
	e := int(math.Round(math.Log10(x)))
	if e < 0 {
		return fmt.Sprintf("m%d", -e)
	}
	return fmt.Sprintf("p%d", e)
}

// surface is the article's Figure 2: four walkers that go down to the four minima of a
// surface, and their mean.
func surface(context.Context, []uint64) (*findings, error) {
	f := &findings{columns: []heading{{"x", "x", number}, {"y", "y", number}, {"value", "value", number}}}
	walkers := study.Walkers()
	chart := figure.Figure{Kind: figure.Line, Title: "Figure 2: four walkers, and the mean of their places", X: "step of gradient descent", Y: "value of the surface"}
	series := make([]figure.Series, len(walkers)+1)
	for step := range study.WalkSteps + 1 {
		var mx, my float64
		for i := range walkers {
			w := &walkers[i]
			v, _, _ := study.Himmelblau(w[0], w[1])
			series[i].Name = fmt.Sprintf("walker %d", i+1)
			series[i].Points = append(series[i].Points, figure.Point{X: float64(step), Y: v})
			mx, my = mx+w[0]/4, my+w[1]/4
			if step == study.WalkSteps {
				name := fmt.Sprintf("walker%d", i+1)
				f.add(name, "x", w[0])
				f.add(name, "y", w[1])
				f.add(name, "value", v)
			}
			*w = study.Descend(*w, study.WalkRate)
		}
		v, _, _ := study.Himmelblau(mx, my)
		m := &series[len(walkers)]
		m.Name = "their mean"
		m.Points = append(m.Points, figure.Point{X: float64(step), Y: v})
		if step == study.WalkSteps {
			f.add("mean", "x", mx)
			f.add("mean", "y", my)
			f.add("mean", "value", v)
		}
	}
	chart.Series = series
	f.figures = []Named{{"surface", chart}}
	return f, nil
}

// mixing is the article's Figure 2 with networks, by the protocol of McMahan et al. 2017,
// Figure 1: two 2NNs, each trained on 600 examples of its own (rate 0.1, batches of 50, 20
// epochs), and the loss on the training set of theta times the one plus 1 - theta times the
// other. From one start, and from two.
func mixing(ctx context.Context, seeds []uint64) (*findings, error) {
	f := &findings{columns: []heading{{"first", "loss of the first", number}, {"second", "loss of the second", number}, {"mean", "loss of their mean", number}, {"ratio_to_worse", "mean over the worse", number}, {"ratio_to_better", "mean over the better", number}}}
	t, err := task.Find("mnist-2nn", nil)
	if err != nil {
		return nil, err
	}
	d, err := dataset.Open(t)
	if err != nil {
		return nil, err
	}
	m, err := d.Model(t)
	if err != nil {
		return nil, err
	}
	chart := figure.Figure{Kind: figure.Line, Title: "Figure 2: two networks, mixed", X: "share of the second network", Y: "loss on all training examples"}
	for _, start := range []string{"one_start", "two_starts"} {
		thetas := make([][]float64, 15)
		for _, seed := range seeds {
			order := rand.New(rand.NewPCG(rng.Derive(seed, "mixing"), 0)).Perm(d.Train.Len())
			starts := [2]uint64{rng.Derive(seed, "start"), rng.Derive(seed, "start")}
			if start == "two_starts" {
				starts = [2]uint64{rng.Derive(seed, "start", 0), rng.Derive(seed, "start", 1)}
			}
			var own [2]data.Examples
			for i := range own {
				index := make([]int32, 600)
				for k := range index {
					index[k] = int32(order[600*i+k])
				}
				own[i] = data.NewSubset(d.Train, index)
			}
			nets, err := study.TrainPair(m, starts, own, learn.FitConfig{Epochs: 20, Batch: 50, LR: .1, Seed: seed})
			if err != nil {
				return nil, fmt.Errorf("compare: %w", err)
			}
			mixed := make([]float32, m.Layout().Size)
			loss := func(theta float64) (float64, error) {
				study.Mix(mixed, nets, theta)
				metrics, err := learn.Evaluate(m, mixed, d.Train, 2)
				return metrics.Figures().Loss, err
			}
			for i := range thetas {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				l, err := loss(float64(i-2) / 10)
				if err != nil {
					return nil, fmt.Errorf("compare: %w", err)
				}
				thetas[i] = append(thetas[i], l)
			}
			at := func(theta int) float64 { return thetas[theta+2][len(thetas[theta+2])-1] }
			f.add(start, "first", at(0))
			f.add(start, "second", at(10))
			f.add(start, "mean", at(5))
			f.add(start, "ratio_to_worse", at(5)/max(at(0), at(10)))
			f.add(start, "ratio_to_better", at(5)/min(at(0), at(10)))
		}
		s := figure.Series{Name: map[string]string{"one_start": "from one start", "two_starts": "from two starts"}[start]}
		for i, all := range thetas {
			x := spreadOf(all)
			s.Points = append(s.Points, figure.Point{X: float64(i-2) / 10, Y: x.Mean, Low: x.Least, High: x.Most})
		}
		chart.Series = append(chart.Series, s)
	}
	f.figures = []Named{{"mixing", chart}}
	return f, nil
}
