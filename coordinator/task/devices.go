package task

import (
	"fmt"
	"time"
)

// Devices configures the speed and the availability of simulated clients. A live run
// ignores it.
type Devices struct {
	Speed        float64       `yaml:"speed"`         // examples trained on per second; the median; default 10,000, the 2NN in a laptop's tab
	SpeedSpread  float64       `yaml:"speed_spread"`  // standard deviation of its logarithm; default 0: all equal
	SlowFraction float64       `yaml:"slow_fraction"` // stragglers: the share of slow clients; default 0
	SlowFactor   float64       `yaml:"slow_factor"`   // slow clients divide speed and bandwidth by it; default 10
	Bandwidth    float64       `yaml:"bandwidth"`     // bytes per second each way; the median; default 1.25e6, a home connection
	BandSpread   float64       `yaml:"bandwidth_spread"`
	Latency      time.Duration `yaml:"latency"`      // of a message; default 20ms
	Availability float64       `yaml:"availability"` // share of the time in which a client is present; default 1
	Session      time.Duration `yaml:"session"`      // mean length of a stay, with availability below 1; default 10m
}

// Limits of Devices.
const (
	MaxSpread       = 3 // one client in six is at least 20 times as fast as the median, and one 20 times as slow
	MaxSlowFactor   = 1000
	MinAvailability = 0.01
	MaxLatency      = time.Minute
	MaxSession      = 30 * 24 * time.Hour
)

func defaultDevices() Devices {
	return Devices{
		Speed: 10_000, SlowFactor: 10, Bandwidth: 1.25e6, Latency: 20 * time.Millisecond,
		Availability: 1, Session: 10 * time.Minute,
	}
}

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
