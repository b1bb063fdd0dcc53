package figure

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var samplesDir = flag.String("samples", "", "write the figures of the tests to this folder, to be looked at")

// curves returns n curves like those of training.
func curves(n, rounds int, names ...string) []Series {
	rnd := rand.New(rand.NewPCG(1, 2))
	var out []Series
	for i := range n {
		s := Series{Name: fmt.Sprintf("scheme %d", i+1)}
		if i < len(names) {
			s.Name = names[i]
		}
		for r := range rounds {
			y := 0.97 - 0.02*float64(i) - 0.8*math.Exp(-float64(r)/(8+3*float64(i))) + 0.008*rnd.NormFloat64()
			w := 0.015 + 0.05*math.Exp(-float64(r)/20)
			s.Points = append(s.Points, Point{float64(r), y, y - w, y + w})
		}
		out = append(out, s)
	}
	return out
}

// bars returns n series of one value for each of the groups.
func bars(n, groups int) []Series {
	rnd := rand.New(rand.NewPCG(3, 4))
	var out []Series
	for i := range n {
		s := Series{Name: fmt.Sprintf("scheme %d", i+1)}
		for range groups {
			y := 0.6 + 0.35*rnd.Float64()
			s.Points = append(s.Points, Point{Y: y, Low: y - 0.03, High: y + 0.03})
		}
		out = append(out, s)
	}
	return out
}

func cloud(n int, center float64, seed uint64) []Point {
	rnd := rand.New(rand.NewPCG(seed, 6))
	var out []Point
	for range n {
		out = append(out, Point{X: math.Exp(center + 2*rnd.NormFloat64()), Y: 0.1*center + 0.05*rnd.NormFloat64() + 0.5})
	}
	return out
}

func grid(rows, columns int) *Grid {
	g := new(Grid)
	for j := range columns {
		g.X = append(g.X, fmt.Sprint(j+1))
	}
	for i := range rows {
		g.Y = append(g.Y, fmt.Sprintf("client %d", i+1))
		var row []float64
		for j := range columns {
			row = append(row, 0.1+0.9*float64(i*j)/float64((rows-1)*(columns-1)+1))
		}
		g.Z = append(g.Z, row)
	}
	return g
}

func ptr(v float64) *float64 { return &v }

const long = "averaging weighted by the number of examples of each participant with momentum at the server, decay of the learning rate by a tenth every ten rounds, and compression of what is sent both ways to 4 bits with feedback of the errors"

// samples are figures of each kind, plain and extreme.
func samples() map[string]*Figure {
	nan, inf := math.NaN(), math.Inf(1)
	hole := grid(5, 6)
	hole.Z[1][2], hole.Z[3][4] = nan, inf
	gap := curves(2, 60)
	for i := 20; i < 30; i++ {
		gap[0].Points[i].Y = nan
	}
	gap[0].Points[25].Y = 0.8
	missing := bars(3, 4)
	missing[1].Points[2].Y = nan
	negative := []Series{
		{"gain", []Point{{Y: 1.5}, {Y: -2.25, Low: -2.5, High: -2}, {Y: 0.5}}},
		{"loss", []Point{{Y: -1}, {Y: 2}, {Y: 0}}},
	}
	loss := curves(3, 200, "SGD", "Adam", "SCAFFOLD")
	for i := range loss {
		for j, pt := range loss[i].Points {
			loss[i].Points[j] = Point{pt.X, math.Pow(10, -4*pt.Y), math.Pow(10, -4*pt.Low), math.Pow(10, -4*pt.High)}
		}
	}
	loss[0].Points[50].Y, loss[0].Points[0].X = 0, 0
	return map[string]*Figure{
		"line": {Kind: Line, Title: "Accuracy of federated averaging on MNIST, 100 clients", X: "Round", Y: "Test accuracy",
			Series: curves(3, 100, "FedAvg, C = 0.1", "FedProx, µ = 0.01", "dynamic averaging"), References: []Reference{{"McMahan et al. (2017), table 2", 0.97}}},
		"line-12":  {Kind: Line, Title: "Twelve series", X: "Round", Y: "Test accuracy", Series: curves(12, 100)},
		"line-few": {Kind: Line, Title: "Few points", X: "Clients", Y: "Accuracy", Series: curves(4, 6)},
		"line-gap": {Kind: Line, Title: "A curve with a gap", X: "Round", Y: "Test accuracy", Series: gap},
		"line-log": {Kind: Line, Title: "Loss", X: "Examples seen", Y: "Training loss", LogX: true, LogY: true, Series: loss},
		"line-one": {Kind: Line, Title: "One point", X: "Round", Y: "Loss", Series: []Series{{"only", []Point{{X: 3, Y: 0.5}}}}},
		"line-limits": {Kind: Line, Title: "Limits", X: "Round", Y: "Test accuracy", Series: curves(3, 100),
			XMin: ptr(10), XMax: ptr(60), YMin: ptr(0.7), YMax: ptr(0.95), References: []Reference{{"outside", 0.5}, {"inside", 0.9}, {"also inside", 0.88}}},
		"line-long": {Kind: Line, Title: "Title: " + long, X: "X: " + long, Y: "Y: " + long, Series: curves(3, 50, long, "short", long+"!")},
		"line-big": {Kind: Line, Title: "Bytes sent", X: "Round", Y: "Bytes",
			Series: []Series{{"up", []Point{{0, 0, 0, 0}, {1000, 3.2e9, 0, 0}, {20000, 6e9, 0, 0}}}, {"down", []Point{{0, 0, 0, 0}, {1000, 1.2e9, 0, 0}, {20000, 2e9, 0, 0}}}}},
		"line-escaped": {Kind: Line, Title: `<script>&"'` + "\x00\n\xff", X: "a<b", Y: "c&d", Series: curves(1, 5, "]]> <&>")},
		"bars": {Kind: Bars, Title: "Accuracy by attack and defence", X: "Attack", Y: "Test accuracy", Series: bars(4, 4), Names: []string{"none", "sign flip", "Gaussian noise", "label flip of a third"},
			References: []Reference{{"without attack", 0.93}}},
		"bars-one":      {Kind: Bars, Title: "One series", Y: "Accuracy", Series: []Series{{"", bars(1, 3)[0].Points}}, Names: []string{"FedAvg", "FedProx", "SCAFFOLD"}},
		"bars-many":     {Kind: Bars, Title: "Many bars", Y: "Accuracy", X: "Task", Series: bars(12, 6), Names: strings.Split("mnist cifar adult census shakespeare digits", " ")},
		"bars-long":     {Kind: Bars, Title: "Long names", Y: "Accuracy", Series: bars(2, 5), Names: []string{"mnist-2nn-lean", "hyperparameter_search_of_the_learning_rate", long, "a", "own-investment-with-a-suffix"}},
		"bars-hole":     {Kind: Bars, Title: "A missing bar", Y: "Accuracy", Series: missing, Names: []string{"a", "b", "c", "d"}},
		"bars-negative": {Kind: Bars, Title: "Negative values", Y: "Change in points", Series: negative, Names: []string{"a", "b", "c"}},
		"bars-log": {Kind: Bars, Title: "Traffic until 97%", Y: "MB", LogY: true, Names: []string{"raw", "8 bits", "4 bits", "nothing"},
			Series: []Series{{"up", []Point{{Y: 1520}, {Y: 190}, {Y: 22}, {Y: 0}}}, {"down", []Point{{Y: 15200}, {Y: 380}, {Y: 41}}}}},
		"scatter": {Kind: Scatter, Title: "Accuracy against traffic", X: "Traffic in MB", Y: "Test accuracy", LogX: true,
			Series: []Series{{"FedAvg", cloud(40, 1, 1)}, {"dynamic", cloud(40, 2, 2)}, {"gossip", cloud(40, 3, 3)}}},
		"scatter-error": {Kind: Scatter, Title: "With error bars", X: "Clients", Y: "Accuracy", Series: curves(7, 6)},
		"heat":          {Kind: Heat, Title: "Accuracy by share of clients and skew", X: "Local epochs", Y: "Client", Z: "Test accuracy", Heat: hole},
		"heat-large":    {Kind: Heat, Title: "A large grid", X: "Round", Y: "Client", Z: "Loss", Heat: grid(30, 40)},
		"heat-long":     {Kind: Heat, Title: "Long names", Z: long, Heat: &Grid{X: []string{"learning rate 0.1", "momentum", long, "x"}, Y: []string{long, "b"}, Z: [][]float64{{1, 20, 300, -4000}, {5, 6, 7, 8}}}},
		"heat-one":      {Kind: Heat, Title: "One cell", Heat: &Grid{X: []string{"a"}, Y: []string{"b"}, Z: [][]float64{{0.5}}}},
	}
}

// TestSamples writes the figures where -samples says.
func TestSamples(t *testing.T) {
	if *samplesDir == "" {
		t.Skip("no -samples")
	}
	for name, f := range samples() {
		for ext, draw := range map[string]func(*os.File) error{
			".svg": func(o *os.File) error { return f.SVG(o) },
			".png": func(o *os.File) error { return f.PNG(o) },
		} {
			o, err := os.Create(filepath.Join(*samplesDir, name+ext))
			if err != nil {
				t.Fatal(err)
			}
			if err := draw(o); err != nil {
				t.Error(err)
			}
			if err := o.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
