//go:build !lab

package client

import "fedtab/privacy/secagg"

// newMachine returns a participant's side of an attempt of secure aggregation.
func newMachine(t secagg.Terms, a secagg.Attempt, member int, history secagg.History) (machine, error) {
	return secagg.NewClient(t, a, member, history)
}
