package simulation

import (
	"math"
	"slices"
	"testing"
)

// Speeds and bandwidths are log-normal: half of the clients are above the median, one
// in six above e^sigma times it. The share of slow clients is slow_fraction.
func TestNewDevice(t *testing.T) {
	const n = 10_000
	devices := func(v Devices) (speed, bandwidth []float64) {
		for i := range n {
			d := newDevice(1, i+1, &v)
			speed, bandwidth = append(speed, d.speed), append(bandwidth, d.bandwidth)
		}
		slices.Sort(speed)
		slices.Sort(bandwidth)
		return speed, bandwidth
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got/want-1) > .05 {
			t.Errorf("%s is %.4g, want about %.4g", what, got, want)
		}
	}
	v := Devices{Speed: 1000, SpeedSpread: .5, Bandwidth: 1e6, BandSpread: 1}
	speed, bandwidth := devices(v)
	near("median speed", speed[n/2], 1000)
	near("speed exceeded by 84%", speed[n*16/100], 1000*math.Exp(-.5))
	near("median bandwidth", bandwidth[n/2], 1e6)
	near("bandwidth exceeded by 16%", bandwidth[n*84/100], 1e6*math.E)

	v = Devices{Speed: 1000, Bandwidth: 1e6, SlowFraction: .2, SlowFactor: 10}
	speed, bandwidth = devices(v)
	slow, _ := slices.BinarySearch(speed, 1000)
	near("share of the slow", float64(slow)/n, .2)
	if speed[0] != 100 || speed[n-1] != 1000 || bandwidth[0] != 1e5 {
		t.Errorf("speeds from %v to %v, bandwidths from %v, want 100, 1000 and 1e5", speed[0], speed[n-1], bandwidth[0])
	}
}
