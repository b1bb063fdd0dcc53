package task

import (
	"fmt"
	"time"

	"fedtab/simulation"
)

// Devices configures the speed and the availability of simulated clients. A live run
// ignores it.
type Devices = simulation.Devices

// Limits of Devices.
const (
	MaxSpread       = 3 // one client in six is at least 20 times as fast as the median, and one 20 times as slow
	MaxSlowFactor   = 1000
	MinAvailability = 0.01
	MaxLatency      = time.Minute
	MaxSession      = 30 * 24 * time.Hour
)

func (d *decoder) devices(v Devices) {
	d.want(v.Speed >= .01 && v.Speed <= 1e9, "devices.speed", v.Speed, "0.01 <= speed <= 1e9 (examples per second)")
	d.want(v.Bandwidth >= 100 && v.Bandwidth <= 1e12, "devices.bandwidth", v.Bandwidth, "100 <= bandwidth <= 1e12 (bytes per second)")
	spread := fmt.Sprintf("0 to %d (standard deviation of the logarithm)", MaxSpread)
	d.want(v.SpeedSpread >= 0 && v.SpeedSpread <= MaxSpread, "devices.speed_spread", v.SpeedSpread, spread)
	d.want(v.BandSpread >= 0 && v.BandSpread <= MaxSpread, "devices.bandwidth_spread", v.BandSpread, spread)
	d.want(v.SlowFraction >= 0 && v.SlowFraction <= 1, "devices.slow_fraction", v.SlowFraction, "0 <= slow_fraction <= 1")
	d.want(v.SlowFactor >= 1 && v.SlowFactor <= MaxSlowFactor, "devices.slow_factor", v.SlowFactor, fmt.Sprintf("1 <= slow_factor <= %d", MaxSlowFactor))
	d.want(v.Latency >= 0 && v.Latency <= MaxLatency, "devices.latency", v.Latency, fmt.Sprintf("0s <= latency <= %v", MaxLatency))
	d.want(v.Availability >= MinAvailability && v.Availability <= 1, "devices.availability", v.Availability,
		fmt.Sprintf("%v <= availability <= 1", MinAvailability))
	d.want(v.Session >= time.Second && v.Session <= MaxSession, "devices.session", v.Session, fmt.Sprintf("1s <= session <= %v", MaxSession))
}
