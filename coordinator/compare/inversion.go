package compare

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"fedtab/client"
	"fedtab/coordinator/compare/figure"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/privacy/attack"
	"fedtab/protocol"
)

// What is inverted: the updates of clients with few pictures after one step.
const (
	invertClients = 100
	invertClip    = .1
	maxPSNR       = 100. // what is more is rounding
)

var invertHyper = protocol.Hyper{Epochs: 1, LR: .1}

// invertPictures are the numbers of pictures of a client.
var invertPictures = []int{1, 8}

// invertSights are what the coordinator sees of updates.
var invertSights = slices.Concat(
	singleSights(invertClip), sights([]int{1}, invertClip, .0001, .0003, .001, .003, .01, .03, .1),
	sights([]int{2, 10, 100}, 0, 0), sights([]int{10}, invertClip, .001, .01, .1),
)

// inverted is what is read of the pictures of all clients.
type inverted struct {
	known float64 // share that is recognised
	like  float64 // mean correlation
	psnr  float64 // median, in decibels
}

// inversion is a study that reads pictures back from what is seen after one step of training.
func inversion(ctx context.Context, seeds []uint64) (*findings, error) {
	train, _, err := mnist()
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	all := make([][]inverted, len(seeds)*len(invertPictures)) // by seed and number of pictures, and by sight
	err = sideBySide(ctx, len(all), func(i int) (err error) {
		all[i], err = invertAll(seeds[i/len(invertPictures)], invertPictures[i%len(invertPictures)], train)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	f := &findings{columns: []heading{{"recognised", "pictures recognised", percent}, {"like", "correlation, mean", number}, {"psnr", "PSNR, median, dB", number}}}
	d := figure.Figure{Kind: figure.Line, Title: "Pictures read from single updates", X: "noise", Y: "pictures recognised, %", LogX: true}
	for k, n := range invertPictures {
		pictures := fmt.Sprintf("%d pictures", n)
		if n == 1 {
			pictures = "1 picture"
		}
		for s, of := range invertSights {
			variant := fmt.Sprintf("%s_of_%d", of.variant(), n)
			for i := range seeds {
				x := all[i*len(invertPictures)+k][s]
				f.add(variant, "recognised", x.known)
				f.add(variant, "like", x.like)
				f.add(variant, "psnr", x.psnr)
			}
			f.row(variant).label = fmt.Sprintf("%s of a client: %s", pictures, of.label())
			if of.sum == 1 && of.Noise > 0 {
				x := f.row(variant).Spread("recognised")
				addPoint(&d, pictures+" of a client", of.Noise, Spread{Mean: 100 * x.Mean, Least: 100 * x.Least, Most: 100 * x.Most})
			}
		}
	}
	f.figures = []Named{{"inversion", d}}
	return f, nil
}

// invertAll trains clients with n pictures each, and reads these from all that is seen.
func invertAll(seed uint64, n int, train *data.Set) (all []inverted, err error) {
	f, err := newFederation(seed)
	if err != nil {
		return nil, err
	}
	order := rng.Stream(seed, "pictures").Perm(train.Len())
	index := make([]int32, invertClients*n)
	for i := range index {
		index[i] = int32(order[i])
	}
	pictures, labels := make([]float32, len(index)*train.Features()), make([]float32, len(index))
	train.Fill(pictures, labels, index)
	w := client.NewWorkspace(f.model)
	updates := make([][]float32, invertClients)
	for k := range updates {
		own := data.NewSubset(train, index[k*n:][:n])
		if updates[k], err = f.update(w, own, invertHyper, rng.Derive(seed, "order", uint64(k))); err != nil {
			return nil, err
		}
	}
	for s, of := range invertSights {
		all = append(all, f.invert(of, updates, pictures, rng.Stream(seed, "noise", uint64(n), uint64(s))))
	}
	return all, nil
}

// invert reads the pictures of all clients, [n, features], from what is seen of their updates.
func (f *federation) invert(s sight, updates [][]float32, pictures []float32, random *rand.Rand) inverted {
	features := f.model.Layout().Tensors[0].Shape[0]
	own := len(pictures) / len(updates) * s.sum // numbers of those behind a sum
	seen := make([]float32, len(f.start))
	var known, like float64
	var psnr []float64
	for g := range len(updates) / s.sum {
		s.Sum(seen, updates[g*s.sum:][:s.sum], random)
		x := pictures[g*own:][:own]
		found := attack.Invert(seen, f.model.Layout(), x)
		for k, best := range found.Best {
			like += found.Like[k]
			if found.Known[k] {
				known++
			}
			shown := make([]float32, features) // nothing is black
			if best >= 0 {
				shown = found.Shows[best]
			}
			psnr = append(psnr, min(attack.PSNR(shown, x[k*features:][:features]), maxPSNR))
		}
	}
	slices.Sort(psnr)
	n := float64(len(psnr))
	return inverted{known / n, like / n, psnr[len(psnr)/2]}
}
