package task

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"fedtab/compress"
	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// Compress configures the codecs of parameters; see docs/compression.md.
type Compress struct {
	Up   Up   `yaml:"up"`
	Down Down `yaml:"down"`
}

// Up configures what clients send.
type Up struct {
	Codec    string  `yaml:"codec" help:"of what participants send; left out: deadzone where the scheme supports it, else float32"`
	Bits     float64 `yaml:"bits,omitempty" help:"per parameter, of deadzone and dither"`
	Feedback string  `yaml:"feedback" help:"of what packing has lost, into the next contribution; auto: on up to 2 bits per parameter where contributions are averaged"`
}

// Down configures what the coordinator sends.
type Down struct {
	Codec string  `yaml:"codec" help:"of what the coordinator sends; left out: grid where the scheme supports it, else float32"`
	Step  float64 `yaml:"step,omitempty" help:"of grid, in multiples of the first round's mean change"`
	Bits  float64 `yaml:"bits,omitempty" help:"per parameter, of the local models that come between versions on a grid; left out: those of up, or 4"`
}

// Defaults of Compress.
const (
	defaultBits = .9
	defaultStep = 3.5
	localBits   = 4 // a local model is not averaged with others: it has all of its error
)

// minDitherBits is the min rate of dither. Below it, its unbiased values are so rare
// and large that contributions of honest clients may be out of bounds.
const minDitherBits = .1

// fill replaces zeros by defaults.
func (c *Compress) fill(support strategy.Packing) {
	if c.Up.Codec == "" {
		c.Up.Codec = "float32"
		if support.Default {
			c.Up.Codec = defaultUp(support)
		}
	}
	if rated(c.Up.Codec) && c.Up.Bits == 0 {
		c.Up.Bits = cmp.Or(support.Bits, defaultBits)
	}
	if c.Up.Feedback == "" {
		c.Up.Feedback = "auto"
	}
	if c.Up.Feedback == "auto" {
		c.Up.Feedback = "off"
		if rated(c.Up.Codec) && support.Feedback && c.Up.Bits <= support.FeedbackUpTo {
			c.Up.Feedback = "on"
		}
	}
	if c.Down.Codec == "" {
		c.Down.Codec = "float32"
		if support.Grid {
			c.Down.Codec = "grid"
		}
	}
	if c.Down.Codec == "grid" && c.Down.Step == 0 {
		c.Down.Step = defaultStep
	}
	if c.Down.Codec == "grid" && support.Local && c.Down.Bits == 0 {
		c.Down.Bits = localBits
		if rated(c.Up.Codec) {
			c.Down.Bits = c.Up.Bits
		}
	}
}

// defaultUp returns the codec of contributions that are packed by default.
func defaultUp(support strategy.Packing) string {
	if support.Biased {
		return protocol.CodecDeadzone.String()
	}
	return protocol.CodecDither.String()
}

func rated(name string) bool {
	c, err := compress.Named(name)
	return err == nil && c.Rated
}

var downCodecs = []string{"float32", "float32-planes", "float16", "grid"}

func (d *decoder) compress(c Compress, s strategy.Config) {
	support := d.schemes.Packing(s)
	var up []string
	for _, id := range compress.Standalone() {
		up = append(up, id.String())
	}
	if d.want(c.Up.Codec == "" || slices.Contains(up, c.Up.Codec), "compress.up.codec", quoted(c.Up.Codec), "one of "+strings.Join(up, ", ")) {
		d.want(c.Up.Codec == "" || support.Lossy || lossless(c.Up.Codec), "compress.up.codec", quoted(c.Up.Codec),
			"float32 or float32-planes, because "+s.Kind+" needs exact models")
		d.want(c.Up.Codec != "deadzone" || support.Biased || !support.Lossy, "compress.up.codec", quoted(c.Up.Codec),
			"an unbiased codec (dither, or float32), because with strategy.kind: "+s.Kind+" a biased error repeats in every step")
	}
	if c.Up.Bits != 0 {
		ok := d.want(c.Up.Codec == "" && support.Default || rated(c.Up.Codec), "compress.up.bits", c.Up.Bits, "none without a codec that has a rate (deadzone, dither)")
		if ok {
			minBits := float64(compress.MinBits)
			if cmp.Or(c.Up.Codec, defaultUp(support)) == protocol.CodecDither.String() {
				minBits = minDitherBits
			}
			d.want(c.Up.Bits >= minBits && c.Up.Bits <= compress.MaxBits, "compress.up.bits", c.Up.Bits,
				fmt.Sprintf("%v <= bits <= %v per parameter", minBits, compress.MaxBits))
		}
	}
	d.want(slices.Contains([]string{"", "on", "off", "auto"}, c.Up.Feedback), "compress.up.feedback", quoted(c.Up.Feedback), `"on", "off" or "auto"`)
	d.want(c.Up.Feedback != "on" || c.Up.Codec == "" && support.Default || rated(c.Up.Codec), "compress.up.feedback", quoted(c.Up.Feedback), "off without a lossy codec with a rate (deadzone, dither)")
	d.want(c.Up.Feedback != "on" || support.Feedback, "compress.up.feedback", quoted(c.Up.Feedback),
		"off: with strategy.kind: "+s.Kind+" what one contribution lacks cannot come with the next")
	if d.want(c.Down.Codec == "" || slices.Contains(downCodecs, c.Down.Codec), "compress.down.codec", quoted(c.Down.Codec), "one of "+strings.Join(downCodecs, ", ")) {
		d.want(c.Down.Codec != "grid" && c.Down.Codec != "float16" || support.Lossy, "compress.down.codec", quoted(c.Down.Codec), "float32, because "+s.Kind+" needs exact models")
	}
	if c.Down.Step != 0 {
		d.want(c.Down.Codec == "grid" || c.Down.Codec == "" && support.Grid, "compress.down.step", c.Down.Step, "none without down.codec grid")
		d.want(c.Down.Step >= .01 && c.Down.Step <= 1000, "compress.down.step", c.Down.Step, "0.01 <= step <= 1000")
	}
	if c.Down.Bits != 0 {
		ok := d.want(support.Local, "compress.down.bits", c.Down.Bits, "none with strategy.kind: "+s.Kind+", which sends versions only") &&
			d.want(c.Down.Codec == "grid" || c.Down.Codec == "" && support.Grid, "compress.down.bits", c.Down.Bits, "none without down.codec grid")
		if ok {
			d.want(c.Down.Bits >= compress.MinBits && c.Down.Bits <= compress.MaxBits, "compress.down.bits", c.Down.Bits,
				fmt.Sprintf("%v <= bits <= %v per parameter", compress.MinBits, compress.MaxBits))
		}
	}
}

func lossless(name string) bool {
	c, err := compress.Named(name)
	return err == nil && c.Lossless
}

// smallModel is the max number of parameters that are always sent as float32: the
// headers and tables of a coded block would be larger than what it saves.
const smallModel = 256

// Run returns the packing of a run with the given number of parameters.
func (c Compress) Run(parameters int) run.Packing {
	if parameters <= smallModel {
		return run.Packing{}
	}
	id := func(name string) protocol.Codec {
		if name == "grid" {
			return protocol.CodecGrid
		}
		codec, err := compress.Named(name)
		if err != nil {
			panic(err) // checked
		}
		return codec.ID
	}
	p := run.Packing{Up: id(c.Up.Codec), Down: id(c.Down.Codec), Coarseness: c.Down.Step}
	if c.Down.Bits > 0 {
		p.Local, p.LocalBits = protocol.CodecDeadzone, c.Down.Bits
	}
	if rated(c.Up.Codec) {
		p.Bits = c.Up.Bits
		p.Feedback = c.Up.Feedback == "on"
	}
	return p
}
