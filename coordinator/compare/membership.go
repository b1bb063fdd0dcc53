package compare

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"fedtab/client"
	"fedtab/coordinator/compare/figure"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/learn/rng"
	"fedtab/privacy/account"
	"fedtab/privacy/attack"
	"fedtab/protocol"
)

// The federation whose members are attacked: few examples, and as many passes over them as it
// takes to know them by heart.
const (
	memberClients  = 100
	memberExamples = 20 // of a client, out of twice as many candidates
	memberTrials   = 16 // of which each is attacked with the others as shadow models
	memberClip     = 2. // about the norm of an update
	memberStep     = .1 // norm of a small step
	memberDelta    = 1e-5
)

var memberHyper = protocol.Hyper{Epochs: 20, Batch: 10, LR: .1}

// sight is what the coordinator sees of updates.
type sight struct {
	sum int // updates in a sum; 1: single ones
	attack.Release
}

// The sights of each part that attacks membership.
var (
	memberSingle = singleSights(memberClip)
	memberSums   = sights([]int{1, 2, 5, 10, 20, 50, 100}, 0, 0)
	memberNoise  = sights([]int{1, 10, 100}, memberClip, .01, .1, .3, 1)
	memberHidden = sights([]int{1, 100}, memberClip, 0, .1, 1)
)

// singleSights are single updates as they are, and clipped.
func singleSights(clip float64) []sight {
	return []sight{{1, attack.Release{}}, {1, attack.Release{Clip: clip}}}
}

// sights returns sums of updates, each with several amounts of noise.
func sights(sizes []int, clip float64, noises ...float64) (all []sight) {
	for _, n := range sizes {
		for _, z := range noises {
			all = append(all, sight{n, attack.Release{Clip: clip, Noise: z}})
		}
	}
	return all
}

// variant names a sight in statements.
func (s sight) variant() string {
	name := fmt.Sprintf("sum_%d", s.sum)
	if s.sum == 1 {
		name = "single"
	}
	if s.Clip > 0 {
		name += "_clipped"
	}
	if s.Noise > 0 {
		name = fmt.Sprintf("%s_noise_%s", strings.TrimSuffix(name, "_clipped"), strings.ReplaceAll(strconv.FormatFloat(s.Noise, 'g', -1, 64), ".", "p"))
	}
	return name
}

// label names a sight to people.
func (s sight) label() string {
	words := fmt.Sprintf("sums of %d", s.sum)
	if s.sum == 1 {
		words = "single updates"
	}
	switch {
	case s.Noise > 0:
		words += fmt.Sprintf(", noise %g", s.Noise)
	case s.Clip > 0:
		words += ", clipped"
	}
	return words
}

// The attacks, by name and in words.
var memberAttacks = []struct{ name, words string }{{"loss", "loss threshold"}, {"lira", "LiRA"}, {"step", "LiRA, small step"}}

// trial is what is measured of a training: by sight, statistics of each candidate.
type trial struct {
	in         []bool
	confidence [][]float64 // of the model with the update that is seen
	step       [][]float64 // with a small step towards it
	accuracy   []float64   // of the model with the update
}

// attacked is what an attack found in what is seen, over the seeds.
type attacked struct {
	sight
	by   string // in words
	auc  Spread
	rocs []*attack.ROC
}

// membership returns a study that asks of what is seen in a round whether examples were
// trained with.
func membership(sights []sight, draw func([]attacked) Named) computation {
	return func(ctx context.Context, seeds []uint64) (*findings, error) {
		trials, err := newTrials(ctx, seeds, sights)
		if err != nil {
			return nil, fmt.Errorf("compare: %w", err)
		}
		f := &findings{columns: []heading{
			{"accuracy", "accuracy of the model", percent}, {"auc", "AUC", number}, {"auc_error", "standard error", number}, {"advantage", "advantage", number},
			{"tpr_1", "TPR at 1% FPR", percent}, {"tpr_1_low", "95%: from", percent}, {"tpr_1_high", "to", percent}, {"tpr_01", "TPR at 0.1% FPR", percent},
		}}
		noisy := sights[0].Noise > 0
		if noisy {
			f.columns = append(f.columns, heading{"most_1", "any attack at 1% FPR, at most", percent}, heading{"epsilon", "epsilon", number})
		}
		var all []attacked
		for s := range sights {
			for _, by := range memberAttacks {
				of := attacked{sight: sights[s], by: by.words}
				variant := of.variant() + "_" + by.name
				for k := range seeds {
					t := trials[k*memberTrials:][:memberTrials]
					r := roc(t, s, by.name)
					of.rocs = append(of.rocs, r)
					f.addROC(variant, r)
					f.add(variant, "accuracy", t[0].accuracy[s])
					if noisy {
						most, epsilon := claim(of.Noise)
						f.add(variant, "most_1", most)
						f.add(variant, "epsilon", epsilon)
					}
				}
				f.row(variant).label = of.label() + ": " + by.words
				of.auc = f.row(variant).Spread("auc")
				all = append(all, of)
			}
		}
		f.figures = []Named{draw(all)}
		return f, nil
	}
}

// drawROC draws the curves of the attacks on what is seen first, beside chance.
func drawROC(all []attacked) Named {
	d := figure.Figure{Kind: figure.Line, Title: "Members of a single update", X: "false positives, %", Y: "true positives, %", LogX: true, LogY: true}
	chance := figure.Series{Name: "chance"}
	for i, of := range all[:len(memberAttacks)] {
		s := figure.Series{Name: of.by}
		for e := -3.; e <= 0; e += .1 {
			fpr := min(math.Pow(10, e), .999)
			var shares []float64
			for _, r := range of.rocs {
				shares = append(shares, r.TPR(fpr).Value)
			}
			x := spreadOf(shares)
			s.Points = append(s.Points, figure.Point{X: 100 * fpr, Y: 100 * x.Mean, Low: 100 * x.Least, High: 100 * x.Most})
			if i == 0 {
				chance.Points = append(chance.Points, figure.Point{X: 100 * fpr, Y: 100 * fpr})
			}
		}
		d.Series = append(d.Series, s)
	}
	d.Series = append(d.Series, chance)
	return Named{"roc", d}
}

// drawSums draws the AUC of each attack by the number of updates in a sum.
func drawSums(all []attacked) Named {
	d := figure.Figure{Kind: figure.Line, Title: "Members in sums", X: "updates in the sum", Y: "AUC, 0.5 by chance", LogX: true}
	for _, of := range all {
		addPoint(&d, of.by, float64(of.sum), of.auc)
	}
	return Named{"sums", d}
}

// drawNoise draws the AUC of the last attack, which noise disturbs least, by the noise.
func drawNoise(all []attacked) Named {
	d := figure.Figure{Kind: figure.Line, Title: "Members under noise: " + memberAttacks[len(memberAttacks)-1].words, X: "noise", Y: "AUC, 0.5 by chance", LogX: true}
	for i := len(memberAttacks) - 1; i < len(all); i += len(memberAttacks) {
		addPoint(&d, sight{sum: all[i].sum}.label(), all[i].Noise, all[i].auc)
	}
	return Named{"noise", d}
}

// addPoint adds a point to the series of a name.
func addPoint(d *figure.Figure, name string, x float64, y Spread) {
	i := slices.IndexFunc(d.Series, func(s figure.Series) bool { return s.Name == name })
	if i < 0 {
		i = len(d.Series)
		d.Series = append(d.Series, figure.Series{Name: name})
	}
	d.Series[i].Points = append(d.Series[i].Points, figure.Point{X: x, Y: y.Mean, Low: y.Least, High: y.Most})
}

// newTrials makes the trials of all seeds, those of a seed one after the other.
func newTrials(ctx context.Context, seeds []uint64, sights []sight) ([]trial, error) {
	train, test, err := mnist()
	if err != nil {
		return nil, err
	}
	trials := make([]trial, len(seeds)*memberTrials)
	return trials, sideBySide(ctx, len(trials), func(i int) (err error) {
		trials[i], err = newTrial(seeds[i/memberTrials], uint64(i%memberTrials), sights, train, test)
		return err
	})
}

// addROC adds the figures of an attack to a row.
func (f *findings) addROC(variant string, r *attack.ROC) {
	auc, at1 := r.AUC(), r.TPR(.01)
	for measure, x := range map[string]float64{
		"auc": auc.Value, "auc_error": auc.Error, "advantage": r.Advantage().Value,
		"tpr_1": at1.Value, "tpr_1_low": at1.Low, "tpr_1_high": at1.High, "tpr_01": r.TPR(.001).Value,
	} {
		f.add(variant, measure, x)
	}
}

// roc returns how an attack does on what is seen in some trials.
func roc(all []trial, sight int, by string) *attack.ROC {
	var t attack.Trials
	for i := range all {
		statistic := all[i].confidence
		if by == "step" {
			statistic = all[i].step
		}
		t.Statistic, t.In = append(t.Statistic, statistic[sight]), append(t.In, all[i].in)
	}
	if by == "loss" {
		return t.Threshold()
	}
	return t.LiRA()
}

// claim returns what noise leaves to any attack with 1% of false alarms, and the epsilon of
// the round: for the substitution of all data of a client.
func claim(noise float64) (most, epsilon float64) {
	distance, err := account.Distance([]account.Mechanism{{Noise: noise, Rate: 1, Steps: 1}}, account.Substitution)
	if err == nil {
		epsilon, err = account.GaussianEpsilon(distance, memberDelta)
	}
	if err != nil {
		panic("compare: " + err.Error()) // the noise is that of a sight
	}
	return attack.MaxTPR(distance, .01), epsilon
}

// newTrial trains all clients with a half of their candidates that the trial draws, and
// measures the statistics of all candidates.
func newTrial(seed, number uint64, sights []sight, train, test *data.Set) (t trial, err error) {
	f, err := newFederation(seed)
	if err != nil {
		return t, err
	}
	order := rng.Stream(seed, "candidates").Perm(train.Len())
	half := rng.Stream(seed, "members", number)
	w := client.NewWorkspace(f.model)
	updates, candidates := make([][]float32, memberClients), make([]int32, 0, 2*memberExamples*memberClients)
	for k := range updates {
		var own []int32
		for i, at := range half.Perm(2 * memberExamples) {
			example := int32(order[2*memberExamples*k+i])
			in := at < memberExamples
			candidates, t.in = append(candidates, example), append(t.in, in)
			if in {
				own = append(own, example)
			}
		}
		if updates[k], err = f.update(w, data.NewSubset(train, own), memberHyper, rng.Derive(seed, "order", number, uint64(k))); err != nil {
			return t, err
		}
	}
	pool := train.Select(candidates)
	for s := range sights {
		if err := t.see(f, &sights[s], updates, pool, test, rng.Stream(seed, "noise", number, uint64(s))); err != nil {
			return t, err
		}
	}
	return t, nil
}

// see measures what is seen of updates. Each sum is asked about the candidates of its clients.
func (t *trial) see(f *federation, s *sight, updates [][]float32, pool, test *data.Set, random *rand.Rand) error {
	var confidence, step []float64
	seen, model := make([]float32, len(f.start)), make([]float32, len(f.start))
	asked := pool.Len() / len(updates) * s.sum // in each sum
	for g := range len(updates) / s.sum {
		s.Sum(seen, updates[g*s.sum:][:s.sum], random)
		kernel.Scale(seen, 1/float32(s.sum))
		copy(model, f.start)
		kernel.Axpy(model, 1, seen)
		if g == 0 {
			metrics, err := learn.Evaluate(f.model, model, test, 1)
			if err != nil {
				return err
			}
			t.accuracy = append(t.accuracy, metrics.Figures().Accuracy)
		}
		index := make([]int32, asked)
		for i := range index {
			index[i] = int32(g*asked + i)
		}
		var err error
		if confidence, err = f.confidences(confidence, model, pool, index); err != nil {
			return err
		}
		copy(model, f.start)
		kernel.Axpy(model, float32(min(1, memberStep/math.Sqrt(kernel.SquaredNorm(seen)))), seen)
		if step, err = f.confidences(step, model, pool, index); err != nil {
			return err
		}
	}
	t.confidence, t.step = append(t.confidence, confidence), append(t.step, step)
	return nil
}

// confidences appends those of a model in some examples.
func (f *federation) confidences(dst []float64, model []float32, set *data.Set, index []int32) ([]float64, error) {
	classes := f.model.Spec().Outputs()
	x, y := make([]float32, len(index)*set.Features()), make([]float32, len(index))
	set.Fill(x, y, index)
	outputs, err := learn.Outputs(f.model, model, x)
	if err != nil {
		return nil, err
	}
	for i, label := range y {
		dst = append(dst, attack.Confidence(outputs[i*classes:][:classes], int(label)))
	}
	return dst, nil
}
