package strategy

import (
	"encoding/binary"
	"fmt"
	"math"

	"fedtab/combine"
)

// Private makes the averaging schemes differentially private, with a participant's whole
// contribution as what is hidden (McMahan, Ramage, Talwar and Zhang 2018, Algorithm 1):
//
//	each client that is present is in the cohort with probability C, independently
//	client k sends its update; Delta_k <- w_k Delta_k min(1, S / ||Delta_k||), w_k <= 1
//	w <- server step along (sum_k Delta_k + N(0, (z S)^2 I)) / (C N)
//
// The divisor is fixed. A round is committed with the answers that came by its deadline,
// none included, and its noise. No client's part depends on another: neither which are
// chosen, nor by how much one counts. docs/differential.md has the claim and its proof's
// references.
type Private struct {
	Noise      float64 // z, of the vector and, where the bound adapts, the count together
	Vector     float64 // noise of the vector alone, at least Noise
	Count      float64 // standard deviation of the noise of the count; 0: the bound does not adapt
	Clip       float64 // S, or the first one
	Full       int     // examples from which on a contribution weighs 1; 0: all weigh 1
	Population int     // N
	Budget     bool    // there is a budget
	Releases   uint64  // within it
	Tree       *Tree   // the noise is that of a tree; nil: each version has its own

	Distributed *Distributed // participants add the noise, in secure sums; nil: the coordinator does
}

const (
	// The bound follows a quantile of the norms of the cohort (Andrew et al. 2021):
	// S <- S exp(-adaptRate (b - adaptTo)).
	adaptRate = .2
	adaptTo   = .5

	// MinBound and MaxBound limit the bound on a contribution's norm. A sum's grid is far
	// finer than the one, and holds the noise of the other.
	MinBound = 1e-4
	MaxBound = 1000

	// clipMargin is taken off the bound, so that neither the rounding of the norm nor that of
	// the sum's grid exceeds it.
	clipMargin = 1e-5
)

// SpentReason is why a run ends whose next version would exceed its privacy budget.
const SpentReason = "the privacy budget is spent: another version would exceed it"

// PrivateProblems reports what in c keeps a run from being differentially private.
func PrivateProblems(c Config) (ps []Problem) {
	refuse := func(wrong bool, field string, value any, want string) {
		if s, ok := value.(string); ok {
			value = fmt.Sprintf("%q", s)
		}
		if wrong {
			ps = append(ps, Problem{field, value, want})
		}
	}
	family := c.Kind == "fedavg" || c.Kind == "periodic" || c.Kind == "oneshot"
	refuse(!family, "kind", c.Kind, "fedavg, periodic or oneshot beside privacy.noise: of other schemes no bound on what one participant changes is known")
	if !family {
		return ps
	}
	refuse(c.robust(), "combine", c.Combine, "mean beside privacy.noise: one contribution may change the result of other combiners by any amount")
	refuse(c.Correction == "scaffold", "correction", c.Correction, "none beside privacy.noise: control variates would need noise of their own")
	refuse(c.Correction == "fednova", "correction", c.Correction, "none beside privacy.noise: its divisor depends on who took part")
	refuse(c.Clip == "adaptive", "clip", c.Clip, "none beside privacy.noise: it follows norms without noise (privacy.clip bounds contributions)")
	refuse(given(c.Guard) && !math.IsInf(c.Guard, 1), "guard", c.Guard, ".inf beside privacy.noise: which contributions it takes out would tell of them")
	refuse(given(c.MaxWeight) && !math.IsInf(c.MaxWeight, 1), "max_weight", c.MaxWeight, ".inf beside privacy.noise: it depends on others' examples (privacy.full_weight is a fixed bound)")
	refuse(given(c.MinReports), "min_reports", c.MinReports, "none beside privacy.noise: a round with few answers, or none, is committed like any other")
	refuse(given(c.LRScale) && c.LRScale != "none", "lr_scale", c.LRScale, "none beside privacy.noise: it depends on how many took part")
	refuse(c.Kind == "fedavg" && !(c.Fraction > 0), "fraction", c.Fraction, "0 < fraction <= 1 beside privacy.noise: the probability with which each participant takes part in a round")
	return ps
}

// ForPrivate returns c with defaults for a differentially private run of a population, as far
// as they are not given: what looks at contributions without noise is off, and no round opens
// while most are absent, which would be charged and learn little.
func (c Config) ForPrivate(population int) Config {
	defaults := map[string]any{"guard": math.Inf(1), "max_weight": math.Inf(1), "clip": "none", "min_clients": max(population/2, 1)}
	for key, value := range defaults {
		if _, has := c.Scheme().Setting(key); !has {
			continue
		}
		if v, _ := c.Get(key); !given(v) {
			c.Set(key, value)
		}
	}
	return c
}

// PrivateRate is the probability with which each client takes part in a round of c.
func (c Config) PrivateRate() float64 {
	if c.Kind == "fedavg" {
		return c.Fraction
	}
	return 1
}

// check says why a run of c is not differentially private.
func (p *Private) check(c Config, s Setup) error {
	if ps := PrivateProblems(c); len(ps) > 0 {
		return fmt.Errorf("%v", ps[0])
	}
	if (p.Distributed != nil) != (s.Secure != nil) {
		return fmt.Errorf("privacy.aggregation: participants add noise to secure sums, and the coordinator to others: want both, or neither")
	}
	if s.Clients > 0 && s.Clients != p.Population {
		return fmt.Errorf("privacy.population is %d, want %d, the number of simulated clients: the sum is divided by a share of it", p.Population, s.Clients)
	}
	return nil
}

// private is the policy of a run that is differentially private.
type private struct {
	fedavg
	Private
	rate     float64
	bound    float64 // S of the open round
	releases uint64  // attempts that were opened: each may release a version, and is charged before its orders leave
	below    int     // answers to the open attempt whose norms are within the bound
	tree     tree
	persons  map[ClientID]Person // behind clients, as far as they are known
}

// Person is who is behind a client, where that is known: as which client somebody comes back,
// what is limited for a person goes on. 0: it is not known.
type Person uint64

// joined takes in who is behind a client.
func (p *private) joined(e Joined) {
	if e.Person != 0 {
		p.persons[e.Client] = e.Person
	}
}

// who returns the person behind a client. One that is not known is the client itself: the
// numbers of persons are random, and far above those of clients.
func (p *private) who(id ClientID) Person {
	if person := p.persons[id]; person != 0 {
		return person
	}
	return Person(id)
}

// present returns the clients that are present, one for each person.
func (p *private) present(r *rounds) (one []ClientID) {
	seen := map[Person]bool{}
	for _, id := range r.cohort.present {
		if who := p.who(id); !seen[who] {
			seen[who] = true
			one = append(one, id)
		}
	}
	return one
}

func newPrivate(c Config, s Setup, of fedavg) Strategy {
	c.Clip, c.MinReports = "none", 0
	p := &private{fedavg: of, Private: *s.Private, rate: c.PrivateRate(), bound: s.Private.Clip, persons: map[ClientID]Person{}}
	r := newRounds(c, s, p)
	r.private, r.fewest = p, 0
	if p.Distributed != nil {
		r.bound = bound{value: p.Clip, fixed: true}
	}
	return r
}

// choose draws each client that is present by itself, from a secret seed: one that is
// absent counts as one that sent 0.
func (p *private) choose(r *rounds) []ClientID {
	if p.Distributed != nil {
		return p.Distributed.choose(p, r)
	}
	if p.Tree == nil {
		p.releases++
	}
	p.below = 0
	chosen := []ClientID{}
	for _, id := range p.present(r) {
		who := p.who(id)
		if p.Tree != nil && !p.tree.may(who, p.releases+1, p.Tree) {
			continue
		}
		if r.setup.chance("member", uint64(r.order)+1, uint64(who)) < p.rate {
			chosen = append(chosen, id)
		}
	}
	if p.Tree != nil {
		p.ask(chosen, p.releases+1)
	}
	return chosen
}

// weigh bounds a contribution by itself.
func (p *private) weigh(_ *rounds, e Offered) (scale, weight float64) {
	weight = 1
	if p.Full > 0 {
		examples := e.Weight
		if e.Share > 0 {
			examples /= e.Share
		}
		weight = min(examples/float64(p.Full), 1)
	}
	norm, factor := e.Norms[0], 1.0
	if norm <= p.bound {
		p.below++
	}
	if bound := p.bound * (1 - clipMargin); norm > bound {
		factor = bound / norm
	}
	return weight * factor, weight
}

func (p *private) enough(*rounds) bool { return true }

func (p *private) plan(r *rounds, rate float64) combine.Plan {
	step := p.step(r, rate)
	if step.Distributed = p.Distributed != nil; step.Distributed {
		return step
	}
	step.Sigma = p.Vector * p.bound
	if p.Count > 0 {
		// Centred, an answer moves the count by 1/2 and none by 0.
		step.Count = &combine.Count{Halves: int64(2*p.below - len(r.answers)), Sigma: p.Count}
	}
	if p.Tree != nil {
		_, drop := p.stepped()
		step.Tree = &combine.Tree{Drop: drop}
	}
	return step
}

// step returns the version's arithmetic but for its noise.
func (p *private) step(r *rounds, rate float64) combine.Private {
	step := combine.Private{Divisor: p.rate * float64(p.Population), Server: combine.Server{Kind: combine.SGD, LR: rate}}
	if r.cfg.Server != "" && r.cfg.Server != "sgd" {
		step.Server = combine.Server{Kind: combine.Kind(r.cfg.Server), LR: rate, Beta1: r.cfg.ServerMomentum, Beta2: r.cfg.ServerBeta2, Tau: r.cfg.ServerTau}
	}
	return step
}

// committed takes in what a version has released: the bound follows the noised count, and the
// tree has another node.
func (p *private) committed(noised []float64, seed *combine.Seed) {
	if p.Tree != nil && seed != nil {
		p.grow(*seed)
	}
	if p.Count == 0 || len(noised) == 0 {
		return // on the way back to an earlier version nothing is released
	}
	share := .5 + noised[0]/(p.rate*float64(p.Population))
	p.bound = min(max(p.bound*math.Exp(-adaptRate*(share-adaptTo)), MinBound), MaxBound)
}

// after ends the run when its budget is spent.
func (p *private) after(r *rounds) {
	if r.version > 0 {
		p.fedavg.after(r)
	}
	if r.state != over && p.Budget && p.releases >= p.Releases {
		r.finish(SpentReason)
	}
}

// resume goes on with an attempt that was charged when it was opened.
func (p *private) resume(_ *rounds, number int, state []byte) int {
	d := stateReader{b: state}
	p.below = 0
	releases, bound, t := p.readAccount(&d)
	if d.end() != nil || t.steps != p.tree.steps {
		p.releases++ // of a state that cannot be read it is known that it was opened
		return number
	}
	t.nodes = p.tree.nodes
	p.releases, p.bound, p.tree = releases, bound, t
	return number
}

// append encodes the state between rounds, without seeds: as it is, or as it is after another
// step of a tree.
func (p *private) append(to []byte, step bool) []byte {
	releases, t := p.releases, p.tree
	if p.Tree != nil && step {
		t, _ = p.stepped()
		releases++
	}
	to = binary.AppendUvarint(to, releases)
	to = binary.AppendUvarint(to, math.Float64bits(p.bound))
	if p.Tree != nil || p.Distributed != nil {
		to = t.append(to)
	}
	return to
}

// readAccount reads what append has written.
func (p *private) readAccount(d *stateReader) (releases uint64, bound float64, t tree) {
	releases, bound = d.uint(), math.Float64frombits(d.uint())
	if p.Tree != nil || p.Distributed != nil {
		t = readTree(d)
	}
	d.broken = d.broken || !(bound >= MinBound && bound <= MaxBound) || p.Tree == nil && t.steps > 0
	return releases, bound, t
}

// AppendNoised appends what a Plan has released with noise to a Commit's Snapshot.
func AppendNoised(snapshot []byte, noised []float64) []byte {
	for _, x := range noised {
		snapshot = binary.AppendUvarint(snapshot, math.Float64bits(x))
	}
	return snapshot
}

// read reads what append and AppendNoised have written, and the seeds of a tree.
func (p *private) read(d *stateReader) error {
	releases, bound, t := p.readAccount(d)
	if d.broken {
		return nil // the caller asks the reader
	}
	if p.Tree != nil || p.Distributed != nil {
		p.releases, p.bound, p.tree = releases, bound, t
		return p.readSeeds(d)
	}
	var noised []float64
	for len(d.b) > 0 && !d.broken {
		noised = append(noised, math.Float64frombits(d.uint()))
	}
	if d.broken || len(noised) > 1 || len(noised) == 1 && p.Count == 0 {
		d.broken = true
		return nil
	}
	p.releases, p.bound = releases, bound
	p.committed(noised, nil)
	return nil
}

// releases returns how many versions are charged to the account.
func (r *rounds) releases() uint64 {
	if r.private == nil {
		return 0
	}
	return r.private.releases
}
