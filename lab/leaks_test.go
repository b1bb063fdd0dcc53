package lab

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"fedtab/client"
	"fedtab/compress"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/rng"
	"fedtab/privacy/attack"
	"fedtab/protocol"
)

// leaks opens the page of what leaks, with all computed.
func leaks(query string) *leaksPage {
	return settle(Find("leaks").Open(query)).page.(*leaksPage)
}

// firstRead opens the page, with the pictures of one participant computed.
func firstRead(query string) *leaksPage {
	m := Find("leaks").Open(query)
	p := m.page.(*leaksPage)
	for p.shown.Inversion == nil && m.Work() {
	}
	return p
}

// someSeeds are those that a statement is tested with.
func someSeeds() int {
	if testing.Short() {
		return 1
	}
	return 3
}

// The picture of a single example is read back exactly, however wide the first layer is and
// however long it is trained.
func TestOnePictureIsExact(t *testing.T) {
	for _, units := range []int{0, 16, 64, 256} {
		for _, epochs := range []int{1, 5, 100} {
			for seed := 1; seed <= 3; seed++ {
				p := firstRead(fmt.Sprintf("units=%d&epochs=%d&seed=%d", units, epochs, seed))
				if got := p.shown.psnr(0); !(got >= exactPSNR) || !p.shown.Known[0] {
					t.Errorf("%d units, %d epochs, seed %d: PSNR %.1f, recognised %v, want %d or more", units, epochs, seed, got, p.shown.Known[0], exactPSNR)
				}
			}
		}
	}
}

// What the page reads is what a participant sends: the product's client, ordered to train the
// same model with the same pictures, answers with the same update, packed into the same block.
func TestLeaksAreTheClients(t *testing.T) {
	for number, codec := range packingCodecs {
		query := fmt.Sprintf("n=8&epochs=5&units=16&bits=0.5&seed=3&codec=%d", number)
		p := firstRead(query)
		hash := learn.Hash(p.start)
		c := client.New(client.Config{Name: "test", Task: "leaks"})
		welcome := &protocol.Welcome{
			Participant: 1, ResumeToken: []byte("token"), Run: "run", Seed: p.run, InitialHash: hash[:], Parameters: uint64(len(p.start)),
			Model: protocol.ModelSpec{Input: []uint32{glyphSide, glyphSide}, Layers: []protocol.Layer{
				{Kind: protocol.LayerDense, Units: 16, Activation: protocol.ActivationReLU}, {Kind: protocol.LayerDense, Units: glyphClasses},
			}},
		}
		order := &protocol.Order{
			Order: 1, Kind: protocol.OrderFit, Round: 1, BaseHash: hash[:], Seed: p.seed,
			Hyper: protocol.Hyper{Epochs: 5, LR: leakRate, Codec: codec, Bits: .5},
		}
		x, y := glyphs(8, rng.Stream(p.seed, "glyphs", 0))
		set, err := data.NewLabelled([]int{glyphSide, glyphSide}, x, y, glyphClasses)
		if err != nil {
			t.Fatal(err)
		}
		c.SetExamples(set)
		for _, m := range []protocol.Message{welcome, order} {
			if out, err := c.Receive(m); err != nil || len(out) > 0 {
				t.Fatalf("%T is answered by %v, %v", m, out, err)
			}
		}
		var out []protocol.Message
		for b := c.NewWorkspace(); c.Ready(); {
			out = append(out, c.Work(b, 1)...)
		}
		sent, ok := out[len(out)-1].(*protocol.Contribution)
		if !ok || len(sent.Vectors) != 1 {
			t.Fatalf("%v: the answer is %v, want a contribution", codec, out)
		}
		got := make([]float32, len(p.start))
		o := compress.Options{Bits: float64(order.Hyper.Bits), Seed: compress.DitherSeed(p.run, 1, 1, 0)}
		if err := compress.DecodeWith(codecOf(codec).NewDecoder(), got, sent.Vectors[0].Block, o); err != nil {
			t.Fatal(err)
		}
		if want := float64(8*len(sent.Vectors[0].Block)) / float64(len(got)); p.shown.bits != want {
			t.Errorf("%v: the page has %g bits, want %g, as the client sends", codec, p.shown.bits, want)
		}
		read := attack.Invert(got, p.model.Layout(), x)
		if !slices.Equal(read.Like, p.shown.Like) || !slices.Equal(read.Known, p.shown.Known) {
			t.Errorf("%v: of the client's update correlations are %v, on the page %v", codec, read.Like, p.shown.Like)
		}
	}
}

// More pictures hide each other, wider layers give more away, and more bits as well; more
// epochs hide little.
func TestWhatLeaks(t *testing.T) {
	last := len(leakSizes) - 1
	for seed := 1; seed <= someSeeds(); seed++ {
		base := leaks(fmt.Sprintf("n=8&seed=%d", seed))
		like, known, _ := means(base.sizes)
		if !slices.IsSortedFunc(like, func(a, b float64) int { return int(math.Copysign(1, b-a+1e-3)) }) || like[last] > .8 || known[last] > .15 {
			t.Errorf("seed %d: correlations by number of pictures are %.3f, recognised %.2f, want them to fall", seed, like, known)
		}
		narrow, _, _ := means(leaks(fmt.Sprintf("units=16&seed=%d", seed)).sizes)
		wide, _, _ := means(leaks(fmt.Sprintf("units=256&seed=%d", seed)).sizes)
		for i := 3; i <= last; i++ { // of fewer pictures all are nearly exact
			if !(narrow[i] < like[i] && like[i] < wide[i]) {
				t.Errorf("seed %d, %g pictures: correlation %.3f with 16 units, %.3f with 64, %.3f with 256, want it to grow", seed, leakSizes[i], narrow[i], like[i], wide[i])
			}
		}
		long, _, _ := means(leaks(fmt.Sprintf("epochs=100&seed=%d", seed)).sizes)
		if long[3] < like[3]-.05 || long[3] > like[3] {
			t.Errorf("seed %d: 8 pictures have correlation %.3f after 100 epochs, %.3f after one, want hardly less", seed, long[3], like[3])
		}
		for i, curve := range base.rates {
			like, _, bits := means(curve)
			for k := range like {
				if k > 0 && like[k] < like[k-1]-.01 {
					t.Errorf("seed %d: %v has correlation %.3f at %.2f bits, and %.3f at %.2f", seed, rated[i], like[k-1], bits[k-1], like[k], bits[k])
				}
			}
			if like[0] > .6 || like[len(like)-1] < .9 {
				t.Errorf("seed %d: %v has correlations %.3f, want them to grow from little to nearly all", seed, rated[i], like)
			}
		}
	}
}

// The texts of the page make promises: they hold.
func TestLeaksSays(t *testing.T) {
	p := firstRead("n=64")
	var alike, pairs int
	for client := range leakClients {
		x, y := glyphs(200, rng.Stream(7, "glyphs", uint64(client)))
		for k := range y {
			for j := range k {
				if y[k] != y[j] {
					continue
				}
				pairs++
				if correlation(x[k*glyphSide*glyphSide:][:glyphSide*glyphSide], x[j*glyphSide*glyphSide:][:glyphSide*glyphSide]) >= attack.Alike {
					alike++
				}
			}
		}
	}
	t.Logf("%d of %d pairs of pictures of the same digit are alike", alike, pairs)
	if alike*100 > pairs {
		t.Errorf("%d of %d pairs of pictures of the same digit are alike, want fewer than 1 in 100", alike, pairs)
	}
	if n := len(p.shown.client.x) / (glyphSide * glyphSide); n != 64 {
		t.Errorf("the participant has %d pictures, want 64", n)
	}
	for seed := 1; seed <= someSeeds(); seed++ {
		rough := leaks(fmt.Sprintf("codec=2&bits=0.1&seed=%d", seed))
		if like, _, _ := means(rough.sizes); like[0] < .75 || like[0] > .95 {
			t.Errorf("seed %d: one picture at 0.1 bits has correlation %.2f, want it rough and still there", seed, like[0])
		}
		if _, known, _ := means(leaks(fmt.Sprintf("codec=2&bits=0.3&seed=%d", seed)).sizes); known[0] < 1 || known[2] > .25 {
			t.Errorf("seed %d: at 0.3 bits %.2f of single pictures are recognised, and %.2f of four, want all and hardly any", seed, known[0], known[2])
		}
		if like, _, _ := means(leaks(fmt.Sprintf("units=0&seed=%d", seed)).sizes); like[2] < .9 {
			t.Errorf("seed %d: 4 pictures have correlation %.2f without a hidden layer, want their digits to be seen", seed, like[2])
		}
	}
}

// What the page says of clipping, noise and sums holds, for one client and for the mean of all.
func TestLeaksProtected(t *testing.T) {
	for seed := 1; seed <= someSeeds(); seed++ {
		for _, c := range []struct {
			query      string
			size       int     // of leakSizes, by number
			like, most float64 // correlation
			known      float64 // share that is recognised, at least; 0 wants few
		}{
			{"clip=0.01", 0, .999, 1.001, 1},
			{"clip=0.01&n=8", 3, .9, 1, .6},
			{"sees=5", 0, .9, 1.001, .9},
			{"sees=5&n=8", 3, .5, .85, 0},
			{"noise=0.01", 0, 0, .6, 0},
			{"noise=0.01&clip=0.1", 0, .93, .999, 1},
			{"noise=0.01&clip=0.01", 0, .93, .999, 1},
			{"noise=0.1&clip=0.1", 0, 0, .6, 0},
		} {
			like, known, _ := means(leaks(fmt.Sprintf("%s&seed=%d", c.query, seed)).sizes)
			if got := like[c.size]; got < c.like || got > c.most {
				t.Errorf("%s, seed %d: correlation %.3f, want %g to %g", c.query, seed, got, c.like, c.most)
			}
			if got := known[c.size]; got < c.known || c.known == 0 && got > .25 {
				t.Errorf("%s, seed %d: %.2f are recognised, want %g", c.query, seed, got, c.known)
			}
		}
	}
}

// No update is as long as the largest norm that it may be clipped to.
func TestNormsAreShort(t *testing.T) {
	longest := 0.
	for _, query := range []string{"n=64&epochs=100&units=256", "n=1&epochs=100&units=0", "n=8&epochs=100&units=16"} {
		longest = max(longest, firstRead(query).shown.norm)
	}
	if most := clipNorms[len(clipNorms)-1]; longest >= most {
		t.Errorf("the norm of an update is %.2f, want less than %g", longest, most)
	}
	t.Logf("the longest update has norm %.2f", longest)
}

// Epsilon is the account's, and there is none without noise.
func TestLeaksEpsilon(t *testing.T) {
	for query, want := range map[string]string{"": "no bound", "noise=1": "10.0", "noise=0.1": "284"} {
		v := settle(Find("leaks").Open(query)).Draw(nil)
		if text := (Text{"leak-epsilon", want}); !slices.Contains(v.Texts, text) {
			t.Errorf("%q does not say an epsilon of %s", query, want)
		}
	}
}

func correlation(a, b []float32) float64 {
	var sums [5]float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		for k, v := range [5]float64{x, y, x * x, y * y, x * y} {
			sums[k] += v / float64(len(a))
		}
	}
	return (sums[4] - sums[0]*sums[1]) / math.Sqrt((sums[2]-sums[0]*sums[0])*(sums[3]-sums[1]*sums[1]))
}

// A participant with more pictures has those of one with fewer; there are no more to choose
// from than it has.
func TestPictureIsTheClients(t *testing.T) {
	m := Find("leaks").Open("n=8&picture=7")
	seven := slices.Clone(m.page.(*leaksPage).shown.client.picture(6))
	m.Set("n", "4")
	if got := m.page.(*leaksPage).shown.client.picture(6); !slices.Equal(got, seven) {
		t.Error("picture 7 of 16 is another than that of 8")
	}
	m.Set("n", "1")
	if got := m.state.Int("picture"); got != 2 {
		t.Errorf("of 2 pictures number %d is chosen, want 2", got)
	}
}

// Training that diverges ends the computation, and the page says so.
func TestLeaksDiverges(t *testing.T) {
	m := Find("leaks").Open("")
	m.page.(*leaksPage).shown.client.params[0] = float32(math.NaN())
	v := settle(m).Draw(nil)
	for _, name := range []string{"leak", "leaked"} {
		if want := (Text{name, v.say("lab.mix.diverged")}); !slices.Contains(v.Texts, want) {
			t.Errorf("%s does not say %q", name, want.Text)
		}
	}
}

// Pictures are drawn as they are: as much ink, to a grey, row by row.
func TestPicturesAreDrawn(t *testing.T) {
	var g pictures
	g.add([]float32{0, 1, 1, .5, 0, .02, 1, 1, 0}, 3, 10, 20, 30)
	for grey, want := range []string{3: "M10 30H20V40H10Z", greys - 1: "M20 20H40V30H20ZM10 40H30V50H10Z"} {
		if got := g.paths[grey].String(); got != want {
			t.Errorf("grey %d is drawn as %q, want %q", grey+1, got, want)
		}
	}
	var p plot
	p.pictures(&g)
	if got := p.b.String(); strings.Count(got, "<path") != greys || !strings.Contains(got, `fill-opacity="0.57" d="M10`) {
		t.Errorf("the pictures are %s, want a path for each of %d greys", got, greys)
	}
}

// Cells are in their area, beside each other, and as large as they can be.
func TestAlbum(t *testing.T) {
	for _, c := range []struct {
		n, across int
		size      float64
	}{{1, 2, 100}, {2, 2, 95}, {4, 2, 47.5}, {64, 1, 16.25}, {10, 1, 42.5}} {
		a := newAlbum(c.n, c.across, 10, 20, 210, 220, 10)
		for k := range c.n {
			from, to := a.at(k, 0), a.at(k, c.across-1).plus(a.size)
			if from.X < 10-1e-9 || from.Y < 20-1e-9 || to.X > 210+1e-9 || to.Y > 220+1e-9 {
				t.Errorf("%d cells: number %d is from %v to %v, want it in the area", c.n, k, from, to)
			}
			for j := range k {
				if at := a.at(j, 0); math.Abs(at.X-from.X) < float64(c.across)*a.size+9.99 && math.Abs(at.Y-from.Y) < a.size+9.99 {
					t.Errorf("%d cells: number %d at %v is too near to %d at %v", c.n, k, from, j, at)
				}
			}
		}
		if math.Abs(a.size-c.size) > .01 {
			t.Errorf("%d cells have pictures of %g, want %g", c.n, a.size, c.size)
		}
	}
}
