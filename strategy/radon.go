package strategy

import (
	"fedtab/combine"
	"fedtab/learn/rng"
)

// radon is the Radon machine (Kamp, Boley, Missura and Gaertner 2017): one
// round of communication, a guarantee on the quality, for convex problems of
// few parameters.
//
//	r = d + 2;  train r^h models, each on data of its own
//	h times: replace groups of r models by their Radon points
//
// A participant trains as many base models as it takes to reach r^h, on
// disjoint parts of its own examples. Who leaves before its models are here
// takes their share of the data along: if others were not asked for enough, the
// attempt is given up and the work divided anew.
type radon struct {
	fedavg
	parts map[ClientID]int // of the open attempt
	need  int              // base models
}

// models returns how many base models the clients present are to train, and
// how high the tree of Radon points is; 0 if they are too few.
func (s *radon) models(cfg Config, clients, parameters int) (need, height int) {
	most := min(cfg.Models, MaxModels)
	height = cfg.Height
	if height == 0 {
		height = combine.Height(parameters, clients*most)
	}
	if height == 0 {
		return 0, 0
	}
	if need = combine.Need(parameters, height); need > clients*most {
		return 0, 0
	}
	return need, height
}

func (s *radon) choose(r *rounds) []ClientID {
	present := r.cohort.Sample(1, 1, r.setup.Seed, r.version+1, r.cohort.Attempt)
	if s.need, _ = s.models(r.cfg, len(present), r.setup.Parameters); s.need == 0 {
		r.cohort.Forgive() // too few without the silent ones
		present = r.cohort.Sample(1, 1, r.setup.Seed, r.version+1, r.cohort.Attempt)
		s.need, _ = s.models(r.cfg, len(present), r.setup.Parameters)
	}
	if s.need == 0 {
		return nil
	}
	if len(present) > s.need {
		// The others would have nothing to train, and half of the cohort must answer.
		present = r.cohort.Sample(float64(s.need)/float64(len(present)), 1, r.setup.Seed, r.version+1, r.cohort.Attempt)
	}
	s.divide(present)
	return present
}

// divide gives every client its number of base models, as evenly as it goes.
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
		s.need, _ = s.models(r.cfg, len(cohort), r.setup.Parameters)
		s.divide(cohort)
	}
	w := r.cfg.fit()
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
	_, height := s.models(r.cfg, len(s.parts), r.setup.Parameters)
	return combine.RadonTree{Height: height, Seed: rng.Derive(r.setup.Seed, "radon")}
}

func (s *radon) after(r *rounds) {
	r.state = over
	r.do(Finish{"the Radon machine is done"})
}
