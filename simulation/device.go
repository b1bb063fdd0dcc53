package simulation

import (
	"math"
	"time"

	"fedtab/learn/rng"
	"fedtab/run"
)

// Devices configures the speed and the availability of simulated clients.
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

// DefaultDevices are all alike, and always present.
func DefaultDevices() Devices {
	return Devices{
		Speed: 10_000, SlowFactor: 10, Bandwidth: 1.25e6, Latency: 20 * time.Millisecond,
		Availability: 1, Session: 10 * time.Minute,
	}
}

// device is the speed and the connection of one client.
type device struct {
	speed     float64 // examples per second
	bandwidth float64 // bytes per second each way
	latency   time.Duration
	slow      bool // a straggler
}

// newDevice draws the device of a client from the run's stream "device" with
// the client's number as its key: one normal variate for the speed, one for the
// bandwidth, one uniform variate for being slow.
func newDevice(seed uint64, client int, t *Devices) device {
	r := rng.Stream(seed, "device", uint64(client))
	d := device{
		speed:     t.Speed * math.Exp(t.SpeedSpread*r.NormFloat64()),
		bandwidth: t.Bandwidth * math.Exp(t.BandSpread*r.NormFloat64()),
		latency:   t.Latency,
	}
	if r.Float64() < t.SlowFraction {
		d.slow = true
		d.speed /= t.SlowFactor
		d.bandwidth /= t.SlowFactor
	}
	return d
}

func (d *device) training(examples int) time.Duration { return seconds(float64(examples) / d.speed) }

func (d *device) transfer(bytes int64) time.Duration { return seconds(float64(bytes) / d.bandwidth) }

// seconds returns s seconds, at most a year.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, 366*24*3600) * float64(time.Second))
}

// presence is the process by which a client comes and goes: stays and absences of
// exponential length, drawn from the run's stream "presence" with the client's number
// as key. The process is stationary: at the start, a client is present with
// probability availability.
type presence struct {
	draw          func() float64 // exponential, mean 1
	stay, absence time.Duration  // means
}

// attend has p join, and leave and come back if the task has an availability below
// 1.
func (p *participant) attend(seed uint64, t *Devices) {
	p.join()
	if t.Availability == 1 {
		return
	}
	r := rng.Stream(seed, "presence", uint64(p.number))
	process := &presence{
		draw: r.ExpFloat64, stay: t.Session,
		absence: seconds(t.Session.Seconds() * (1 - t.Availability) / t.Availability),
	}
	if r.Float64() < t.Availability {
		p.after(process.length(process.stay), func() { p.cycle(process) })
	} else {
		p.cycle(process)
	}
}

func (l *presence) length(mean time.Duration) time.Duration {
	return max(seconds(mean.Seconds()*l.draw()), time.Millisecond)
}

// cycle has p leave, come back after an absence, and leave again after a stay.
func (p *participant) cycle(process *presence) {
	p.leave()
	p.after(process.length(process.absence), func() {
		p.join()
		p.after(process.length(process.stay), func() { p.cycle(process) })
	})
}

// after calls f after d. A lock-step simulation does not wait for it.
func (p *participant) after(d time.Duration, f func()) {
	p.sim.clock.Background(p.sim.clock.Now()+d, p.number, f)
}

// leave closes the client's connection, as a suspended laptop does: messages on the
// way are lost, and its work is suspended until it comes back.
func (p *participant) leave() {
	p.session++
	p.away = true
	p.inbox = nil // unread: the coordinator goes by what the client says that it holds
	p.sim.lock.remove(p)
	p.member.Left()
	p.drop()
	p.sim.unhold()
	p.sim.run.Leave(p.number, p, run.Lost)
	if p.busy {
		p.left = p.until - p.sim.clock.Now()
		if p.job != nil { // frees the pool's slot
			p.out = p.collect()
		}
	}
}

// join opens a connection, and resumes the participant's session if it has one.
func (p *participant) join() {
	p.away = false
	now := p.sim.clock.Now()
	p.downFree, p.upFree = now, now
	p.number, _ = p.sim.run.Join(p.client.Hello(), p.number, p)
	if p.busy {
		p.out = nil // the coordinator asks for it again if it is still of use
		p.work(p.left)
	}
}

// present calls f at a time, unless the client's connection is lost before.
func (p *participant) present(when time.Duration, actor uint32, f func()) {
	session := p.session
	p.sim.clock.At(when, actor, func() {
		if p.session == session {
			f()
		}
	})
}
