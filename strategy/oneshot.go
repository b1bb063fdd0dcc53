package strategy

import "slices"

// oneshotScheme is one-shot averaging (Zinkevich et al. 2010): one round of
// periodic averaging, after which the run ends.
func oneshotScheme() Scheme {
	s := averaging([]Setting{minClientsSetting(2), minReportsSetting(), deadlineSetting()})
	s.Name, s.Title, s.Ends = "oneshot", "One-shot averaging", true
	s.Help = "all train for long and are averaged once"
	s.Models = "1 up"
	s.Choose = "there is one chance to communicate"
	s.Packing = func(Config) Packing { // no later round corrects the rounding to a grid, or what packing has lost
		return Packing{Lossy: true, Biased: true, Default: true, Bits: 1.2}
	}
	// There are no earlier rounds that a clipping bound could follow.
	s.Settings = slices.DeleteFunc(s.Settings, func(t Setting) bool { return t.Key == "clip" })
	s.New = func(c Config, setup Setup) Strategy { return newFamily(c, setup, fedavg{all: true, once: true}) }
	return s
}
