package attack

import (
	"math"
	"slices"
	"testing"

	"fedtab/learn"
)

// An update that is made by hand is read: a unit with one example shows it, one with two
// their mean, weighted by their factors, and one without a factor nothing.
func TestInvert(t *testing.T) {
	layout := learn.Layout{Size: 4*5 + 5, Tensors: []learn.Tensor{{Shape: []int{4, 5}}, {Shape: []int{5}, Offset: 20}}}
	x := []float32{0, .5, 1, .25 /**/, 1, 0, .5, .75}
	factors := [5][2]float32{{2, 0}, {0, -.5}, {1, 3}, {0, 0}, {3, -2}} // by unit and example
	update := make([]float32, layout.Size)
	for i, of := range factors {
		for k, factor := range of {
			update[20+i] += factor
			for j := range 4 {
				update[5*j+i] += factor * x[4*k+j]
			}
		}
	}
	l := Invert(update, layout, x)
	for i, want := range [][]float32{x[:4], x[4:], {.75, .125, .625, .625}, nil, {0, 1, 1, 0}} { // limited to 0 and 1
		if got := l.Shows[i]; !slices.Equal(got, want) {
			t.Errorf("unit %d shows %v, want %v", i, got, want)
		}
	}
	if !slices.Equal(l.Best, []int{0, 1}) || !slices.Equal(l.Known, []bool{true, true}) || l.Closest[3] != 0 {
		t.Errorf("the best units are %v, known %v, want the first two and both; closest %v", l.Best, l.Known, l.Closest)
	}
	for k, like := range l.Like {
		if math.Abs(like-1) > 1e-6 {
			t.Errorf("example %d has correlation %g, want 1", k, like)
		}
	}
	l = Invert(make([]float32, layout.Size), layout, x)
	if !slices.Equal(l.Best, []int{-1, -1}) || slices.Contains(l.Known, true) {
		t.Errorf("of no update the best units are %v, known %v, want none", l.Best, l.Known)
	}
}

func TestPSNR(t *testing.T) {
	if got := PSNR([]float32{.5, 0}, []float32{.4, .1}); math.Abs(got-20) > 1e-5 {
		t.Errorf("an error of 0.1 has PSNR %g, want 20", got)
	}
	if got := PSNR([]float32{1}, []float32{1}); !math.IsInf(got, 1) {
		t.Errorf("no error has PSNR %g, want +Inf", got)
	}
}
