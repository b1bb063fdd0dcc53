package data

import (
	"math"
	"slices"
	"testing"
)

// Parts have the rows that they were given, each once, in training or in the holdout.
func TestPart(t *testing.T) {
	const n = 30
	y := make([]uint8, n)
	for i := range n {
		y[i] = uint8(i % 3)
	}
	images := make([]byte, n)
	for i := range images {
		images[i] = byte(i)
	}
	set, err := NewSet(Array{Dims: []int{n, 1, 1}, Data: images}, Array{Dims: []int{n}, Data: y}, 3)
	if err != nil {
		t.Fatal(err)
	}
	whole := &Schema{Images: &ImageSchema{Width: 1, Height: 1, Channels: 1, Classes: []string{"a", "b", "c"}}}
	o, err := NewOwnImages(whole, set, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.Labels(), y) {
		t.Errorf("labels %v, want %v", o.Labels(), y)
	}
	s := *whole
	s.Holdout, s.Min, s.Max = .3, 5, 12
	var got []int
	for part := range 3 {
		rows := make([]int32, 10)
		for i := range rows {
			rows[i] = int32(3*i + part) // one class
		}
		p, err := o.Part(&s, rows, uint64(part))
		if err != nil {
			t.Fatal(err)
		}
		for k, of := range []func(Constants) (Examples, error){p.Train, p.Test} {
			ex, err := of(Constants{})
			if err != nil || ex.Len() != []int{7, 3}[k] {
				t.Fatalf("%v: %d examples, want %d", err, ex.Len(), []int{7, 3}[k])
			}
			for i := range ex.Len() {
				var v, label [1]float32
				ex.Fill(v[:], label[:], []int32{int32(i)})
				got = append(got, int(math.Round(float64(v[0])*255)))
				if int(label[0]) != part {
					t.Errorf("an example of class %v, want %d", label[0], part)
				}
			}
		}
	}
	slices.Sort(got)
	for i, v := range got {
		if v != i {
			t.Fatalf("examples %v, want each of %d once", got, n)
		}
	}
	if _, err := o.Part(&s, []int32{1, 2}, 1); err == nil {
		t.Error("two examples make a part, want at least 5")
	}
}
