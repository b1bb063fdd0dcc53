package task_test

import (
	"fmt"

	"fedtab/coordinator/task"
)

func ExampleFind() {
	t, err := task.Find("mnist-2nn", []string{"strategy.fraction=0.2", "stop.rounds=10"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s: C=%v, %d rounds\n", t.Title, t.Strategy.Fraction, t.Stop.Rounds)
	// Output: Handwritten digits: C=0.2, 10 rounds
}

func ExampleParse() {
	_, err := task.Parse("digits.yaml", []byte(`name: digits
model: {kind: mlp, hidden: [200, 0]}
data: {source: mnist}
strategy: {kind: fedavg, fracton: 0.1, deadline: 90}
stop: {accuracy: 98}
`))
	fmt.Println(err)
	// Output:
	// digits.yaml:2: model.hidden[1] is 0, want 1 <= units <= 16384
	// digits.yaml:4: unknown field strategy.fracton, did you mean fraction? (allowed: augment, average_every, batch, batches, buffer, byzantine, clip, combine, correction, deadline, delta, epochs, fraction, full_share, guard, height, kind, lr, lr_scale, max_kept, max_weight, min_clients, min_reports, models, prox, server, server_beta2, server_lr, server_momentum, server_tau, split, staleness, trim, warmup)
	// digits.yaml:4: strategy.deadline is 90, want a duration with its unit, such as 90s or 2h
	// digits.yaml:4: strategy.lr is missing, want 0 < lr <= 1000
	// digits.yaml:5: stop.accuracy is 98, want 0 < accuracy <= 1 (0: no such condition)
}
