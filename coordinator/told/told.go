// Package told adds up what the runs of a task have told of its participants, of whom it takes
// those of all runs for the same people.
package told

import (
	"fmt"

	"fedtab/api"
	"fedtab/api/v1"
	"fedtab/coordinator/account"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/run"
)

// Before returns the accounts of a task's runs that are earlier than one, of all for no run.
func Before(s *store.Store, task, run string) ([]store.Account, error) {
	all, err := s.Accounts(task)
	if err != nil || run == "" {
		return all, err
	}
	runs, err := s.Runs(store.Filter{ID: run})
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	return Earlier(all, runs[0].Number), nil
}

// Earlier returns those of a task's accounts, in the order of their runs, that are of runs with a
// number below that of one.
func Earlier(all []store.Account, number int64) []store.Account {
	for i, a := range all {
		if a.Number >= number {
			return all[:i]
		}
	}
	return all
}

// Epsilon returns what accounts come to by basic composition, in which epsilons add up.
func Epsilon(all []store.Account) (sum float64) {
	for _, a := range all {
		sum += a.Epsilon
	}
	return sum
}

// Together returns what accounts come to, by basic composition; nil for none.
func Together(all []store.Account) (sum *api.Together) {
	for i := range all {
		sum = account.Add(sum, &all[i].Spent, adjacency(all[i].Spec))
	}
	return sum
}

// Account returns that of a run with a task, whose earlier runs have told what is given; nil where
// it has told nothing, and has no noise or no earlier runs.
func Account(spec []byte, spent *run.Spent, earlier []store.Account) *v1.Account {
	if spent == nil && (len(earlier) == 0 || !noised(spec)) {
		return nil
	}
	a := &v1.Account{Epsilon: new(float64), Adjacency: adjacency(spec)}
	if spent != nil {
		a.Releases, a.Epsilon, a.Delta = spent.Releases, account.Epsilon(spent), spent.Delta
	}
	for i := range earlier {
		e := &earlier[i]
		a.Earlier = append(a.Earlier, v1.Earlier{Run: e.Run, Releases: e.Releases, Epsilon: account.Epsilon(&e.Spent), Delta: e.Delta, Adjacency: adjacency(e.Spec)})
	}
	if sum := Together(earlier); sum != nil {
		a.Together = account.With(sum, spent, a.Adjacency)
	}
	return a
}

// noised says whether a recorded task has noise.
func noised(spec []byte) bool {
	t, err := task.Parse("the recorded task", spec)
	return err == nil && t.Privacy.Differential()
}

// adjacency returns that of the claim of a recorded task.
func adjacency(spec []byte) string {
	t, err := task.Parse("the recorded task", spec)
	if err != nil { // of another build
		return ""
	}
	return task.Adjacency(t.Privacy.Aggregation)
}

// Words writes an account in one line, with the adjacency of each figure.
func Words(a *v1.Account) string {
	words := figures(a.Epsilon, a.Delta, a.Adjacency)
	if t := a.Together; t != nil {
		runs := "1 earlier run"
		if t.Runs > 1 {
			runs = fmt.Sprintf("%d earlier runs", t.Runs)
		}
		words += fmt.Sprintf("; with %s of this task: %s", runs, figures(t.Epsilon, t.Delta, t.Adjacency))
	}
	return words
}

func figures(epsilon *float64, delta float64, adjacency string) string {
	if epsilon == nil {
		return "no bound on epsilon"
	}
	words := fmt.Sprintf("epsilon %.4g, delta %.3g", *epsilon, delta)
	if adjacency != "" {
		words += " (" + adjacency + ")"
	}
	return words
}

// Refuse says why no run of a task can begin after those with the given accounts: they leave no
// room in its budget for a version, or deltas that add up to no claim. nil: it can.
func Refuse(t *task.Task, parameters int, earlier []store.Account) error {
	if !t.Privacy.Differential() || len(earlier) == 0 {
		return nil
	}
	if err := refuseDelta(t, earlier); err != nil {
		return err
	}
	told := Epsilon(earlier)
	if told == 0 || t.Privacy.Epsilon == 0 {
		return nil
	}
	claim, err := t.Claim(parameters)
	if err != nil {
		return err
	}
	one, err := claim.Epsilon(1)
	if err != nil {
		return err
	}
	if told+one <= t.Privacy.Epsilon {
		return nil
	}
	return fmt.Errorf("task %s: privacy.epsilon is %v: earlier runs of the task have told epsilon %.4g of its participants, and one version more %.3g: want a higher budget for the same people, or another task name for others", t.Name, t.Privacy.Epsilon, told, one)
}

// refuseDelta is Refuse for deltas, which are bounded as that of one run is.
func refuseDelta(t *task.Task, earlier []store.Account) error {
	var told float64
	for _, a := range earlier {
		told += a.Delta
	}
	p := &t.Privacy
	if (told+p.Delta)*float64(p.Population) < 1 {
		return nil
	}
	most, people := 1/float64(p.Population), "another task name for other people"
	if told >= most {
		return fmt.Errorf("task %s: privacy.delta: earlier runs of the task have told delta %.3g of its participants, which is not less than 1 / population = %.3g: with delta alone, they could have published all that one of them has: want %s", t.Name, told, most, people)
	}
	return fmt.Errorf("task %s: privacy.delta is %v: with delta %.3g, which earlier runs of the task have told of its participants, it is not less than 1 / population = %.3g: with delta alone, the runs could publish all that one of them has: want less than %.3g, or %s", t.Name, p.Delta, told, most, most-told, people)
}
