package strategy

// Setup is what a strategy is told beside its Config.
type Setup struct {
	Seed       uint64  // of the run
	MinCohort  int     // fewest clients to choose for a round, where as many are present: 2 live, 1 simulated
	Live       bool    // participants come and go; otherwise there are Clients of them
	Clients    int     // of a simulation
	Quorum     int     // of them, for a round to open; 0 means all, as in the papers
	Parameters int     // d, of the model
	Convex     bool    // its loss is convex in the parameters
	Norm       float64 // Euclidean norm of version 0, from which the clipping bound starts

	Secure *Secure // contributions are summed before the strategy has them; nil: each comes by itself

	ClientMomentum float64 // of the clients' optimiser, which FedNova must know

	Private *Private // the run is differentially private; nil: it is not
}

// New returns the strategy that cfg names, or says why it cannot work with the
// model or the clients, and what would.
func New(cfg Config, setup Setup) (Strategy, error) { return Schemes().New(cfg, setup) }
