package secagg

import (
	"fmt"
	"math"
)

// maxNeighbours is the max number of neighbours of a client: a share is a point
// of GF(2^8) other than 0.
const maxNeighbours = 255

// MaxClients is the max number of clients of an attempt. Their keys are 64 bytes
// each in the one message that all of them get.
const MaxClients = 1 << 14

// completeUpTo is the max number of clients whose graph is complete whatever the
// risk: their masks cost little, and nothing is left to chance.
const completeUpTo = 32

// Risk is what an attempt must withstand.
type Risk struct {
	Dropout float64 // share of the clients that may drop out in an attempt, 0 <= Dropout < 1
	Corrupt float64 // share of the clients that may collude with the coordinator, 0 <= Corrupt < 1
	Privacy int     // the probability that an attempt reveals more than its sum is at most 2^-Privacy
	Failure int     // the probability that an attempt fails is at most 2^-Failure
}

// Validate returns an error unless the risk is one that Parameters takes.
func (r Risk) Validate() error {
	switch {
	case !(r.Dropout >= 0 && r.Dropout < 1):
		return fmt.Errorf("%w: dropout: %g, want 0 <= dropout < 1", ErrTerms, r.Dropout)
	case !(r.Corrupt >= 0 && r.Corrupt < 1):
		return fmt.Errorf("%w: corrupt: %g, want 0 <= corrupt < 1", ErrTerms, r.Corrupt)
	case r.Privacy < 1 || r.Privacy > 128:
		return fmt.Errorf("%w: privacy: %d bits, want 1 to 128", ErrTerms, r.Privacy)
	case r.Failure < 1 || r.Failure > 128:
		return fmt.Errorf("%w: failure: %d bits, want 1 to 128", ErrTerms, r.Failure)
	}
	return nil
}

// dropped and corrupt return how many of n clients may drop out, or collude.
func (r Risk) dropped(n int) int { return count(r.Dropout, n) }
func (r Risk) corrupt(n int) int { return count(r.Corrupt, n) }

// count returns floor(rate*n). A rate such as .3 is slightly less than what is
// meant: 1e-9 makes 3 of 10 clients of it.
func count(rate float64, n int) int { return int(rate*float64(n) + 1e-9) }

// Parameters are the graph of an attempt and the threshold of its shares.
type Parameters struct {
	Clients    int // n
	Neighbours int // k: of each client
	Threshold  int // t: shares of k that reconstruct a secret

	// Upper bounds of the probabilities, as log2, of the whole attempt. -Inf: it
	// cannot happen.
	Privacy float64
	Failure float64
}

// Parameters returns the smallest graph of n clients that withstands the risk, and
// the largest threshold that it allows.
//
// It follows section 3 of Bell, Bonawitz, Gascon, Lepoint and Raykova (CCS 2020).
// c = floor(Corrupt*n) clients collude and d = floor(Dropout*n) drop out, both
// chosen before the graph is. Of n-1 clients, the k neighbours of one are then a
// uniform choice, and the colluding or remaining ones among them have a
// hypergeometric distribution, whose tails are summed exactly, in logarithms. Three
// events are bounded, the first two together by 2^-Privacy:
//
//   - a client that does not collude has t or more neighbours that do: a union bound
//     over the n-c clients;
//   - the clients that neither collude nor drop out are not connected: a union bound
//     over the n(n-k-1)/2 pairs of places where k/2 clients in a row are missing,
//     without which the ring is not cut in two;
//   - fewer than t neighbours of a client remain, by 2^-Failure: a union bound over the
//     n clients, each taken to remain itself, which leaves it the fewest.
//
// In a complete graph, which up to 32 clients have in any case, all of them are certain or
// impossible. The error says what would be possible.
func (r Risk) Parameters(n int) (Parameters, error) {
	if err := r.Validate(); err != nil {
		return Parameters{}, err
	}
	if n < 3 || n > MaxClients {
		return Parameters{}, fmt.Errorf("%w: %d clients, want 3 to %d", ErrParameters, n, MaxClients)
	}
	if left := n - r.dropped(n) - r.corrupt(n); left < 2 {
		return Parameters{}, fmt.Errorf("%w: %d of %d clients neither drop out nor collude, want at least 2: lower dropout or corrupt", ErrParameters, left, n)
	}
	for k := 2; n > completeUpTo && k < min(n-1, maxNeighbours+1); k += 2 {
		if p, ok := r.graph(n, k); ok {
			return p, nil
		}
	}
	if n-1 <= maxNeighbours {
		if p, ok := r.graph(n, n-1); ok {
			return p, nil
		}
	}
	return Parameters{}, fmt.Errorf("%w: no graph of %d clients with at most %d neighbours has a threshold for dropout %g and corrupt %g: lower one of them", ErrParameters, n, maxNeighbours, r.Dropout, r.Corrupt)
}

// graph returns the parameters with k neighbours, if there is a threshold.
func (r Risk) graph(n, k int) (Parameters, bool) {
	c, d := r.corrupt(n), r.dropped(n)
	privacy, failure := math.Exp2(-float64(r.Privacy)), math.Exp2(-float64(r.Failure))
	colluding, remaining := hypergeometric{n - 1, c, k}, hypergeometric{n - 1, n - 1 - d, k}
	t, low := 1, remaining.at(0) // low: P(fewer than t neighbours remain)
	for ; t < k; t++ {           // the largest t that fails seldom enough
		next := low + remaining.at(t)
		if float64(n)*next > failure {
			break
		}
		low = next
	}
	reveal := 0.0 // P(t or more neighbours collude)
	for x := t; x <= k; x++ {
		reveal += colluding.at(x)
	}
	reveal = disconnected(n, k, c+d) + float64(n-c)*reveal
	if t < 2 || reveal > privacy {
		return Parameters{}, false
	}
	return Parameters{Clients: n, Neighbours: k, Threshold: t, Privacy: math.Log2(reveal), Failure: math.Log2(float64(n) * low)}, true
}

// hypergeometric is the distribution of the marked ones among k of n, of which m are
// marked.
type hypergeometric struct{ n, m, k int }

// at returns the probability of x marked ones.
func (h hypergeometric) at(x int) float64 {
	if x < 0 || x > h.m || x > h.k || h.k-x > h.n-h.m {
		return 0
	}
	return math.Exp(logChoose(h.m, x) + logChoose(h.n-h.m, h.k-x) - logChoose(h.n, h.k))
}

// logChoose returns the natural logarithm of n over k.
func logChoose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// disconnected bounds the probability that the ring of n clients, each joined to the k/2
// before and after it, is in two pieces without m of them: two runs of k/2 must be
// among the m.
func disconnected(n, k, m int) float64 {
	if k >= n-1 || m < k {
		return 0
	}
	pairs := float64(n) * float64(n-k-1) / 2
	return pairs * math.Exp(logChoose(m, k)-logChoose(n, k))
}
