package run

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fedtab/protocol"
	"fedtab/strategy"

	"pgregory.net/rapid"
)

// died is what a write panics with at which the process is killed.
type died struct{}

// disk is a journal that outlives its process, which it kills at a write, before it is on the
// disk or after.
type disk struct {
	memoryJournal
	last   *Commit
	rounds []RoundRecord
	open   *OpenRound
	kill   int  // writes until then; 0: never
	before bool // the write at which it dies does not reach the disk
}

func (d *disk) write(do func()) error {
	dies := false
	if d.kill > 0 {
		d.kill--
		dies = d.kill == 0
	}
	if !(dies && d.before) {
		do()
	}
	if dies {
		panic(died{})
	}
	return nil
}

func (d *disk) OpenRound(_ string, o OpenRound) error {
	return d.write(func() { d.open = &o })
}

func (d *disk) Commit(_ string, c Commit) error {
	return d.write(func() { d.last, d.open, d.rounds = &c, nil, append(d.rounds, c.Record()) })
}

func (d *disk) Pause(_, reason string, _ time.Time) error {
	return d.write(func() { d.paused = reason })
}

func (d *disk) Resume(string) error { return d.write(func() { d.paused = "" }) }

// saved is what the next process finds.
func (d *disk) saved() *Saved {
	s := &Saved{Last: d.last, Open: d.open, Rounds: slices.Clone(d.rounds), Paused: d.paused, Participants: 1}
	if n := len(d.limits); n > 0 {
		s.Participants = d.limits[n-1]
	}
	return s
}

// chargedRun is a run with noise whose processes are killed, with what has left them.
type chargedRun struct {
	t     *testing.T
	id    string
	disk  *disk
	run   *fixture
	peers map[uint32]*fakePeer
	left  map[string]map[uint32]bool // attempts whose orders have left, and to whom
}

// restart begins the next process, to which all participants come back.
func (c *chargedRun) restart() {
	c.disk.kill = 0
	c.gather()
	c.run = newFixture(c.t, func(cfg *Config, s *strategy.Config) {
		differential(rand.NewChaCha8([32]byte{5}))(cfg, s)
		cfg.ID, cfg.Journal, cfg.Saved, s.MinClients = c.id, c.disk, c.disk.saved(), 1
	})
	for n := range c.peers {
		c.peers[n] = &fakePeer{}
		c.run.Join(&hello, n, c.peers[n])
	}
}

// gather counts the orders that have left.
func (c *chargedRun) gather() {
	for n, p := range c.peers {
		for _, m := range p.got {
			if o, ok := m.(*protocol.Order); ok {
				attempt := fmt.Sprintf("order %d of round %d", o.Order, o.Round)
				if c.left[attempt] == nil {
					c.left[attempt] = map[uint32]bool{}
				}
				c.left[attempt][n] = true
			}
		}
	}
}

// do does something, and restarts if the process dies of it.
func (c *chargedRun) do(what func()) {
	defer func() {
		if p := recover(); p != nil {
			if p != (died{}) {
				panic(p)
			}
			c.restart()
		}
	}()
	what()
}

// check compares what has left with what is charged on the disk, and shown.
func (c *chargedRun) check(t *rapid.T) {
	c.gather()
	charged, shown := uint64(0), uint64(0)
	if s := c.disk.saved().spent(); s != nil {
		charged = s.Releases
	}
	if s := c.run.State().Spent; s != nil {
		shown = s.Releases
	}
	if charged != shown {
		t.Fatalf("%d releases are shown, and %d are on the disk", shown, charged)
	}
	if c.id != "tree" {
		if charged < uint64(len(c.left)) {
			t.Fatalf("%d releases are charged, and orders of %d attempts have left: %v", charged, len(c.left), c.left)
		}
		return
	}
	asked, noised := map[uint32]int{}, uint64(0)
	for _, to := range c.left {
		for n := range to {
			asked[n]++
		}
	}
	for n, times := range asked {
		if times > 4 {
			t.Fatalf("participant %d was asked in %d attempts, want 4 at most", n, times)
		}
	}
	for _, r := range c.disk.rounds {
		if !(r.Rate == 0) { // else it was a way back
			noised++
		}
	}
	if charged < noised {
		t.Fatalf("%d releases are charged, and %d versions have noise", charged, noised)
	}
}

// Whatever is asked of a run and wherever its process is killed: what is charged on the disk
// covers every order that has left, and is what the run shows. With a tree nobody is asked more
// often than its limit.
func TestChargesAreDurable(t *testing.T) {
	for _, id := range []string{"noise", "tree"} {
		t.Run(id, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				c := &chargedRun{t: t, id: id, disk: &disk{}, peers: map[uint32]*fakePeer{}, left: map[string]map[uint32]bool{}}
				c.restart()
				for range 3 {
					n, p := c.run.join(t)
					c.peers[n] = p
				}
				zero := slices.Clone(c.run.down.params)
				for range rapid.IntRange(10, 60).Draw(rt, "steps") {
					if rapid.IntRange(0, 3).Draw(rt, "mortal") == 0 {
						c.disk.kill, c.disk.before = rapid.IntRange(1, 3).Draw(rt, "writes"), rapid.Bool().Draw(rt, "before")
					}
					c.do(func() {
						switch rapid.SampledFrom([]string{"pause", "resume", "back", "answer", "time", "kill"}).Draw(rt, "action") {
						case "pause":
							c.run.Pause("a break", func(uint64, error) {})
						case "resume":
							c.run.Resume(func(uint64, error) {})
						case "back":
							c.run.Rewind(0, zero, func(uint64, error) {})
						case "answer":
							for n, p := range c.peers {
								if o := last[*protocol.Order](p); o != nil {
									c.run.Offer(n, p, c.run.inspect(c.run.contribution(o, 1, 5)))
								}
							}
						case "time":
							c.run.env.advance(2 * time.Minute)
						case "kill":
							c.restart()
						}
					})
					c.check(rt)
				}
			})
		})
	}
}
