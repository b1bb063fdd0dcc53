package strategy

import (
	"fmt"
	"math"
	"slices"

	"fedtab/combine"
)

// DaisySettings are the settings that daisy-chaining alone has.
type DaisySettings struct {
	AverageEvery int `yaml:"average_every,omitempty"` // legs from one average to the next
}

// daisyScheme is FedDC (Kamp, Fischer and Vreeken 2023): models travel from client to
// client before they are averaged, so that each sees more data than any client
// has. A round consists of AverageEvery phases. After each but the last, the
// models are handed on in a random permutation; after the last they are
// averaged into the next version.
//
// A client that drops out takes along the model that it was training. A crash of
// the coordinator loses the models that it was handing on, though not those that
// clients are training: the round goes on with its cohort and begins to count
// phases anew, so that every model that is averaged has gone through all of them.
func daisyScheme() Scheme {
	return Scheme{
		Name: "daisy", Title: "Daisy-chaining",
		Single: func(Config) string { return "single models, which it hands on" },
		Keeps:  true,
		Help:   "models travel before they are averaged",
		Models: "1 up, 1 down, every leg",
		Choose: "very few examples per participant",
		Settings: slices.Concat(training(), []Setting{
			{Key: "average_every", Type: Whole, Min: 1, Max: 10_000, Unit: "legs", Default: 10, Help: "legs from one average to the next"},
			atLeastTwoClients(), minReportsSetting(), deadlineSetting(), serverRateSetting(),
		}, scaling(), defences(), []Setting{maxKeptSetting()}),
		Own: DaisySettings{},
		CheckSetup: func(c Config, s Setup) error {
			switch {
			case s.Clients == 1:
				return fmt.Errorf("daisy needs at least 2 clients, and there is 1; the nearest that works is central")
			case s.Clients > c.MaxKept:
				return fmt.Errorf("daisy holds the models of all %d clients, and max_kept is %d; want max_kept: %d", s.Clients, c.MaxKept, s.Clients)
			}
			return nil
		},
		// A model is packed twice in every leg.
		Packing: func(Config) Packing {
			return Packing{Lossy: true, Biased: true, Feedback: true, Default: true, Grid: true, Local: true, Bits: 4, FeedbackUpTo: FeedbackUpTo}
		},
		Steps: func(c Config) int { return c.Batches * max(own[DaisySettings](c).AverageEvery, 1) },
		Words: func(c Config) []string {
			return append([]string{"averaged after every " + plural(own[DaisySettings](c).AverageEvery, "leg")}, trainingWords(c)...)
		},
		New: func(c Config, s Setup) Strategy {
			return newRounds(c, s, &daisy{fedavg: fedavg{all: true}, averageEvery: own[DaisySettings](c).AverageEvery})
		},
	}
}

type daisy struct {
	fedavg
	averageEvery int

	starts []start // models that are handed on in this phase
	means  MeanID  // newest
}

// start says with which model a client begins a phase.
type start struct {
	client ClientID
	mean   MeanID
}

// resume begins with the first phase again: the models that were handed on are lost.
func (s *daisy) resume(*rounds, int, []byte) int { return 0 }

func (s *daisy) choose(r *rounds) []ClientID {
	s.forget(r)
	chosen := s.fedavg.choose(r)
	if len(chosen) > r.cfg.MaxKept {
		chosen = r.sampleKept()
	}
	return chosen
}

func (s *daisy) keeps() bool { return true }

// unit grows with the legs that a model has gone.
func (s *daisy) unit(r *rounds, _ Offered) float64 { return math.Sqrt(float64(r.phase + 1)) }

func (s *daisy) start(id ClientID) MeanID {
	for _, t := range s.starts {
		if t.client == id {
			return t.mean
		}
	}
	return 0
}

// next hands the models on, unless it is time to average them.
func (s *daisy) next(r *rounds) (phase, bool) {
	s.forget(r)
	if r.phase+1 >= s.averageEvery || len(r.answers) < 2 {
		r.do(Size{len(r.answers)})
		for i, a := range r.answers {
			r.do(Add{Handle: a.handle, Scale: a.weight, Weight: a.weight})
			r.answers[i].added = true
		}
		return phase{}, false
	}
	var clients []ClientID
	for _, a := range r.answers {
		clients = append(clients, a.client)
	}
	shuffled := slices.Clone(clients)
	stream := r.setup.stream("daisy", uint64(r.order))
	for i := len(shuffled) - 1; i > 0; i-- {
		j := int(stream.Uint64N(uint64(i + 1)))
		shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
	}
	for i, a := range r.answers {
		s.means++
		s.starts = append(s.starts, start{shuffled[i], s.means})
		r.do(Mean{Mean: s.means, Handles: []Handle{a.handle}, Weights: []float64{1}})
		r.do(Drop{a.handle})
	}
	return phase{ask: clients}, true
}

// forget gives back the models of the last phase.
func (s *daisy) forget(r *rounds) {
	for _, t := range s.starts {
		r.do(Forget{t.mean})
	}
	s.starts = nil
}

func (s *daisy) plan(_ *rounds, rate float64) combine.Plan {
	return combine.WeightedMean{ServerLR: rate}
}
