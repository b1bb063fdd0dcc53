package task

import (
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
	Codec    string  `yaml:"codec"`          // default: deadzone where the strategy supports it, else float32
	Bits     float64 `yaml:"bits,omitempty"` // per parameter, of deadzone and dither; default 1.2
	Feedback string  `yaml:"feedback"`       // "on", "off" or "auto" (default): on up to half a bit per parameter where the strategy supports it
}

// Down configures what the coordinator sends.
type Down struct {
	Codec string  `yaml:"codec"`          // default: grid where the strategy supports it, else float32
	Step  float64 `yaml:"step,omitempty"` // of grid, in multiples of the first round's mean change; default 3
}

// Defaults of Compress.
const (
	defaultBits = 1.2 // half a bit less takes a tenth more rounds
	defaultStep = 3
)

// minDitherBits is the min rate of dither. Below it, its unbiased values are so rare
// and large that contributions of honest clients may be out of bounds.
const minDitherBits = .1

// fill replaces zeros by defaults.
func (c *Compress) fill(support strategy.Packing) {
	if c.Up.Codec == "" {
		c.Up.Codec = "float32"
		if support.Default {
			c.Up.Codec = "deadzone"
		}
	}
	if rated(c.Up.Codec) && c.Up.Bits == 0 {
		c.Up.Bits = defaultBits
	}
	if c.Up.Feedback == "" {
		c.Up.Feedback = "auto"
	}
	if c.Up.Feedback == "auto" && !support.Default {
		c.Up.Feedback = "off"
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
			if c.Up.Codec == protocol.CodecDither.String() {
				minBits = minDitherBits
			}
			d.want(c.Up.Bits >= minBits && c.Up.Bits <= compress.MaxBits, "compress.up.bits", c.Up.Bits,
				fmt.Sprintf("%v <= bits <= %v per parameter", minBits, compress.MaxBits))
		}
	}
	d.want(slices.Contains([]string{"", "on", "off", "auto"}, c.Up.Feedback), "compress.up.feedback", quoted(c.Up.Feedback), `"on", "off" or "auto"`)
	d.want(c.Up.Feedback != "on" || c.Up.Codec == "" && support.Default || rated(c.Up.Codec), "compress.up.feedback", quoted(c.Up.Feedback), "off without a lossy codec with a rate (deadzone, dither)")
	d.want(c.Up.Feedback != "on" || support.Feedback, "compress.up.feedback", quoted(c.Up.Feedback),
		"off: error feedback needs deltas of whole orders")
	if d.want(c.Down.Codec == "" || slices.Contains(downCodecs, c.Down.Codec), "compress.down.codec", quoted(c.Down.Codec), "one of "+strings.Join(downCodecs, ", ")) {
		d.want(c.Down.Codec != "grid" && c.Down.Codec != "float16" || support.Lossy, "compress.down.codec", quoted(c.Down.Codec), "float32, because "+s.Kind+" needs exact models")
	}
	if c.Down.Step != 0 {
		d.want(c.Down.Codec == "grid" || c.Down.Codec == "" && support.Grid, "compress.down.step", c.Down.Step, "none without down.codec grid")
		d.want(c.Down.Step >= .01 && c.Down.Step <= 1000, "compress.down.step", c.Down.Step, "0.01 <= step <= 1000")
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
	if rated(c.Up.Codec) {
		p.Bits = c.Up.Bits
		p.Feedback = c.Up.Feedback == "on" || c.Up.Feedback == "auto" && c.Up.Bits <= compress.FeedbackUpTo
	}
	return p
}
