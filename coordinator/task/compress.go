package task

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"fedtab/compress"
	"fedtab/compress/reference"
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
	Bits     float64 `yaml:"bits,omitempty" help:"per parameter, of codecs that have a rate"`
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

// defaultLevelBits are those of a level of QSGD: what its paper trains with.
const defaultLevelBits = 4

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
		if leveled(c.Up.Codec) {
			c.Up.Bits = defaultLevelBits
		}
	}
	if c.Up.Feedback == "" {
		c.Up.Feedback = "auto"
	}
	if c.Up.Feedback == "auto" {
		c.Up.Feedback = "off"
		on := rated(c.Up.Codec) && c.Up.Bits <= support.FeedbackUpTo
		if k, ok := referenceCodec(c.Up.Codec); ok {
			on = !k.Unbiased // as published
		}
		if on && support.Feedback {
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
	c, err := reference.Codecs().Named(name)
	return err == nil && c.Rated
}

// referenceCodec returns a codec that only simulations have.
func referenceCodec(name string) (compress.Codec, bool) {
	for _, c := range reference.Codecs() {
		if c.Name == name {
			return c, true
		}
	}
	return compress.Codec{}, false
}

// leveled reports whether a codec's bits are those of a level.
func leveled(name string) bool {
	c, ok := referenceCodec(name)
	return ok && (c.ID == reference.QSGD || c.ID == reference.QSGDMax)
}

// biased reports whether the mean of many contributions keeps the codec's error.
func biased(name string) bool {
	c, ok := referenceCodec(name)
	return name == protocol.CodecDeadzone.String() || ok && !c.Unbiased
}

// fedBack reports whether what the codec loses can be fed back.
func fedBack(name string) bool {
	_, ok := referenceCodec(name)
	return ok || rated(name)
}

// Extra returns the codecs of the task that every build lacks.
func (c Compress) Extra() compress.Extra {
	if k, ok := referenceCodec(c.Up.Codec); ok {
		return compress.Extra{k}
	}
	return nil
}

var downCodecs = []string{"float32", "float32-planes", "float16", "grid"}

func (d *decoder) compress(c Compress, s strategy.Config) {
	support := d.schemes.Packing(s)
	_, err := reference.Codecs().Named(c.Up.Codec)
	if d.want(c.Up.Codec == "" || err == nil, "compress.up.codec", quoted(c.Up.Codec), upCodecs()+alsoSimulated+strings.Join(reference.Codecs().Names(), ", ")) {
		d.want(c.Up.Codec == "" || support.Lossy || lossless(c.Up.Codec), "compress.up.codec", quoted(c.Up.Codec),
			"float32 or float32-planes, because "+s.Kind+" needs exact models")
		d.want(!biased(c.Up.Codec) || support.Biased || !support.Lossy, "compress.up.codec", quoted(c.Up.Codec),
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
			d.want(!leveled(c.Up.Codec) || reference.IsLevel(c.Up.Bits), "compress.up.bits", c.Up.Bits,
				fmt.Sprintf("a whole number of %d to %d, because with codec %s they are those of a level and its sign", reference.MinLevel, reference.MaxLevel, c.Up.Codec))
		}
	}
	d.want(slices.Contains([]string{"", "on", "off", "auto"}, c.Up.Feedback), "compress.up.feedback", quoted(c.Up.Feedback), `"on", "off" or "auto"`)
	d.want(c.Up.Feedback != "on" || c.Up.Codec == "" && support.Default || fedBack(c.Up.Codec), "compress.up.feedback", quoted(c.Up.Feedback), "off without a codec that loses something at a rate (deadzone, dither; in simulations topk, ternary, signsgd and qsgd too)")
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

// alsoSimulated comes before what only a simulation takes.
const alsoSimulated = "; in simulations also "

// upCodecs lists the codecs of contributions that every run has.
func upCodecs() string {
	var names []string
	for _, id := range compress.Standalone() {
		names = append(names, id.String())
	}
	return "one of " + strings.Join(names, ", ")
}

func lossless(name string) bool {
	c, err := reference.Codecs().Named(name)
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
		codec, err := reference.Codecs().Named(name)
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
	}
	p.Feedback = c.Up.Feedback == "on"
	return p
}
