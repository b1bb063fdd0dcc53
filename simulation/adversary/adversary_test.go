package adversary

import (
	"math"
	"slices"
	"strings"
	"testing"

	"fedtab/compress"
	"fedtab/learn/data"
	"fedtab/protocol"
)

// members returns the members of a group of clients with models of three parameters:
// the honest ones and the adversaries.
func members(c Config, clients int) (honest, liars []*Member) {
	g := NewGroup(c, clients, 1)
	for i := range clients {
		m := g.Member(i)
		m.Receive(&protocol.Welcome{Seed: 1, Participant: uint32(i + 1), Parameters: 3})
		if m.Lies() {
			liars = append(liars, m)
		} else {
			honest = append(honest, m)
		}
	}
	return honest, liars
}

// contribution answers order 5 with vectors of the given role.
func contribution(role protocol.Role, weight uint64, vectors ...[]float32) *protocol.Contribution {
	c := &protocol.Contribution{Order: 5, Round: 2, Weight: weight, Metrics: protocol.Metrics{Steps: 4}}
	for i, v := range vectors {
		if i > 0 && role == protocol.RoleDelta {
			role = protocol.RoleControl
		}
		block := slices.Clone(compress.Bytes(v))
		c.Vectors = append(c.Vectors, protocol.Vector{Role: role, BaseHash: []byte("base"), Codec: protocol.CodecFloat32, Block: block})
	}
	return c
}

func values(t *testing.T, c *protocol.Contribution, i int) []float32 {
	t.Helper()
	v := make([]float32, 3)
	if err := compress.Decode(c.Vectors[i].Codec, v, c.Vectors[i].Block); err != nil {
		t.Fatal(err)
	}
	return v
}

// The lies of every kind, computed by hand. Two of three clients are honest and send
// 1 2 3 and 3 2 -1: mean 2 2 1, standard deviation 1 0 2. The formula of
// little-is-enough gives no z for one lie of three.
func TestLies(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		own    []float32
		want   []float32
	}{
		{"sign-flip", Config{Kind: SignFlip}, []float32{1, -2, .5}, []float32{-10, 20, -5}},
		{"sign-flip by 2", Config{Kind: SignFlip, Scale: 2}, []float32{1, -2, .5}, []float32{-2, 4, -1}},
		{"scale", Config{Kind: Scale}, []float32{1, -2, .5}, []float32{10, -20, 5}},
		{"beyond the bound", Config{Kind: Scale, Scale: 100}, []float32{1, -2, .5}, []float32{64, -64, 50}},
		{"label-flip", Config{Kind: LabelFlip}, []float32{1, -2, .5}, []float32{1, -2, .5}},
		{"backdoor", Config{Kind: Backdoor}, []float32{1, -2, .5}, []float32{3, -6, 1.5}}, // three clients have the order
		{"backdoor by 2", Config{Kind: Backdoor, Scale: 2}, []float32{1, -2, .5}, []float32{2, -4, 1}},
		{"little-is-enough", Config{Kind: LittleIsEnough}, []float32{9, 9, 9}, []float32{.5, 2, -2}},
		{"inner-product", Config{Kind: InnerProduct}, []float32{9, 9, 9}, []float32{-2.2, -2.2, -1.1}},
		{"inner-product by .5", Config{Kind: InnerProduct, Scale: .5}, []float32{9, 9, 9}, []float32{-1, -1, -.5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Fraction = 1. / 3
			honest, liars := members(c.config, 3)
			if len(liars) != 1 {
				t.Fatalf("%d adversaries, want 1", len(liars))
			}
			for _, m := range append(honest, liars[0]) {
				m.Ordered(&protocol.Order{Order: 5, Kind: protocol.OrderFit, Round: 2})
			}
			// Deltas, SCAFFOLD's control variate, and gradient sums over 2 and 4 examples.
			for _, test := range []struct {
				name      string
				role      protocol.Role
				weight    uint64
				per, mine float32
			}{{"delta", protocol.RoleDelta, 7, 1, 1}, {"gradient", protocol.RoleGradient, 2, 2, 4}} {
				times := func(factor float32, v ...float32) []float32 {
					for i := range v {
						v[i] *= factor
					}
					return v
				}
				for i, v := range [][]float32{{1, 2, 3}, {3, 2, -1}} {
					sent := contribution(test.role, test.weight, times(test.per, v...), times(test.per, -v[0]/test.per, -v[1]/test.per, -v[2]/test.per))
					if honest[i].Lie(sent) != sent {
						t.Error("an honest member lies")
					}
					honest[i].Answered(sent)
				}
				own := times(test.mine, slices.Clone(c.own)...)
				weight := uint64(test.mine)
				if test.role == protocol.RoleDelta {
					weight = 7
				}
				sent := contribution(test.role, weight, own, own)
				before := slices.Clone(sent.Vectors[0].Block)
				lie := liars[0].Lie(sent)
				if !slices.Equal(sent.Vectors[0].Block, before) {
					t.Error("the client's own contribution has changed")
				}
				if lie.Weight != sent.Weight || lie.Order != 5 || lie.Round != 2 || lie.Metrics != sent.Metrics || string(lie.Vectors[0].BaseHash) != "base" || lie.Vectors[1].Role != sent.Vectors[1].Role {
					t.Errorf("got %+v, want the form of %+v", lie, sent)
				}
				got := values(t, lie, 0)
				for i, want := range c.want {
					if want *= test.mine; math.Abs(float64(got[i]-want)) > 1e-6 {
						t.Errorf("%s: got %v, want %v times %v", test.name, got, test.mine, c.want)
						break
					}
				}
				if c.config.colludes() {
					// Of the second vector the honest mean is the negative.
					if a, b := values(t, lie, 1)[1], -got[1]; math.Abs(float64(a-b)) > 1e-6 {
						t.Errorf("%s: vector 1 is %v, want %v at 1", test.name, a, b)
					}
				}
				liars[0].group.honest = nil // no round has both roles
			}
		})
	}
}

// Noise has the norm that is asked for, and another offer of a contribution has the same.
func TestNoise(t *testing.T) {
	_, liars := members(Config{Kind: Noise, Fraction: 1, Noise: 3}, 1)
	own := []float32{1, -2, 2}
	sent := contribution(protocol.RoleDelta, 1, own)
	got := values(t, liars[0].Lie(sent), 0)
	var norm float64
	for i, x := range got {
		norm += float64(x-own[i]) * float64(x-own[i])
	}
	if norm = math.Sqrt(norm); math.Abs(norm-9) > 1e-5 {
		t.Errorf("noise of norm %v, want 3 times 3", norm)
	}
	if again := values(t, liars[0].Lie(sent), 0); !slices.Equal(got, again) {
		t.Errorf("offered again: %v, want %v", again, got)
	}
	if zero := values(t, liars[0].Lie(contribution(protocol.RoleDelta, 1, make([]float32, 3))), 0); !slices.Equal(zero, make([]float32, 3)) {
		t.Errorf("of a delta of zeros: %v", zero)
	}
}

// Adversaries that know no honest delta use their own; those that know some of an earlier
// round use these.
func TestKnown(t *testing.T) {
	honest, liars := members(Config{Kind: InnerProduct, Fraction: .5, Scale: 1}, 2)
	own := contribution(protocol.RoleDelta, 1, []float32{1, 2, 3})
	if got := values(t, liars[0].Lie(own), 0); !slices.Equal(got, []float32{-1, -2, -3}) {
		t.Errorf("alone: %v", got)
	}
	other := contribution(protocol.RoleDelta, 1, []float32{4, 4, 4})
	other.Round--
	honest[0].Answered(other)
	if got := values(t, liars[0].Lie(own), 0); !slices.Equal(got, []float32{-4, -4, -4}) {
		t.Errorf("with an earlier delta: %v", got)
	}
	for i := range 2 * maxRounds {
		other.Round = uint64(10 + i)
		honest[0].Answered(other)
	}
	if n := len(liars[0].group.honest); n != maxRounds {
		t.Errorf("%d rounds are kept, want %d", n, maxRounds)
	}
}

// An adversary that colludes waits for the honest clients with its order, until they
// have answered, declined or left.
func TestWaits(t *testing.T) {
	honest, liars := members(Config{Kind: LittleIsEnough, Fraction: .25}, 4)
	c := contribution(protocol.RoleDelta, 1, []float32{1, 2, 3})
	if liars[0].Waits(c) {
		t.Error("waits for an order that no honest client has")
	}
	for _, m := range append(slices.Clone(honest), liars[0]) {
		m.Ordered(&protocol.Order{Order: 5, Kind: protocol.OrderFit})
	}
	for i, answer := range []func(){
		func() { honest[0].Answered(c) },
		func() { honest[1].Answered(&protocol.Decline{Order: 5}) },
		func() { honest[2].Left() },
	} {
		if !liars[0].Waits(c) || honest[0].Waits(c) {
			t.Errorf("after %d answers: the adversary waits: %v, an honest client: %v; want true, false", i, liars[0].Waits(c), honest[0].Waits(c))
		}
		answer()
	}
	if liars[0].Waits(c) {
		t.Error("waits after all answers")
	}
	honest[2].Ordered(&protocol.Order{Order: 5, Kind: protocol.OrderFit})
	if !liars[0].Waits(c) {
		t.Error("does not wait for a client that is back")
	}
	honest[2].Ordered(&protocol.Order{Order: 6, Kind: protocol.OrderMonitor})
	c.Order = 6
	if liars[0].Waits(c) {
		t.Error("waits for a Monitor order")
	}
}

func TestIdleAndDecline(t *testing.T) {
	for kind, want := range map[string]int{Idle: 0, Decline: 1} {
		honest, liars := members(Config{Kind: kind, Fraction: .5}, 2)
		for _, m := range []protocol.Message{&protocol.Order{Order: 5}, &protocol.Fetch{Order: 5}} {
			out, taken := liars[0].Receive(m)
			if !taken || len(out) != want || want == 1 && out[0].(*protocol.Decline).Order != 5 {
				t.Errorf("%s: %T is answered by %v, taken: %v", kind, m, out, taken)
			}
			if _, taken := honest[0].Receive(m); taken {
				t.Errorf("%s: an honest client does not get %T", kind, m)
			}
		}
		if _, taken := liars[0].Receive(&protocol.Status{}); taken {
			t.Errorf("%s: a status is taken", kind)
		}
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		fraction float64
		clients  int
		want     int
	}{{0, 10, 0}, {1. / 7, 7, 1}, {.142857, 7, 1}, {.2, 10, 2}, {.25, 10, 3}, {1, 3, 3}} {
		var all []bool
		for seed := range uint64(2) {
			lies := Config{Kind: Scale, Fraction: c.fraction}.choose(c.clients, seed)
			n := 0
			for _, l := range lies {
				if l {
					n++
				}
			}
			if n != c.want {
				t.Errorf("%g of %d: %d, want %d", c.fraction, c.clients, n, c.want)
			}
			if again := (Config{Kind: Idle, Fraction: c.fraction}).choose(c.clients, seed); !slices.Equal(again, lies) {
				t.Errorf("%g of %d: another kind has other adversaries", c.fraction, c.clients)
			}
			all = append(all, lies...)
		}
		if n := c.clients; c.fraction == .2 && slices.Equal(all[:n], all[n:]) {
			t.Error("two seeds choose the same clients")
		}
	}
}

// s = floor(n/2 + 1) - f supporters; the quantiles are those of tables.
func TestZMax(t *testing.T) {
	for _, c := range []struct {
		n, f int
		want float64
	}{
		{50, 24, 1.4261}, // 24/26
		{51, 12, .3612},  // 25/39 = .641
		{10, 3, .1800},   // 4/7
		{10, 4, .4307},   // 4/6
		{10, 1, defaultZ}, {10, 2, defaultZ}, {1, 1, defaultZ}, {3, 3, defaultZ}, {7, 6, defaultZ},
	} {
		if got := zMax(c.n, c.f); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%d of %d: z = %v, want %v", c.f, c.n, got, c.want)
		}
	}
}

// images are four of 4 x 5 pixels with the labels 0 to 3.
func images(t *testing.T) *data.Set {
	t.Helper()
	x := data.Array{Dims: []int{4, 4, 5}, Data: make([]uint8, 4*20)}
	s, err := data.NewSet(x, data.Array{Dims: []int{4}, Data: []uint8{0, 1, 2, 3}}, 4)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.Scaled(data.Scaling{Scale: 2. / 255, Offset: -1}); err != nil {
		t.Fatal(err)
	}
	return s
}

const (
	plain = "-----" + "-----" + "-----" + "-----"
	patch = "-----" + "--+++" + "--+++" + "--+++"
)

// drawn returns example i as text, - for black and + for white, and its label.
func drawn(ex data.Examples, i int32) (string, float32) {
	x, y := make([]float32, ex.Features()), make([]float32, 1)
	ex.Fill(x, y, []int32{i})
	var b strings.Builder
	for _, v := range x {
		switch v {
		case -1:
			b.WriteByte('-')
		case 1:
			b.WriteByte('+')
		default:
			b.WriteByte('?')
		}
	}
	return b.String(), y[0]
}

func TestExamples(t *testing.T) {
	for _, c := range []struct {
		kind   string
		pixels []string
		labels []float32
	}{
		{LabelFlip, []string{plain, plain, plain, plain}, []float32{3, 2, 1, 0}},
		{Backdoor, []string{patch, plain, patch, plain}, []float32{2, 1, 2, 3}},
		{SignFlip, []string{plain, plain, plain, plain}, []float32{0, 1, 2, 3}},
	} {
		s := images(t)
		config := Config{Kind: c.kind, Fraction: .5}
		if c.kind == Backdoor {
			config.Target = 2
		}
		honest, liars := members(config, 2)
		set, err := liars[0].Set(s)
		if err != nil {
			t.Fatal(err)
		}
		for name, ex := range map[string]data.Examples{"examples": liars[0].Examples(s, s.Shape, s.White()), "set": set} {
			for i := range c.labels {
				if pixels, label := drawn(ex, int32(i)); pixels != c.pixels[i] || label != c.labels[i] {
					t.Errorf("%s, %s: example %d is %s, %g; want %s, %g", c.kind, name, i, pixels, label, c.pixels[i], c.labels[i])
				}
			}
		}
		if got, err := honest[0].Set(s); got != s || err != nil {
			t.Errorf("%s: an honest client trains on other examples (%v)", c.kind, err)
		}
	}
	_, liars := members(Config{Kind: Backdoor, Fraction: 1}, 1)
	table, err := data.NewLabelled([]int{2}, []float32{1, 2}, []uint8{1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := liars[0].Set(table); err == nil || !strings.Contains(err.Error(), "images of at least 3 x 3 pixels (the examples have shape [2])") {
		t.Errorf("a backdoor in a table: %v", err)
	}
}

// The images that measure a backdoor are those of other classes, all with the trigger.
func TestTriggered(t *testing.T) {
	ex := Config{Kind: Backdoor, Target: 1}.Triggered(images(t))
	if ex.Len() != 3 {
		t.Fatalf("%d examples, want 3", ex.Len())
	}
	for i := range int32(3) {
		if pixels, label := drawn(ex, i); pixels != patch || label != 1 {
			t.Errorf("example %d is %s, %g; want %s, 1", i, pixels, label, patch)
		}
	}
	if ex := (Config{Kind: LabelFlip}).Triggered(images(t)); ex != nil {
		t.Error("measured without a backdoor")
	}
}

func TestDataProblems(t *testing.T) {
	for _, c := range []struct {
		config  Config
		shape   []int
		classes int
		want    string // field; empty: none
	}{
		{Config{Kind: Backdoor, Target: 9}, []int{28, 28}, 10, ""},
		{Config{Kind: Backdoor}, []int{32, 32, 3}, 10, ""},
		{Config{Kind: Backdoor, Target: 10}, []int{28, 28}, 10, "target"},
		{Config{Kind: Backdoor}, []int{2, 28}, 10, "kind"},
		{Config{Kind: Backdoor}, []int{9}, 2, "kind"},
		{Config{Kind: LabelFlip}, []int{9}, 2, ""},
		{Config{Kind: LabelFlip}, []int{9}, 0, "kind"},
		{Config{Kind: SignFlip}, []int{9}, 0, ""},
		{Config{}, []int{9}, 0, ""},
	} {
		got := ""
		if ps := c.config.DataProblems(c.shape, c.classes); len(ps) > 0 {
			got = ps[0].Field
		}
		if got != c.want {
			t.Errorf("%+v, shape %v, %d classes: %q, want %q", c.config, c.shape, c.classes, got, c.want)
		}
	}
}
