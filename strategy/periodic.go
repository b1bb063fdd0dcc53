package strategy

import "slices"

// periodicScheme is periodic averaging of all clients (McDonald, Hall and Mann
// 2010): federated averaging with C = 1, a black-box scheme for any local learner.
func periodicScheme() Scheme {
	s := averaging(admission())
	s.Name, s.Title = "periodic", "Periodic averaging"
	s.Help = "all are averaged every b batches or E epochs"
	s.Models = "1 up, 1 down, every round"
	s.Choose = "few participants, all present"
	s.Settings = slices.Concat(s.Settings, []Setting{correctionSetting()})
	return s
}
