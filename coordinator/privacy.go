package main

import (
	"fmt"
	"io"
	"math"

	"fedtab/coordinator/task"
)

// describeClaim writes what the versions of a task with noise hide, and what that rests on.
func describeClaim(w io.Writer, t *task.Task) error {
	if !t.Privacy.Differential() {
		return nil
	}
	private, err := t.Private()
	if err != nil {
		fmt.Fprintf(w, "privacy: %v\n", err)
		return nil
	}
	p, claim := &t.Privacy, t.Claim()
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-11s"+format+"\n", append([]any{name}, args...)...)
	}
	planned, why := t.RunStop(nil).Rounds, "the planned rounds"
	if n := int(private.Releases); n > 0 && (planned == 0 || n < planned) {
		planned, why = n, fmt.Sprintf("the versions within the budget of %v", p.Epsilon)
	}
	switch {
	case planned == 0:
		fmt.Fprintf(w, "differential privacy of each participant: epsilon grows with every round, and neither stop.rounds nor privacy.epsilon bounds them\n")
	default:
		epsilon, err := claim.Epsilon(planned)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "differential privacy of each participant: epsilon %s, delta %g after %d versions, %s\n", rounded(epsilon, math.Ceil), claim.Delta, planned, why)
	}
	line("adjacency", "add-remove: a participant takes part or not, with all of its data")
	line("noise", "%g x the bound on a contribution, which is %s, in every coordinate of the sum", claim.Noise, bound(t))
	line("sampling", "%s", sampled(t))
	line("rests on", "a coordinator that is trusted with single contributions, and its database; one tab for each participant at a time")
	return nil
}

func bound(t *task.Task) string {
	if t.Privacy.Adapt {
		return fmt.Sprintf("%g at first and follows the median norm", t.Privacy.Clip)
	}
	return fmt.Sprint(t.Privacy.Clip)
}

func sampled(t *task.Task) string {
	rate := t.Strategy.PrivateRate()
	if tree := t.Claim().Tree; tree != nil {
		return fmt.Sprintf("nothing is claimed of chance: each participant is in %d rounds at most, %d apart, and the noise is that of a tree", tree.Participations, tree.Separation)
	}
	if t.Claim().Rate < 1 {
		return fmt.Sprintf("each of %d participants with probability %g in each round, which stays secret", t.Privacy.Population, rate)
	}
	return "nothing is claimed of who takes part in a round: any participant may be in each"
}
