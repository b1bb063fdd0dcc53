package main

import (
	"fmt"
	"io"
	"math"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
	"fedtab/strategy"
)

// describeClaim writes what the versions of a task with noise hide, and what that rests on.
func describeClaim(w io.Writer, t *task.Task, d *dataset.Dataset) error {
	if !t.Privacy.Differential() || d == nil && t.Privacy.Secure() {
		return nil
	}
	parameters := 0 // of a claim that does not depend on them
	if d != nil {
		m, err := d.Model(t)
		if err != nil {
			return err
		}
		parameters = m.Layout().Size
	}
	private, err := t.Private(parameters, 0)
	if err != nil {
		fmt.Fprintf(w, "privacy: %v\n", err)
		return nil
	}
	p := &t.Privacy
	claim, err := t.Claim(parameters)
	if err != nil {
		return err
	}
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
	if claim.Shares != nil {
		return describeShares(line, t, parameters, planned)
	}
	line("adjacency", "add-remove: a participant takes part or not, with all of its data")
	line("noise", "%g x the bound on a contribution, which is %s, in every coordinate of the sum", claim.Noise, bound(t))
	line("sampling", "%s", sampled(t, private))
	line("rests on", "a coordinator that is trusted with single contributions, and its database; one tab for each participant at a time")
	return nil
}

// describeShares writes what the claim of noise in secure sums rests on.
func describeShares(line func(name, format string, args ...any), t *task.Task, parameters, planned int) error {
	p := &t.Privacy
	line("adjacency", "zero-out: what a participant contributes, or 0 with its share of noise; who takes part in a round is not hidden")
	line("noise", "%g x what a contribution of norm %g changes, in every coordinate of a sum of %d: each participant adds a share", p.Noise, p.Clip, p.Min)
	if n := p.Participations; n > 0 {
		line("sampling", "nothing is claimed of chance: %s is in %d rounds at most", limited(t), n)
	} else {
		line("sampling", "nothing is claimed of who takes part in a round: any participant may be in each")
	}
	line("rests on", "participants that add their shares, and a coordinator that follows the protocol of secure sums")
	if p.Colluding() == 0 {
		return nil
	}
	what := fmt.Sprintf("the shares of %d participants do not count: as many may show them to the coordinator", p.Colluding())
	if planned > 0 {
		_, f, err := t.SecureTerms(parameters)
		if err != nil {
			return err
		}
		alone, err := f.Claim(p.Delta, p.Participations)
		if err != nil {
			return err
		}
		epsilon, err := alone.Epsilon(planned)
		if err != nil {
			return err
		}
		what += fmt.Sprintf("; epsilon %s where none does", rounded(epsilon, math.Ceil))
	}
	line("colluding", "%s", what)
	return nil
}

// limited says whom a limit on participations holds.
func limited(t *task.Task) string {
	switch {
	case t.Numbers():
		return "each number of the run (somebody who joins anew has another, and counts anew)"
	case t.Persons():
		return "each person (whom an invite with one use tells, or a member's key)"
	}
	return "each participant"
}

func bound(t *task.Task) string {
	if t.Privacy.Adapt {
		return fmt.Sprintf("%g at first and follows the median norm", t.Privacy.Clip)
	}
	return fmt.Sprint(t.Privacy.Clip)
}

func sampled(t *task.Task, p *strategy.Private) string {
	rate := t.Strategy.PrivateRate()
	if tree := p.Tree; tree != nil {
		return fmt.Sprintf("nothing is claimed of chance: %s is in %d rounds at most, %d apart, and the noise is that of a tree", limited(t), tree.Participations, tree.Separation)
	}
	if t.ClaimedRate() < 1 {
		return fmt.Sprintf("each of %d participants with probability %g in each round, which stays secret", t.Privacy.Population, rate)
	}
	return "nothing is claimed of who takes part in a round: any participant may be in each"
}
