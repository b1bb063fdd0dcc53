package simulate

import (
	"strings"
	"testing"

	"fedtab/coordinator/task"
)

// One of 24 that sends as much as no sum wraps by ruins a round of secure aggregation: its
// vector is in the sum, and nobody can take it out. Of groups it spoils its own.
func TestSecureLiars(t *testing.T) {
	accuracy := func(sets ...string) float64 {
		sets = append([]string{
			"model.hidden=[]", "data.partition.clients=24", "strategy.fraction=1", "strategy.epochs=", "strategy.batches=20", "strategy.batch=50",
			"privacy={aggregation: secure, min: 3, dropout: .1, corrupt: .05}", "stop.rounds=6", "eval_every=6", "strategy.guard=.inf",
		}, sets...)
		return *simulated(t, sets...).Rounds[5].TestAccuracy
	}
	groups := []string{"privacy.groups=4", "strategy.combine=median", "strategy.guard="}
	lie := "adversaries={kind: sign-flip, fraction: .05, scale: 1000}"
	honest, ruined := accuracy(), accuracy(lie)
	inGroups, spoiled := accuracy(groups...), accuracy(append(groups, lie)...)
	t.Logf("accuracy %.3f, with a liar %.3f; in groups %.3f, with a liar %.3f", honest, ruined, inGroups, spoiled)
	if ruined > honest-.1 {
		t.Errorf("a liar in a sum of all leaves %.3f of %.3f, want it to show", ruined, honest)
	}
	if spoiled < inGroups-.02 {
		t.Errorf("a liar in a group leaves %.3f of %.3f, want at most 2 points less", spoiled, inGroups)
	}
}

// Adversaries that go by the deltas of the others have none to go by.
func TestSecureCollusion(t *testing.T) {
	_, err := task.Find("mnist-2nn", []string{"privacy={aggregation: secure}", "adversaries={kind: inner-product, fraction: .1}"})
	if err == nil || !strings.Contains(err.Error(), "nobody sees the deltas") {
		t.Errorf("got %v, want to refuse it", err)
	}
}
