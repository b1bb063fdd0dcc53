package strategy

import (
	"fmt"

	"fedtab/combine"
	"fedtab/learn/rng"
)

// RadonSettings are the settings that the Radon machine alone has.
type RadonSettings struct {
	Height int `yaml:"height,omitempty"` // h
	Models int `yaml:"models,omitempty"` // max base models per participant
}

// MaxModels is how many base models one participant trains at most: as many as
// a contribution may have vectors.
const MaxModels = 256

// maxRadonParameters is the largest number of parameters for which Radon points
// are taken: one costs a factorisation of d^3 operations, and needs d + 2 models.
const maxRadonParameters = 2000

// radonScheme is the Radon machine (Kamp, Boley, Missura and Gaertner 2017): one
// round of communication, a guarantee on the quality, for convex problems of
// few parameters.
//
//	r = d + 2;  train r^h models, each on data of its own
//	h times: replace groups of r models by their Radon points
//
// A participant trains as many base models as it takes to reach r^h, on
// disjoint parts of its own examples. A participant that leaves before its models
// are here takes their share of the data along: if the others were not asked for
// enough, the attempt is abandoned and the work divided anew.
func radonScheme() Scheme {
	return Scheme{
		Name: "radon", Title: "Radon machine", Ends: true,
		Single: func(Config) string { return "single models, of which it takes Radon points" },
		Keeps:  true,
		Help:   "Radon points instead of means",
		Models: "`models` up, once",
		Choose: "few parameters, a convex loss, doubtful participants",
		Settings: []Setting{
			epochsSetting(), batchSetting(), rateSetting(),
			{Key: "height", Type: Whole, Min: 1, Max: 16, Zero: "as high as the participants allow", Help: "h"},
			{Key: "models", Type: Whole, Min: 1, Max: MaxModels, Unit: "per participant", Default: 1, Help: "max base models of one participant"},
			minClientsSetting(1), deadlineSetting(),
		},
		Own:        RadonSettings{},
		CheckSetup: checkRadon,
		Packing:    func(Config) Packing { return Packing{} },  // a Radon point is taken of models as they are
		MaxScale:   func(Config, float64) float64 { return 1 }, // models are kept, and never added
		Vectors:    func(c Config) int { return max(own[RadonSettings](c).Models, 1) },
		Words: func(c Config) []string {
			words := trainingWords(c)
			if n := own[RadonSettings](c).Models; n > 1 {
				words = append([]string{fmt.Sprintf("up to %s per participant", plural(n, "model"))}, words...)
			}
			return words
		},
		New: func(c Config, s Setup) Strategy {
			c.Clip = "none" // a Radon point is no mean
			return newRounds(c, s, &radon{RadonSettings: own[RadonSettings](c)})
		},
	}
}

func checkRadon(c Config, s Setup) error {
	d, k, o := s.Parameters, s.Clients, own[RadonSettings](c)
	height := max(o.Height, 1)
	need := combine.Need(d, height)
	switch {
	case d > maxRadonParameters || need > 1<<30:
		return fmt.Errorf("the Radon machine needs (d+2)^h base models, each of all d = %d parameters: %d for h = 1, and takes d up to %d; the nearest that works is oneshot, or a linear model on fewer features", d, d+2, maxRadonParameters)
	case !s.Convex:
		return fmt.Errorf("the Radon machine works for convex losses only (linear, logistic, softmax, svm, svr models); the nearest that works is oneshot")
	case k > 0 && k*o.Models < need:
		return fmt.Errorf("the Radon machine with d = %d parameters needs %d^%d = %d base models, and %d clients train %d each; want models: %d, or %d clients", d, d+2, height, need, k, o.Models, (need+k-1)/k, need)
	}
	return nil
}

type radon struct {
	fedavg
	RadonSettings
	parts map[ClientID]int // of the open attempt
	need  int              // base models
}

// models returns how many base models the clients present are to train, and
// how high the tree of Radon points is; 0 if they are too few.
func (s *radon) models(clients, parameters int) (need, height int) {
	available := clients * min(s.Models, MaxModels)
	height = s.Height
	if height == 0 {
		height = combine.Height(parameters, available)
	}
	if height == 0 {
		return 0, 0
	}
	if need = combine.Need(parameters, height); need > available {
		return 0, 0
	}
	return need, height
}

func (s *radon) choose(r *rounds) []ClientID {
	present := r.sample(1, 1)
	if s.need, _ = s.models(len(present), r.setup.Parameters); s.need == 0 {
		r.cohort.forgive() // too few without those that have not answered
		present = r.sample(1, 1)
		s.need, _ = s.models(len(present), r.setup.Parameters)
	}
	if s.need == 0 {
		return nil
	}
	if len(present) > s.need {
		// Others would have nothing to train, and half of the cohort must answer.
		present = r.sample(float64(s.need)/float64(len(present)), 1)
	}
	s.divide(present)
	return present
}

// divide gives every client its number of base models, as evenly as possible.
func (s *radon) divide(clients []ClientID) {
	s.parts = make(map[ClientID]int, len(clients))
	for i, c := range clients {
		s.parts[c] = s.need / len(clients)
		if i < s.need%len(clients) {
			s.parts[c]++
		}
	}
}

func (s *radon) work(r *rounds, id ClientID) Work {
	if s.parts == nil { // after a restart: the cohort is as it was, and so is the division
		cohort := make([]ClientID, len(r.cohort.members))
		for i, m := range r.cohort.members {
			cohort[i] = m.client
		}
		s.need, _ = s.models(len(cohort), r.setup.Parameters)
		s.divide(cohort)
	}
	w := r.cfg.trainWork()
	w.Kind, w.Stream, w.Parts = Base, false, s.parts[id]
	return w
}

func (s *radon) keeps() bool { return true }

// enough asks for every base model: the tree has no room for gaps.
func (s *radon) enough(r *rounds) bool {
	have := 0
	for _, a := range r.answers {
		have += s.parts[a.client]
	}
	return have >= s.need && s.need > 0
}

func (s *radon) plan(r *rounds, _ float64) combine.Plan {
	_, height := s.models(len(s.parts), r.setup.Parameters)
	return combine.RadonTree{Height: height, Seed: rng.Derive(r.setup.Seed, "radon")}
}

func (s *radon) after(r *rounds) {
	r.finish("the Radon machine is done")
}
