package strategy

import (
	"math"
	"time"
)

// The settings that several schemes have. One that a single scheme has is in the
// file of that scheme.

// DefaultDeadline bounds a round whose task gives no deadline: long enough for a
// phone to work through its data, short enough for the others to wait.
const DefaultDeadline = 2 * time.Minute

// Limits of settings, so that a task file cannot ask for what no client will ever
// finish.
const (
	MaxEpochs   = 1000
	MaxBatches  = 1_000_000
	MaxBatch    = 1 << 20
	MaxSplit    = 16
	MinDeadline = time.Second
	MaxDeadline = 24 * time.Hour
)

// training returns the settings of local training, by epochs or by batches.
func training() []Setting {
	return []Setting{
		epochsSetting().with(func(s *Setting) { s.InsteadOf = "batches" }),
		batchesSetting(), batchSetting(), rateSetting(),
	}
}

func epochsSetting() Setting {
	return Setting{Key: "epochs", Type: Whole, Min: 1, Max: MaxEpochs, Default: 1,
		Help: "E, passes over the local data between synchronisations"}
}

func batchesSetting() Setting {
	return Setting{Key: "batches", Type: Whole, Min: 1, Max: MaxBatches, Zero: "epochs decide",
		Help: "b, mini-batches between synchronisations, in place of `epochs`"}
}

func splitSetting() Setting {
	return Setting{Key: "split", Type: Whole, Min: 2, Max: MaxSplit, Zero: "they are not divided",
		Help: "k, parts of the local data that are trained from the same model, on a core each where there are some, and averaged before sending"}
}

func batchSetting() Setting {
	return Setting{Key: "batch", Type: Whole, Min: 0, Max: MaxBatch, Zero: "all of the local data",
		Help: "B, examples per mini-batch"}
}

func rateSetting() Setting {
	return Setting{Key: "lr", Type: Number, Min: 0, Above: true, Max: 1000, Required: true,
		Help: "eta, learning rate of the mean loss"}
}

func fractionSetting() Setting {
	return Setting{Key: "fraction", Type: Number, Min: 0, Max: 1, Zero: "one client",
		Help: "C, share of the clients in a round; live it applies to those present, and at least two are chosen"}
}

// admission returns the settings that say when a round opens and closes.
func admission() []Setting {
	return []Setting{minClientsSetting(1), minReportsSetting(), deadlineSetting()}
}

// minClientsSetting has the number of clients that a scheme opens a round with
// unless a task says otherwise.
func minClientsSetting(clients int) Setting {
	return Setting{Key: "min_clients", Type: Whole, Min: 1, Max: maxWhole, Default: clients,
		Help: "clients present before a round opens (a simulation waits for all)"}
}

// atLeastTwoClients is for schemes that mean nothing with one client.
func atLeastTwoClients() Setting {
	return minClientsSetting(2).with(func(s *Setting) {
		s.Min, s.Note = 2, ": one client is central training (the nearest is periodic)"
	})
}

func minReportsSetting() Setting {
	return Setting{Key: "min_reports", Type: Whole, Min: 1, Max: maxWhole, Zero: "half of the cohort",
		Help: "contributions that a round needs"}
}

func deadlineSetting() Setting {
	return Setting{Key: "deadline", Type: Duration, Min: MinDeadline.Seconds(), Max: MaxDeadline.Seconds(), Default: DefaultDeadline,
		Help: "of a round"}
}

// defences returns the settings that keep single contributions from ruining a mean.
func defences() []Setting { return []Setting{guardSetting(), clipSetting(), maxWeightSetting()} }

func guardSetting() Setting {
	return Setting{Key: "guard", Type: Number, Min: 1, Max: math.Inf(1), Note: ", in multiples of the last loss (.inf: only a version that is not finite)", Default: 3.,
		Help: "a version whose loss on a sample of the validation set, or else of the training set, exceeds this many times the last one's is not made: the contributions to blame are taken out, or the round is rolled back"}
}

func clipSetting() Setting {
	return Setting{Key: "clip", Type: Choice, Choices: []string{"adaptive", "none"},
		Help: "bound on the norm of a contribution: `adaptive` is 1.25 times the median norm of earlier rounds"}
}

func maxWeightSetting() Setting {
	return Setting{Key: "max_weight", Type: Number, Min: 1, Max: math.Inf(1), Note: ", in multiples of the median (.inf: no bound)", Default: 4.,
		Help: "most that one participant weighs, in multiples of the median number of examples of those present"}
}

func serverRateSetting() Setting {
	return Setting{Key: "server_lr", Type: Number, Min: 0, Above: true, Max: 1000, Default: 1.,
		Defaults: []Default{{adaptiveServer(), .01}},
		Help:     "eta_s, on the mean update"}
}

func adaptiveServer() When { return When{"server", []string{"adagrad", "adam", "yogi"}} }

// serverStep returns the settings of the server's optimiser.
func serverStep() []Setting {
	return []Setting{
		serverRateSetting(),
		{Key: "server", Type: Choice, Choices: []string{"sgd", "momentum", "adagrad", "adam", "yogi"},
			Help: "optimiser of the server: `momentum` is FedAvgM, the last three are FedOpt"},
		{Key: "server_momentum", Type: Number, Min: 0, Above: true, Max: .9999,
			When:     When{"server", []string{"momentum", "adagrad", "adam", "yogi"}},
			Defaults: []Default{{When{"server", []string{"momentum", "adam", "yogi"}}, .9}, {When{"server", []string{"adagrad"}}, 0.}},
			Help:     "beta_1"},
		{Key: "server_beta2", Type: Number, Min: 0, Above: true, Max: .99999, Default: .99,
			When: When{"server", []string{"adam", "yogi"}}, Help: "beta_2"},
		{Key: "server_tau", Type: Number, Min: 0, Above: true, Max: 1, Default: 1e-3,
			When: adaptiveServer(), Help: "tau"},
	}
}

// scaling returns the settings that compensate for the number of nodes.
func scaling() []Setting {
	return []Setting{
		{Key: "lr_scale", Type: Choice, Choices: []string{"none", "sqrt", "linear"},
			Help: "factor on the mean update, by the number of contributions"},
		{Key: "warmup", Type: Whole, Min: 0, Max: 1_000_000, Unit: "rounds", When: When{"lr_scale", []string{"sqrt", "linear"}},
			Help: "rounds in which that factor rises from 1"},
	}
}

func proxSetting() Setting {
	return Setting{Key: "prox", Type: Number, Min: 0, Above: true, Max: 1000,
		Help: "FedProx's mu: mu/2 \\|w - w_t\\|^2 is added to the local loss"}
}

func correctionSetting() Setting {
	return Setting{Key: "correction", Type: Choice, Choices: []string{"none", "scaffold", "fednova"},
		Help: "of client drift: `scaffold` by control variates, `fednova` by updates normalised by local steps"}
}

// robustCombiners are the values of combine that need single models.
func robustCombiners() []string {
	return []string{"median", "trimmed-mean", "krum", "geometric-median", "radon"}
}

// combining returns the settings of combiners in place of the mean.
func combining() []Setting {
	return []Setting{
		{Key: "combine", Type: Choice, Choices: append([]string{"mean"}, robustCombiners()...),
			Help: "what combines the updates; all but the mean tolerate wrong ones"},
		{Key: "trim", Type: Number, Min: 0, Above: true, Max: .4999, Default: .2, When: When{"combine", []string{"trimmed-mean"}},
			Help: "share that is cut off on each side"},
		{Key: "byzantine", Type: Whole, Min: 1, Max: 1 << 20, Default: 1, When: When{"combine", robustCombiners()},
			Help: "f, contributions that may be wrong; live, a cohort has at least 2 f + 1 (krum: 2 f + 3; trimmed-mean: f / trim too)"},
		maxKeptSetting().with(func(s *Setting) { s.When = When{"combine", robustCombiners()} }),
	}
}

func maxKeptSetting() Setting {
	return Setting{Key: "max_kept", Type: Whole, Min: 1, Max: 10_000, Unit: "models", Default: 100,
		Help: "models that the coordinator holds at a time"}
}
