package compare

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"fedtab/client"
	"fedtab/learn/data"
	"fedtab/privacy/attack"
)

// noisyDigits returns pictures without any meaning, with random labels.
func noisyDigits(t *testing.T, n int) *data.Set {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 1))
	images, labels := data.Array{Dims: []int{n, 28, 28}, Data: make([]uint8, n*28*28)}, data.Array{Dims: []int{n}, Data: make([]uint8, n)}
	for i := range images.Data {
		images.Data[i] = uint8(random.UintN(256))
	}
	for i := range labels.Data {
		labels.Data[i] = uint8(random.UintN(10))
	}
	set, err := data.NewSet(images, labels, 10)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Of pictures that can only be learned by heart, single updates name the members, the sum of
// all far fewer, and noise takes away what is left. Equal trials are equal.
func TestTrials(t *testing.T) {
	set := noisyDigits(t, 2*memberExamples*memberClients)
	seen := []sight{{1, attack.Release{}}, {memberClients, attack.Release{}}, {1, attack.Release{Clip: memberClip, Noise: 10}}}
	trials := make([]trial, 6)
	for i := range trials {
		var err error
		if trials[i], err = newTrial(1, uint64(i), seen, set, set.First(10)); err != nil {
			t.Fatal(err)
		}
		members := 0
		for _, in := range trials[i].in {
			if in {
				members++
			}
		}
		if members != memberExamples*memberClients {
			t.Fatalf("%d members, want %d", members, memberExamples*memberClients)
		}
	}
	again, err := newTrial(1, 0, seen, set, set.First(10))
	if err != nil || !slices.Equal(again.in, trials[0].in) || !slices.Equal(again.confidence[2], trials[0].confidence[2]) {
		t.Errorf("the same trial is another one (error %v)", err)
	}
	for _, by := range memberAttacks {
		single, sum, noise := roc(trials, 0, by.name).AUC(), roc(trials, 1, by.name).AUC(), roc(trials, 2, by.name).AUC()
		if single.Value < .9 || sum.Value > .7 || sum.Value < .5 || math.Abs(noise.Value-.5) > .02 {
			t.Errorf("%s: AUC of single updates %.3f, of the sum %.3f, with noise %.3f", by.name, single.Value, sum.Value, noise.Value)
		}
	}
}

// One picture is read back exactly, many pictures hide each other, and noise hides all.
func TestInvertAll(t *testing.T) {
	set := noisyDigits(t, 8*invertClients)
	at := func(variant string) int {
		return slices.IndexFunc(invertSights, func(s sight) bool { return s.variant() == variant })
	}
	one, err := invertAll(1, 1, set)
	if err != nil {
		t.Fatal(err)
	}
	if x := one[at("single_clipped")]; x.known != 1 || x.psnr < 60 {
		t.Errorf("a picture of a clipped update: %+v, want it exactly", x)
	}
	if x := one[at("sum_100")]; x.known > .2 {
		t.Errorf("pictures in a sum of 100: %+v, want few", x)
	}
	if x := one[at("single_noise_0p1")]; x.known > 0 {
		t.Errorf("a picture with noise: %+v, want none", x)
	}
}

// What noise leaves to any attack, and the epsilon of the same noise.
func TestClaim(t *testing.T) {
	most, epsilon := claim(1)
	if math.Abs(most-.3721) > 1e-4 || math.Abs(epsilon-9.997) > 1e-3 {
		t.Errorf("noise 1 leaves %.4f, epsilon %.3f, want .3721 and 9.997", most, epsilon)
	}
}

// A participant whose training diverges has no update.
func TestUpdateFails(t *testing.T) {
	f, err := newFederation(1)
	if err != nil {
		t.Fatal(err)
	}
	h := memberHyper
	h.LR = 1e30
	if _, err := f.update(client.NewWorkspace(f.model), noisyDigits(t, 10), h, 1); err == nil {
		t.Error("training that diverges has an update")
	}
}

// Names of what is seen are those that statements and tables have.
func TestSights(t *testing.T) {
	for _, c := range []struct {
		sight
		variant, label string
	}{
		{sight{1, attack.Release{}}, "single", "single updates"},
		{sight{1, attack.Release{Clip: 2}}, "single_clipped", "single updates, clipped"},
		{sight{10, attack.Release{Clip: 2, Noise: .03}}, "sum_10_noise_0p03", "sums of 10, noise 0.03"},
		{sight{100, attack.Release{}}, "sum_100", "sums of 100"},
	} {
		if c.variant != c.sight.variant() || c.label != c.sight.label() || !name.MatchString(c.variant) {
			t.Errorf("%+v: %q, %q", c.sight, c.sight.variant(), c.sight.label())
		}
	}
}
