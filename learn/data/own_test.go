package data

import "testing"

// The hold-out of pictures stays where it is when pictures are added, and has its share.
func TestGrowingHoldout(t *testing.T) {
	for _, share := range []float64{0.01, 0.2, 0.3, 0.5, 0.7, 0.99} {
		was := map[int32]bool{}
		for n := 2; n < 400; n++ {
			train, test := growingHoldout(n, share, 5)
			if len(train)+len(test) != n || len(train) == 0 || len(test) == 0 {
				t.Fatalf("share %v: %d examples are divided into %d and %d", share, n, len(train), len(test))
			}
			if got, want := float64(len(test)), share*float64(n); got < want-1.01 || got > want+1.01 {
				t.Errorf("share %v: %v of %d examples are held out, want about %v", share, got, n, want)
			}
			is := map[int32]bool{}
			for _, i := range test {
				is[i] = true
			}
			if n > 101 { // of a hundredth, the first run has ended
				for i := range int32(n - 1) {
					if was[i] != is[i] {
						t.Fatalf("share %v: with %d examples, example %d is in the other part", share, n, i)
					}
				}
			}
			was = is
		}
	}
}
