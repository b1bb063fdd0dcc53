package strategy

import (
	"fmt"
	"slices"
)

// centralScheme is the baseline of every other scheme: one learner that holds the
// union of the data, and works through it by gradient descent (B = 0), stochastic
// gradient descent (B = 1) or mini-batches. There is nothing to combine: a round,
// of epochs or mini-batches, ends with the learner's model. It exists in
// simulations only, where its bytes are not counted: centralising the data has a
// price of its own, which is not measured here.
func centralScheme() Scheme {
	return Scheme{
		Name: "central", Title: "Central training",
		Single: func(Config) string { return "all data" },
		Keeps:  true,
		Help:   "one learner has all the data",
		Models: "none",
		Choose: "you want a baseline (simulation only)",
		Settings: slices.Concat(training(), []Setting{
			deadlineSetting().with(func(s *Setting) { s.Default = MaxDeadline }),                                   // no other client waits
			guardSetting().with(func(s *Setting) { s.Default, s.Zero = nil, "only a version that is not finite" }), // nobody else contributes
		}),
		CheckSetup: func(_ Config, s Setup) error {
			if s.Live {
				return fmt.Errorf("central is a baseline of simulations, since live data stays where it is; the nearest that runs live is periodic")
			}
			return nil
		},
		Words: trainingWords,
		New: func(c Config, s Setup) Strategy {
			c.Clip = "none"
			return newRounds(c, s, central{})
		},
		Central: true,
	}
}

type central struct{ fedavg }

func (central) choose(r *rounds) []ClientID {
	return r.sample(1, 1)
}
