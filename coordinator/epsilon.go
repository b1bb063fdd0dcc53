package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"fedtab/privacy/account"

	"github.com/spf13/cobra"
)

// accountants and adjacencies are what the flags of epsilon may be.
var (
	accountants = []string{"rdp", "pld"}
	adjacencies = []string{account.AddRemove.String(), account.Substitution.String()}
)

func epsilonCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "epsilon", Short: "account for differential privacy: epsilon on the first line, then what it assumes",
		Example: examples("coordinator epsilon --noise 1.5 --rate .04 --steps 2250 --delta 1e-5", "coordinator epsilon --noise 4 --rate .01 --steps 10000 --delta 1e-5 --accountant rdp --adjacency substitution"),
	}
	fs := c.Flags()
	var m account.Mechanism
	fs.Float64Var(&m.Noise, "noise", 0, "standard deviation of the noise in each coordinate of the sum, as a multiple of the clipping norm")
	fs.Float64Var(&m.Rate, "rate", 0, "probability with which each participant takes part in a step, 1 if all do")
	fs.IntVar(&m.Steps, "steps", 0, "number of steps")
	delta := fs.Float64("delta", 0, "delta of the claim, less than 1 / participants")
	by := fs.String("accountant", "pld", "pld for privacy loss distributions, rdp for Rényi differential privacy")
	between := fs.String("adjacency", account.AddRemove.String(), "add-remove if neighbours differ by a participant, substitution if by a participant's data")
	c.RunE = action(func(_ context.Context, stdout, _ io.Writer) error {
		for _, name := range []string{"noise", "rate", "steps", "delta"} {
			if !fs.Changed(name) {
				return usageError(fmt.Sprintf("epsilon: --%s is missing, want %s", name, fs.Lookup(name).Usage))
			}
		}
		if m.Steps < 1 {
			return usageError(fmt.Sprintf("epsilon: --steps is %d, want 1 <= steps <= %d", m.Steps, account.MaxSteps))
		}
		if err := m.Validate(); err != nil {
			return usageError("epsilon: --" + err.Error())
		}
		if err := account.ValidateDelta(*delta); err != nil {
			return usageError("epsilon: --" + err.Error())
		}
		adjacency, err := account.ParseAdjacency(*between)
		if err != nil {
			return usageError("epsilon: --" + err.Error())
		}
		if !slices.Contains(accountants, *by) {
			return usageError(fmt.Sprintf("epsilon: --accountant is %q, want %s", *by, strings.Join(accountants, " or ")))
		}
		claim, err := newClaim(m, adjacency, *by, *delta)
		if err != nil {
			return err
		}
		claim.write(stdout)
		return nil
	})
	return c
}

// claim is an epsilon and what it rests on.
type claim struct {
	epsilon float64 // rounded up
	lines   []string
}

// newClaim accounts for a mechanism. The arguments are valid.
func newClaim(m account.Mechanism, adjacency account.Adjacency, accountant string, delta float64) (*claim, error) {
	c := new(claim)
	ms := []account.Mechanism{m}
	if accountant == "rdp" {
		orders := account.Orders()
		curve, err := account.RDP(ms, adjacency, orders)
		if err != nil {
			return nil, err
		}
		epsilon, order := curve.Epsilon(delta)
		if math.IsInf(epsilon, 1) {
			return nil, fmt.Errorf("no order from %g to %g has a bound, want more noise or fewer steps", orders[0], orders[len(orders)-1])
		}
		c.epsilon = epsilon
		c.note("accountant", "rdp, an upper bound: the best of %d orders from %g to %g, which is %.4g", len(orders), orders[0], orders[len(orders)-1], order)
	} else {
		b, err := account.PLDEpsilon(ms, adjacency, delta)
		if err != nil {
			return nil, err
		}
		if math.IsInf(b.Upper, 1) {
			return nil, fmt.Errorf("no epsilon has a delta of %g, want a larger delta, more noise or fewer steps", delta)
		}
		c.epsilon = b.Upper
		c.note("accountant", "pld, losses on a grid of %.3g, composed by a transform of %d points", b.Step, b.Points)
		c.note("bounds", "%s <= epsilon <= %s, rounding and truncation included", rounded(b.Lower, math.Floor), rounded(b.Upper, math.Ceil))
	}
	if m.Rate == 1 {
		distance, err := account.Distance(ms, adjacency)
		if err != nil {
			return nil, err
		}
		if exact, err := account.GaussianEpsilon(distance, delta); err == nil {
			c.note("exact", "%s, as nothing is sampled", rounded(exact, math.Ceil))
		}
	}
	neighbours := "a participant is there or not, the larger of both directions"
	if adjacency == account.Substitution {
		neighbours = "a participant's data are replaced by others; the pair of worst cases of Koskela et al. 2020"
	}
	c.note("adjacency", "%v: %s", adjacency, neighbours)
	if m.Rate < 1 {
		c.note("sampling", "Poisson: each participant independently with probability %g in each of %d steps, from a secret source, no redraw", m.Rate, m.Steps)
	} else {
		c.note("sampling", "none: every participant may take part in each of %d steps", m.Steps)
	}
	c.note("noise", "Gaussian of standard deviation %g x the norm that each participant's whole contribution is clipped to; the sum is divided by a fixed number", m.Noise)
	c.note("delta", "%g, which must be less than 1 / participants", delta)
	return c, nil
}

func (c *claim) note(name, format string, args ...any) {
	c.lines = append(c.lines, fmt.Sprintf("%-12s", name)+fmt.Sprintf(format, args...))
}

// write prints epsilon alone on the first line.
func (c *claim) write(w io.Writer) {
	fmt.Fprintln(w, rounded(c.epsilon, math.Ceil))
	for _, l := range c.lines {
		fmt.Fprintln(w, l)
	}
}

// rounded prints 6 digits, rounded to one side.
func rounded(x float64, side func(float64) float64) string {
	if x == 0 {
		return "0"
	}
	digits := 5 - int(math.Floor(math.Log10(x)))
	if digits < 0 {
		unit := math.Pow(10, float64(-digits))
		return fmt.Sprintf("%.6g", side(x/unit)*unit)
	}
	return fmt.Sprintf("%.6g", side(x*math.Pow(10, float64(digits)))/math.Pow(10, float64(digits)))
}
