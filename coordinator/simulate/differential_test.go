package simulate

import (
	"testing"

	"fedtab/coordinator/task"
	"fedtab/strategy"
)

// A simulation with noise has its account in every round and in the end, tells nothing of single
// rounds without noise, and is the same at any number of cores, also when clients come and go.
// The budget ends it.
func TestDifferential(t *testing.T) {
	small := []string{
		"model.hidden=[]", "data.first=400", "data.partition.clients=20", "privacy.population=20", "privacy.adapt=true", "privacy.noise=.3",
		"strategy.epochs=1", "strategy.fraction=.5", "eval_every=1",
	}
	for _, c := range []struct {
		name   string
		sets   []string
		rounds int
		reason string
	}{
		{"all rounds", []string{"stop={rounds: 3}", "privacy.epsilon="}, 3, "3 rounds done"},
		{"the budget", []string{"stop={rounds: 9}", "privacy.epsilon=40"}, 0, strategy.SpentReason},
		{"noise of a tree", []string{"stop={rounds: 4}", "privacy.epsilon=", "privacy.adapt=false", "privacy.sampling=none", "privacy.participations=2", "privacy.separation=2"}, 4, "4 rounds done"},
		{"the budget of a tree", []string{"stop={rounds: 9}", "privacy.epsilon=40", "privacy.adapt=false", "privacy.sampling=none", "privacy.participations=9"}, 0, strategy.SpentReason},
		{"clients that come and go", []string{"stop={rounds: 3}", "privacy.epsilon=", "devices.availability=.7", "devices.session=60s"}, 3, "3 rounds done"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sets := append(small[:len(small):len(small)], c.sets...)
			res := simulate(t, "mnist-dp", sets...)
			tk, err := task.Find("mnist-dp", sets)
			if err != nil {
				t.Fatal(err)
			}
			p := res.Final.Privacy
			if p == nil || p.Epsilon == nil || res.Final.Reason != c.reason || int(p.Releases) != len(res.Rounds) || c.rounds > 0 && len(res.Rounds) != c.rounds {
				t.Fatalf("%d rounds, %q, account %+v", len(res.Rounds), res.Final.Reason, p)
			}
			claim, err := tk.Claim(199210)
			if err != nil {
				t.Fatal(err)
			}
			within, err := claim.Epsilon(len(res.Rounds))
			if err != nil || *p.Epsilon != within || p.Delta != 1e-5 {
				t.Errorf("epsilon %g, want %g (%v)", *p.Epsilon, within, err)
			}
			if beyond, _ := claim.Epsilon(len(res.Rounds) + 1); c.rounds == 0 && (within > 40 || beyond <= 40) {
				t.Errorf("it ends at epsilon %g, and one more version has %g; the budget is 40", within, beyond)
			}
			for _, r := range res.Rounds {
				if r.Participants != 0 || r.TrainLoss != nil || r.Weight != nil || r.Privacy == nil {
					t.Errorf("round %d: %+v", r.Round, r)
				}
			}
			if again := simulate(t, "mnist-dp", sets...); again.ModelSHA256 != res.ModelSHA256 {
				t.Error("another result of the same seed")
			}
			if other := simulate(t, "mnist-dp", append(sets, "seeds.sampling=5")...); other.ModelSHA256 == res.ModelSHA256 {
				t.Error("the noise does not follow the seed")
			}
		})
	}
}

// Noise of the participants, from an attempt to the account: each round is charged, one takes
// part in no more than the claim says, and a seed gives one result.
func TestDistributedNoise(t *testing.T) {
	sets := []string{
		"model.hidden=[]", "data.first=400", "data.partition.clients=20", "privacy.population=20", "privacy.min=6", "privacy.max=10", "privacy.noise=.5",
		"privacy.participations=2", "privacy.epsilon=", "strategy.epochs=1", "strategy.fraction=.5", "eval_every=1", "stop={rounds: 4}",
	}
	res := simulate(t, "mnist-secure-dp", sets...)
	tk, err := task.Find("mnist-secure-dp", sets)
	if err != nil {
		t.Fatal(err)
	}
	claim, err := tk.Claim(7850)
	if err != nil {
		t.Fatal(err)
	}
	want, err := claim.Epsilon(2)
	if p := res.Final.Privacy; err != nil || len(res.Rounds) != 4 || p == nil || p.Epsilon == nil || *p.Epsilon != want || p.Releases != 4 {
		t.Errorf("%d rounds, account %+v, %v: want 4 releases, and epsilon %g of two participations", len(res.Rounds), p, err, want)
	}
	if again := simulate(t, "mnist-secure-dp", sets...); again.ModelSHA256 != res.ModelSHA256 {
		t.Error("another result of the same seed")
	}
}
