package simulate

import (
	"math"
	"time"

	"fedtab/coordinator/task"
	"fedtab/learn/rng"
)

// device is one client's machine and line.
type device struct {
	speed     float64 // examples per second
	bandwidth float64 // bytes per second each way
	latency   time.Duration
}

// newDevice draws the device of a client from the run's stream "device" with
// the client's number as its key: one normal variate for the speed, one for the
// bandwidth, one uniform variate that says whether it is slow.
func newDevice(seed uint64, client int, t *task.Devices) device {
	r := rng.Stream(seed, "device", uint64(client))
	d := device{
		speed:     t.Speed * math.Exp(t.SpeedSpread*r.NormFloat64()),
		bandwidth: t.Bandwidth * math.Exp(t.BandSpread*r.NormFloat64()),
		latency:   t.Latency,
	}
	if r.Float64() < t.SlowFraction {
		d.speed /= t.SlowFactor
		d.bandwidth /= t.SlowFactor
	}
	return d
}

func (d *device) training(examples int) time.Duration { return seconds(float64(examples) / d.speed) }

func (d *device) transfer(bytes int64) time.Duration { return seconds(float64(bytes) / d.bandwidth) }

// seconds is s seconds, or a year if that is less: no round waits so long.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, 366*24*3600) * float64(time.Second))
}

// presence makes a client come and go: stays and absences whose lengths are
// exponential, drawn from the run's stream "presence" with the client's number
// as its key. At the beginning a client is there with the probability of being
// there at any time.
type presence struct {
	draw          func() float64 // exponential, mean 1
	stay, absence time.Duration  // means
}

// attend has p join, and from then on leave and come back if the task says so.
func (p *participant) attend(seed uint64, t *task.Devices) {
	p.join()
	if t.Availability == 1 {
		return
	}
	r := rng.Stream(seed, "presence", uint64(p.number))
	life := &presence{
		draw: r.ExpFloat64, stay: t.Session,
		absence: seconds(t.Session.Seconds() * (1 - t.Availability) / t.Availability),
	}
	if r.Float64() < t.Availability {
		p.after(life.length(life.stay), func() { p.goes(life) })
	} else {
		p.goes(life)
	}
}

func (l *presence) length(mean time.Duration) time.Duration {
	return max(seconds(mean.Seconds()*l.draw()), time.Millisecond)
}

func (p *participant) goes(life *presence) {
	p.leave()
	p.after(life.length(life.absence), func() {
		p.join()
		p.after(life.length(life.stay), func() { p.goes(life) })
	})
}

// after has f called after d, whatever else happens: a lock-step simulation does not
// wait for it.
func (p *participant) after(d time.Duration, f func()) {
	p.sim.clock.Background(p.sim.clock.Now()+d, p.number, f)
}

// leave cuts the client off, as a lid that is closed does: what is on its way
// is lost, and work stands still until it comes back.
func (p *participant) leave() {
	p.session++
	p.away = true
	p.sim.lock.remove(p)
	p.sim.run.Leave(p.number, p, false)
	if p.busy {
		p.left = p.until - p.sim.clock.Now()
		if p.job != nil { // do not keep the pool waiting for it
			p.out, p.job = p.sim.pool.wait(p.job), nil
		}
	}
}

// join opens a connection, for the same participant as before if there was one.
func (p *participant) join() {
	p.away = false
	now := p.sim.clock.Now()
	p.downFree, p.upFree = now, now
	p.number, _ = p.sim.run.Join(p.client.Hello(), p.number, p)
	if p.busy {
		p.out = nil // the coordinator orders it again if it still wants it
		p.work(p.left)
	}
}

// present runs f at a time, unless the client's connection has been lost by
// then.
func (p *participant) present(when time.Duration, actor uint32, f func()) {
	session := p.session
	p.sim.clock.At(when, actor, func() {
		if p.session == session {
			f()
		}
	})
}
