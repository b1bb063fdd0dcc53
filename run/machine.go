//go:build !lab

package run

import "fedtab/privacy/secagg"

// newMachine returns the coordinator's side of an attempt of secure aggregation.
func newMachine(t secagg.Terms, a secagg.Attempt, clients []uint64) (machine, error) {
	return secagg.NewServer(t, a, clients)
}

// split divides a request among cores, where it is worth it, and join makes one answer of theirs.
func split(r secagg.Request, cores int) []secagg.Request {
	u, ok := r.(*secagg.Unmasking)
	if !ok || cores < 2 {
		return []secagg.Request{r}
	}
	var parts []secagg.Request
	for _, p := range u.Split(cores) {
		parts = append(parts, p)
	}
	return parts
}

func join(answers []secagg.Answer) secagg.Answer {
	if len(answers) == 1 {
		return answers[0]
	}
	return secagg.Join(answers)
}
