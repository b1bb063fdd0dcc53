package secagg

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/privacy.md")

// risk is that of the documented table.
var risk = Risk{Dropout: .3, Corrupt: .2, Privacy: 40, Failure: 20}

func TestParameters(t *testing.T) {
	nobody := risk // colludes: what remains is that the ring is cut
	nobody.Corrupt = 0
	for _, c := range []struct {
		risk            Risk
		n, k, threshold int
	}{
		{risk, 3, 2, 2}, {risk, 5, 4, 3}, {risk, 8, 7, 5}, {risk, 20, 19, 13}, {risk, 32, 31, 22},
		{risk, 100, 48, 21}, {risk, 1000, 140, 67}, {risk, 10_000, 180, 85},
		{nobody, 100, 24, 5}, {nobody, 1000, 34, 7},
	} {
		p, err := c.risk.Parameters(c.n)
		if err != nil || p.Neighbours != c.k || p.Threshold != c.threshold {
			t.Errorf("%d clients: %+v, %v, want k = %d, t = %d", c.n, p, err, c.k, c.threshold)
		}
		if p.Privacy > -40 || p.Failure > -20 {
			t.Errorf("%d clients: %+v, want at most 2^-40 and 2^-20", c.n, p)
		}
	}
}

func TestParametersRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		risk Risk
		n    int
		want error
	}{
		{"two clients", risk, 2, ErrParameters},
		{"too many clients", risk, MaxClients + 1, ErrParameters},
		{"everyone drops out or colludes", Risk{.5, .5, 40, 20}, 100, ErrParameters},
		{"no threshold", Risk{.45, .45, 40, 20}, 1000, ErrParameters},
		{"negative dropout", Risk{-.1, .2, 40, 20}, 100, ErrTerms},
		{"dropout NaN", Risk{math.NaN(), .2, 40, 20}, 100, ErrTerms},
		{"all corrupt", Risk{.3, 1, 40, 20}, 100, ErrTerms},
		{"no privacy", Risk{.3, .2, 0, 20}, 100, ErrTerms},
		{"any failure", Risk{.3, .2, 40, 0}, 100, ErrTerms},
	} {
		if p, err := c.risk.Parameters(c.n); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v, want %v", c.name, p, err, c.want)
		}
	}
}

// exact is the hypergeometric probability in rational numbers.
func exact(n, m, k, x int) float64 {
	choose := func(n, k int) *big.Int { return new(big.Int).Binomial(int64(n), int64(k)) }
	above := new(big.Int).Mul(choose(m, x), choose(n-m, k-x))
	f, _ := new(big.Rat).SetFrac(above, choose(n, k)).Float64()
	return f
}

// Tails in logarithms are those in rational numbers.
func TestHypergeometric(t *testing.T) {
	for _, c := range []struct{ n, m, k int }{{10, 3, 4}, {99, 20, 48}, {99, 69, 48}, {999, 200, 140}, {999, 699, 140}} {
		sum := 0.0
		for x := range c.k + 1 {
			got := hypergeometric{c.n, c.m, c.k}.at(x)
			want := 0.0
			if x <= c.m && c.k-x <= c.n-c.m {
				want = exact(c.n, c.m, c.k, x)
			}
			if math.Abs(got-want) > 1e-9*want {
				t.Errorf("%v at %d: %g, want %g", c, x, got, want)
			}
			sum += got
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("%v: all together are %g", c, sum)
		}
	}
}

// A ring without m random clients is cut at most as often as the bound says, and the bound
// is near.
func TestDisconnected(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n, trials = 30, 20_000
	for _, c := range []struct{ k, m int }{{2, 4}, {4, 10}, {6, 15}} {
		g := NewGraph(Parameters{Clients: n, Neighbours: c.k}, [32]byte{1})
		cut := 0
		for range trials {
			gone := newSet(n)
			for _, i := range rng.Perm(n)[:c.m] {
				gone.add(i)
			}
			if !connected(g, gone) {
				cut++
			}
		}
		bound := disconnected(n, c.k, c.m)
		rate := float64(cut) / trials
		if margin := 4 * math.Sqrt(rate/trials); rate-margin > bound || rate == 0 || c.k > 2 && rate < bound/8 {
			t.Errorf("k = %d without %d: cut in %.4f, bound %.4f", c.k, c.m, rate, bound)
		}
	}
}

// connected reports whether the clients that are not gone are.
func connected(g *Graph, gone set) bool {
	seen := newSet(g.Clients)
	var next []int
	for i := range g.Clients {
		if !gone.has(i) {
			next = []int{i}
			seen.add(i)
			break
		}
	}
	for len(next) > 0 {
		i := next[0]
		next = next[1:]
		for _, j := range g.Neighbours(i) {
			if !gone.has(j) && !seen.has(j) {
				seen.add(j)
				next = append(next, j)
			}
		}
	}
	return seen.size()+gone.size() == g.Clients
}

// Each client has k neighbours, whose neighbour it is, and another digest makes another ring.
func TestGraph(t *testing.T) {
	for _, c := range []struct{ n, k int }{{5, 4}, {8, 7}, {9, 4}, {100, 48}, {1000, 140}} {
		p := Parameters{Clients: c.n, Neighbours: c.k}
		g, other := NewGraph(p, [32]byte{1}), NewGraph(p, [32]byte{2})
		same := 0
		for i := range c.n {
			neighbours := g.Neighbours(i)
			of := newSet(c.n)
			for at, j := range neighbours {
				if j == i || of.has(j) || at > 0 && j < neighbours[at-1] {
					t.Fatalf("n = %d: neighbours of %d are %d", c.n, i, neighbours)
				}
				of.add(j)
				back := newSet(c.n)
				for _, b := range g.Neighbours(j) {
					back.add(b)
				}
				if !back.has(i) {
					t.Fatalf("n = %d: %d is a neighbour of %d, and not the other way round", c.n, j, i)
				}
			}
			if len(neighbours) != c.k {
				t.Fatalf("n = %d: %d has %d neighbours, want %d", c.n, i, len(neighbours), c.k)
			}
			if of.of(other.Neighbours(i)) == c.k {
				same++
			}
		}
		if c.k < c.n-1 && same > c.n/2 {
			t.Errorf("n = %d: %d clients have the same neighbours in another graph", c.n, same)
		}
	}
}

// Every place in a shuffle is as likely as the others: chi-squared of 9 with 9 places.
func TestShuffle(t *testing.T) {
	const n, trials = 10, 5000
	var at [n]int
	for seed := range trials {
		g := NewGraph(Parameters{Clients: n, Neighbours: 2}, [32]byte{byte(seed), byte(seed >> 8)})
		at[g.place[3]]++
	}
	chi := 0.0
	for _, x := range at {
		d := float64(x) - trials/n
		chi += d * d / (trials / n)
	}
	if chi > 33.7 { // 1 in 10,000 with 9 degrees of freedom
		t.Errorf("places of client 3: %d, chi-squared %.1f", at, chi)
	}
}

// table is that of docs/privacy.md.
func table() string {
	var b strings.Builder
	b.WriteString("| clients | neighbours k | threshold t | more than the sum | failed attempts | 2t > k + c |\n|---|---|---|---|---|---|\n")
	power := func(x float64) string {
		if math.IsInf(x, -1) {
			return "impossible"
		}
		return fmt.Sprintf("2^%.1f", x)
	}
	for _, n := range []int{5, 8, 20, 50, 100, 200, 500, 1000, 10_000} {
		p, err := risk.Parameters(n)
		if err != nil {
			panic(err)
		}
		split := "no"
		if 2*p.Threshold > p.Neighbours+risk.corrupt(n) {
			split = "yes"
		}
		fmt.Fprintf(&b, "| %d | %d | %d | %s | %s | %s |\n", n, p.Neighbours, p.Threshold, power(p.Privacy), power(p.Failure), split)
	}
	return b.String()
}

// The table in docs/privacy.md is what Parameters computes.
func TestDocs(t *testing.T) {
	const path = "../../docs/privacy.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mark := regexp.MustCompile(`(?s)<!-- table parameters -->\n.*?<!-- end -->\n`)
	if !mark.Match(text) {
		t.Fatalf("%s has no table of parameters", path)
	}
	got := mark.ReplaceAllLiteral(text, []byte("<!-- table parameters -->\n"+table()+"<!-- end -->\n"))
	switch {
	case string(got) == string(text):
	case *update:
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is out of date: go test ./privacy/secagg -run TestDocs -update", path)
	}
}
