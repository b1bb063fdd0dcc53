package hostile

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"fedtab/api"
	"fedtab/protocol"
	"fedtab/simulation/adversary"
)

// Runs with a liar, and without.
const (
	poisonRounds = 60
	poisonSeeds  = 3 // of the long form; the short form has seed 1
	poisonPoints = 2 // of accuracy, percent, that a liar may cost in the mean of the seeds
	onePoints    = 5 // of one seed, which scatters

	// A run takes some 8 s. One that is frozen is looked at after:
	poisonTime = 90 * time.Second
)

// poisoned are worlds that the cases make themselves, of two to three processors'
// work each.
var poisoned = &Setting{Name: "poison", Slots: 6}

// study is a kind of run to be poisoned: MNIST with a small layer, and settings of
// the scheme beside defaults.
type study struct {
	name, strategy string
	honest         int
	scatters       bool // it has three seeds in the short form too
}

func (s study) setting(clients, seed int) *Setting {
	return &Setting{Name: "poison", Task: fmt.Sprintf(`
model: {kind: mlp, hidden: [32]}
data: {source: mnist, partition: {kind: iid, clients: 100}}
strategy: {kind: fedavg, batches: 20, batch: 50, lr: 0.1, min_clients: %d, %s}
stop: {rounds: %d}
seed: %d
`, clients, s.strategy, poisonRounds, seed)}
}

var (
	everybody = study{"all", "fraction: 1", 6, false}
	pairs     = study{"pairs", "fraction: 0.1", 6, true} // live cohorts are of at least two
	guarded   = study{"guard", "fraction: 1, guard: 1.5", 6, false}
	robust    = study{"robust", "fraction: 0.1, combine: median", 5, false}
)

// outcome is what has become of a run.
type outcome struct {
	accuracy        float64 // percent
	version         int
	closed, refused int // of the honest
}

// train runs a study with or without a liar.
func (s *suite) train(ctx context.Context, st study, seed int, l *liar) (o outcome, err error) {
	clients := st.honest
	if l != nil {
		clients++
	}
	w, err := s.open(ctx, st.setting(clients, seed))
	if err != nil {
		return o, err
	}
	defer w.Close()
	if l != nil {
		w.Crew.AddLiar(st.honest, l)
	} else {
		w.Crew.Add(st.honest)
	}
	bounded, cancel := context.WithTimeout(ctx, poisonTime)
	defer cancel()
	w.Crew.Await(bounded, poisonRounds)
	for {
		state, err := w.State(ctx)
		if err != nil {
			return o, err
		}
		o.version = state.Version
		o.accuracy = mean(state)
		if state.Version >= poisonRounds && state.Evaluated == state.Version || bounded.Err() != nil { // clients know of a version before readers do
			break
		}
		pause(ctx, 50*time.Millisecond)
	}
	o.closed, o.refused = w.Crew.Harm()
	return o, nil
}

// mean returns the mean accuracy of the rounds shown, percent: that of a single version
// varies by a point.
func mean(state api.Task) float64 {
	var sum, n float64
	for _, r := range state.Rounds {
		if r.TestAccuracy != nil {
			sum, n = sum+100**r.TestAccuracy, n+1
		}
	}
	return sum / max(n, 1)
}

// clean returns the accuracy of a study without a liar, in percent. It is trained
// once.
func (s *suite) clean(ctx context.Context, st study, seed int) (float64, error) {
	key := fmt.Sprint(st.name, seed)
	s.mu.Lock()
	once := s.accuracies[key]
	if once == nil {
		once = sync.OnceValues(func() (float64, error) {
			o, err := s.train(ctx, st, seed, nil)
			if err == nil && o.version < poisonRounds {
				err = fmt.Errorf("without the liar: %d of %d rounds", o.version, poisonRounds)
			}
			return o.accuracy, err
		})
		s.accuracies[key] = once
	}
	s.mu.Unlock()
	return once()
}

// poison compares runs with a liar to the same without it.
func poison(t *T, st study, l liar) {
	seeds, points := 1, float64(onePoints)
	if t.suite.Long {
		points = poisonPoints
	}
	if t.suite.Long || st.scatters {
		seeds = poisonSeeds
	}
	var lost, accuracy float64
	version, closed, refused := math.MaxInt, 0, 0
	for seed := 1; seed <= seeds; seed++ {
		without, err := t.suite.clean(t.Context(), st, seed)
		if err != nil {
			t.Fatal(err)
		}
		one := l
		o, err := t.suite.train(t.Context(), st, seed, &one)
		if err != nil {
			t.Fatal(err)
		}
		accuracy += o.accuracy / float64(seeds)
		lost += (without - o.accuracy) / float64(seeds)
		version, closed, refused = min(version, o.version), closed+o.closed, refused+o.refused
	}
	t.cost(lost <= points, fmt.Sprintf("accuracy %.1f%%, lost %.1f points <= %g points", accuracy, lost, points))
	t.AtLeast("rounds", float64(version), float64(poisonRounds), "")
	t.AtMost("honest closes", float64(closed), 0, "")
	t.AtMost("honest refusals", float64(refused), 0, "")
}

// poisons are lies that are accepted: one liar of seven, or of six, in every round
// that it is chosen for.
func poisons() (cases []Case) {
	add := func(st study, words, about string, long bool, l liar) {
		cases = append(cases, Case{
			Name: "poison/" + st.name + "-" + words, About: about, Needs: "a run of its own", Long: long, World: poisoned,
			Attack: func(t *T) { poison(t, st, l) },
		})
	}
	kind := func(name string) liar { return liar{kind: adversary.Config{Kind: name}} }
	most := liar{lie: filled(protocol.MaxDelta)}
	for _, k := range []struct{ name, about string }{
		{adversary.SignFlip, "sends -10 times its delta"},
		{adversary.Scale, "sends 10 times its delta"},
		{adversary.Noise, "adds noise of 10 times its delta's norm"},
		{adversary.LabelFlip, "trains on flipped labels"},
		{adversary.Backdoor, "trains on a trigger, and sends a multiple of its delta"},
		{adversary.LittleIsEnough, "sends the mean less a multiple of the standard deviation"},
		{adversary.InnerProduct, "sends the mean, negated"},
	} {
		add(everybody, k.name, "one of seven "+k.about, false, kind(k.name))
		add(pairs, k.name, "cohorts of two of seven, one of whom "+k.about, k.name != adversary.SignFlip && k.name != adversary.LabelFlip, kind(k.name))
	}
	add(everybody, "every-value-64", "one of seven sends the largest value everywhere", false, most)
	add(everybody, "every-value-1", "one of seven sends 1 everywhere", true, liar{lie: filled(1)})
	add(everybody, "spikes", "one of seven sends the largest value in every hundredth parameter", false, liar{lie: spikes})
	add(everybody, "zero", "one of seven sends zeros with its full weight", true, liar{lie: filled(0)})
	add(everybody, "sleeper", "one of seven is honest for 15 rounds, then sends the largest value", false, liar{lie: from(16, most.lie)})
	add(everybody, "every-second-round", "one of seven sends the largest value in every second round", true, liar{lie: everySecond(most.lie)})
	add(pairs, "every-value-64", "cohorts of two of seven, one of whom sends the largest value", false, most)
	add(guarded, "sign-flip", "guard: 1.5, one of seven sends -10 times its delta", false, kind(adversary.SignFlip))
	add(guarded, "every-value-64", "guard: 1.5, one of seven sends the largest value", false, most)
	add(robust, "sign-flip", "the median of a tenth of six tabs, one of whom sends -10 times its delta", false, kind(adversary.SignFlip))
	add(robust, "every-value-64", "the median of a tenth of six tabs, one of whom sends the largest value", false, most)
	return cases
}
