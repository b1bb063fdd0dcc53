package strategy

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Summary says in one line, for people, what c does.
func (c Config) Summary() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	scheme := c.Scheme()
	if scheme.Words != nil {
		parts = scheme.Words(c)
	}
	if c.Split > 1 {
		add("%d parts a participant", c.Split)
	}
	if c.Batch > 0 {
		add("batches of %d", c.Batch)
	}
	add("learning rate %s", figure(c.LR))
	if c.Server != "" && c.Server != "sgd" {
		add("server %s", c.Server)
	}
	if c.Prox > 0 {
		add("proximal term %s", figure(c.Prox))
	}
	if c.Correction != "" && c.Correction != "none" {
		add("%s", map[string]string{"scaffold": "SCAFFOLD", "fednova": "FedNova"}[c.Correction])
	}
	if c.robust() {
		add("%s instead of the mean", strings.ReplaceAll(c.Combine, "-", " "))
		if c.Combine != "radon" {
			n := c.minModels(0)
			add("which withstands %d wrong of %d or more answers", c.Withstands(n), n)
		}
	}
	if c.LRScale != "" && c.LRScale != "none" {
		add("rate scaled by nodes (%s)", c.LRScale)
	}
	return scheme.Title + ": " + strings.Join(parts, ", ")
}

// trainingWords describes the length of local training.
func trainingWords(c Config) []string {
	if c.Batches > 0 {
		return []string{"every " + plural(c.Batches, "mini-batch")}
	}
	return []string{plural(c.Epochs, "epoch")}
}

// share describes the share of the clients in a round.
func share(fraction float64) string {
	return figure(math.Round(100*fraction)) + "% of participants per round"
}

func figure(x float64) string {
	if math.IsInf(x, 1) {
		return "any distance"
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	if strings.HasSuffix(what, "batch") {
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
