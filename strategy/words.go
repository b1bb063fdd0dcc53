package strategy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Summary says in one line, for people, what c does.
func (c Config) Summary() string {
	number := func(x float64) string {
		if math.IsInf(x, 1) {
			return "any distance"
		}
		return strconv.FormatFloat(x, 'g', 4, 64)
	}
	plural := func(n int, what string) string {
		if n == 1 {
			return "1 " + what
		}
		if strings.HasSuffix(what, "ch") {
			return fmt.Sprintf("%d %ses", n, what)
		}
		return fmt.Sprintf("%d %ss", n, what)
	}
	names := map[string]string{
		"central": "Central training", "minibatch": "Distributed mini-batch", "oneshot": "One-shot averaging",
		"periodic": "Periodic averaging", "fedavg": "Federated averaging", "dynamic": "Dynamic averaging",
		"radon": "Radon machine", "fedbuff": "Buffered asynchronous averaging", "daisy": "Daisy-chaining",
	}
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch c.Kind {
	case "fedavg", "minibatch":
		add("%s%% of participants per round", number(math.Round(100*c.Fraction)))
	case "fedbuff":
		add("a version from every %s", plural(c.Buffer, "answer"))
	case "dynamic":
		add("sends when the squared distance exceeds %s", number(c.Delta))
	case "radon":
		if c.Models > 1 {
			add("up to %s per participant", plural(c.Models, "model"))
		}
	case "daisy":
		add("averaged after every %s", plural(c.AverageEvery, "leg"))
	}
	switch {
	case c.Kind == "minibatch":
	case c.Kind == "dynamic":
		add("checked every %s", plural(c.Batches, "mini-batch"))
	case c.Batches > 0:
		add("every %s", plural(c.Batches, "mini-batch"))
	default:
		add("%s", plural(c.Epochs, "epoch"))
	}
	if c.Batch > 0 {
		add("batches of %d", c.Batch)
	}
	add("learning rate %s", number(c.LR))
	if c.Server != "" && c.Server != "sgd" {
		add("server %s", c.Server)
	}
	if c.Prox > 0 {
		add("proximal term %s", number(c.Prox))
	}
	if c.Correction != "" && c.Correction != "none" {
		add("%s", map[string]string{"scaffold": "SCAFFOLD", "fednova": "FedNova"}[c.Correction])
	}
	if c.robust() {
		add("%s instead of the mean", strings.ReplaceAll(c.Combine, "-", " "))
	}
	if c.LRScale != "" && c.LRScale != "none" {
		add("rate scaled by nodes (%s)", c.LRScale)
	}
	return names[c.Kind] + ": " + strings.Join(parts, ", ")
}
