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

// Compress says how parameters are packed. docs/compression.md has the codecs.
type Compress struct {
	Up   Up   `yaml:"up"`
	Down Down `yaml:"down"`
}

// Up is about what clients send.
type Up struct {
	Codec    string  `yaml:"codec"`          // default: deadzone where the strategy bears it, else float32
	Bits     float64 `yaml:"bits,omitempty"` // per parameter, of deadzone and dither; default 1.2
	Feedback string  `yaml:"feedback"`       // "on", "off" or "auto" (default): on up to half a bit where the strategy bears it
}

// Down is about what the coordinator sends.
type Down struct {
	Codec string  `yaml:"codec"`          // default: grid where the strategy bears it, else float32
	Step  float64 `yaml:"step,omitempty"` // of grid, in multiples of the first round's mean change; default 3
}

// Defaults of Compress.
const (
	defaultBits = 1.2 // with half a bit less, a tenth more rounds
	defaultStep = 3
)

// leastDither is the least rate of dither. With less it makes values that are so
// few and large, to be right in the mean, that honest ones may be refused.
const leastDither = .1

// fill replaces the zeros.
func (c *Compress) fill(bears strategy.Packing) {
	if c.Up.Codec == "" {
		c.Up.Codec = "float32"
		if bears.Default {
			c.Up.Codec = "deadzone"
		}
	}
	if rated(c.Up.Codec) && c.Up.Bits == 0 {
		c.Up.Bits = defaultBits
	}
	if c.Up.Feedback == "" {
		c.Up.Feedback = "auto"
	}
	if c.Up.Feedback == "auto" && !bears.Default {
		c.Up.Feedback = "off"
	}
	if c.Down.Codec == "" {
		c.Down.Codec = "float32"
		if bears.Grid {
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
	bears := d.schemes.Packing(s)
	var up []string
	for _, id := range compress.Standalone() {
		up = append(up, id.String())
	}
	if d.want(c.Up.Codec == "" || slices.Contains(up, c.Up.Codec), "compress.up.codec", quoted(c.Up.Codec), "one of "+strings.Join(up, ", ")) {
		d.want(c.Up.Codec == "" || bears.Lossy || lossless(c.Up.Codec), "compress.up.codec", quoted(c.Up.Codec),
			"float32 or float32-planes, because "+s.Kind+" takes models as they are")
		d.want(c.Up.Codec != "deadzone" || bears.Biased || !bears.Lossy, "compress.up.codec", quoted(c.Up.Codec),
			"an unbiased codec (dither, or float32), because with strategy.kind: "+s.Kind+" what is lost is lost in every step")
	}
	if c.Up.Bits != 0 {
		ok := d.want(c.Up.Codec == "" && bears.Default || rated(c.Up.Codec), "compress.up.bits", c.Up.Bits, "a codec that has a rate beside it (deadzone, dither)")
		if ok {
			least := float64(compress.MinBits)
			if c.Up.Codec == protocol.CodecDither.String() {
				least = leastDither
			}
			d.want(c.Up.Bits >= least && c.Up.Bits <= compress.MaxBits, "compress.up.bits", c.Up.Bits,
				fmt.Sprintf("%v <= bits <= %v per parameter", least, compress.MaxBits))
		}
	}
	d.want(slices.Contains([]string{"", "on", "off", "auto"}, c.Up.Feedback), "compress.up.feedback", quoted(c.Up.Feedback), `"on", "off" or "auto"`)
	d.want(c.Up.Feedback != "on" || c.Up.Codec == "" && bears.Default || rated(c.Up.Codec), "compress.up.feedback", quoted(c.Up.Feedback), "a codec that loses something (deadzone, dither)")
	d.want(c.Up.Feedback != "on" || bears.Feedback, "compress.up.feedback", quoted(c.Up.Feedback),
		"off: only deltas of whole orders can be fed back")
	if d.want(c.Down.Codec == "" || slices.Contains(downCodecs, c.Down.Codec), "compress.down.codec", quoted(c.Down.Codec), "one of "+strings.Join(downCodecs, ", ")) {
		d.want(c.Down.Codec != "grid" && c.Down.Codec != "float16" || bears.Lossy, "compress.down.codec", quoted(c.Down.Codec), "float32: "+s.Kind+" takes models as they are")
	}
	if c.Down.Step != 0 {
		d.want(c.Down.Codec == "grid" || c.Down.Codec == "" && bears.Grid, "compress.down.step", c.Down.Step, "down.codec: grid beside it")
		d.want(c.Down.Step >= .01 && c.Down.Step <= 1000, "compress.down.step", c.Down.Step, "0.01 <= step <= 1000")
	}
}

func lossless(name string) bool {
	c, err := compress.Named(name)
	return err == nil && c.Lossless
}

// smallModel is up to how many parameters travel raw whatever the task says: the
// headers and tables of a coded block would be larger than what they save.
const smallModel = 256

// Run returns c as the run of a model with so many parameters takes it.
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
