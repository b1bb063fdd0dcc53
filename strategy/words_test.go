package strategy

import "testing"

// Counts in the words of a scheme, which the page shows.
func TestPlural(t *testing.T) {
	for _, test := range []struct {
		n    int
		what string
		want string
	}{
		{1, "epoch", "1 epoch"}, {4, "epoch", "4 epochs"}, {1, "mini-batch", "1 mini-batch"}, {8, "mini-batch", "8 mini-batches"}, {2, "leg", "2 legs"},
	} {
		if got := plural(test.n, test.what); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
