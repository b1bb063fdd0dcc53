package task

import (
	"fmt"
)

// CheckLive checks that the task can be served to participants. It reports every
// setting that only a simulation has, or that would leave participants without data.
// Devices are no problem: they describe the clients of a simulation, and live ones have
// their own. The error is an *Error with the lines of the file that t was read from.
func (t *Task) CheckLive() error {
	d := &decoder{places: t.where, root: t}
	const simulate = "; or run it with coordinator simulate"
	d.want(t.Data.reachable(), "data.public", t.Data.Public,
		fmt.Sprintf("true if all participants may have the rows of source %q, because they have no other way to them%s", t.Data.Source, simulate))
	d.want(t.Data.Drift == 0, "data.drift", t.Data.Drift, "none, because only a simulation changes its data"+simulate)
	d.want(!t.Strategy.Scheme().Central, "strategy.kind", quoted(t.Strategy.Kind),
		`a scheme of several participants, because live data stays where it is (the nearest is "periodic")`+simulate)
	d.want(t.Compress.Extra() == nil, "compress.up.codec", quoted(t.Compress.Up.Codec),
		upCodecs()+", because it is a reference that only simulations have"+simulate)
	d.want(t.Adversaries.Kind == "", "adversaries.kind", quoted(t.Adversaries.Kind),
		"none, because only a simulation makes its clients (live, coordinator swarm --adversaries does)"+simulate)
	d.differentialLive(t, simulate)
	if t.Stop.Steps > 0 && t.RunStop(nil).Endless() {
		d.want(false, "stop.steps", t.Stop.Steps,
			fmt.Sprintf("rounds, accuracy or time beside it, because a live round of %s has no fixed number of mini-batches%s", t.Strategy.Kind, simulate))
	}
	return d.err()
}

// reachable reports whether participants have examples: the coordinator hands them
// out, or they bring their own.
func (d *Data) reachable() bool {
	return d.Public || !sources[d.Source].files // all others are public, or brought by the participants
}
