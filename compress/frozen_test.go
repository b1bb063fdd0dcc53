package compress

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"fedtab/protocol"
)

// makeFiles is for a block that is new: files that are there stay as they are.
var makeFiles = flag.Bool("update", false, "make the files that testdata/blocks lacks")

// frozen is what sha256sum says of testdata/blocks. A new block adds its
// line; no other line changes while protocol v1 lasts.
const frozen = `
403a5482970906b27367f47c6b766943a5bcc3994598f1b3d63daba7c7f82789  deadzone-0.3.txt
5bfca02a929ded7d2f13dc103f187dfc2016169c6b1551a6324bb11defad69e7  deadzone-1.txt
4d4041a843c14529b31c51d848085b42d16939e3a456993bbaa28fa8c02a484f  deadzone-4.txt
8f9643fc55af9a0e28c63b7737f69d4a2f266716a2fdbd01bc67b5e83f0d9681  deadzone-tables.txt
eb8bcd4b2faf7d76d21fe8fd2cdd2c498307b2a59c088f46e72880eb3ebf4594  deadzone-zeros.txt
5f42fbc3b4d2eb7f7dc84bbd39c4688e50d93a708026b0f50a4238a21646eaf1  dither.txt
30706878ebcb002ca225ec240b280c8738b663c8f7168ad4530ad6eb61405ee7  float16.txt
e97f5040964f765e49db9f33c79594999f260a995ec91f8997179d11b789ebe7  float32-planes-rows.txt
4e6ecb424bccb6422af0915ce3e48ca8a13eb60e0e1aed53cb4ef1d4df12114e  float32-planes.txt
0a43420d4020fcb74d02ee36b75f2c58b3008b65c960a20567326b2cd7ba27e1  float32.txt
fa0c2d10ad85f8e6ec17b5d10a629452c03826494fe28ff218c326f4ac825ead  grid-halved.txt
4e8c8e0289327abd0ef049cbf575ce59fd55a9318a64c2fe64902f0ca8eabaec  grid-held.txt
e79d862f8ecb2b9a18e284758daa64e9ac63b21f1c8a2f01f440176faef7f6e8  grid-wide.txt
538c0017d26378215fbcde52b3e488e950a4c1207ab10c9f62937b2604acae33  grid.txt
`

// blocks are those of testdata/blocks, by file name. Every build must read them
// as the files say, bit for bit, because other builds write such blocks and trust
// that they are read so. Encoding is not pinned: which block is made of a vector
// is the encoder's affair, and make is only what each was once made with.
var blocks = []struct {
	name string
	note string
	make func(*testing.T) string
}{
	{"deadzone-zeros", "Nothing but zeros: no class, no stream.", packedBy(protocol.CodecDeadzone, Options{Bits: 1}, make([]float32, 300))},
	{"deadzone-0.3", "Rows from silent to loud, at .3 bits for a parameter and the header.", packedBy(protocol.CodecDeadzone, Options{Bits: .3}, rows(1600))},
	{"deadzone-1", "The same at 1 bit.", packedBy(protocol.CodecDeadzone, Options{Bits: 1}, rows(800))},
	{"deadzone-4", "The same at 4 bits.", packedBy(protocol.CodecDeadzone, Options{Bits: 4}, rows(350))},
	{"deadzone-tables", "Eight classes with tables of 2^5 to 2^12, wide symbols, shifts up and down, short segments.", handmadeTables},
	{"dither", "Rows of which some are read with the dither and some without.",
		packedBy(protocol.CodecDither, Options{Bits: 1, Seed: 0xfedcba9876543210}, rows(350))},
	{"float16", "Ends of the range, both zeros, ties, and what is rounded to 0.", packedBy(protocol.CodecFloat16, Options{}, halfExtremes())},
	{"float32", "Ends of the range, both zeros, and what lies between.", packedBy(protocol.CodecFloat32, Options{}, extremes())},
	{"float32-planes", "The same.", packedBy(protocol.CodecPlanes, Options{}, extremes())},
	{"float32-planes-rows", "Rows from silent to loud, in two classes.", packedBy(protocol.CodecPlanes, Options{}, rows(130))},
	{"grid", "From version 0.", stepped(0, 9, 0)},
	{"grid-held", "From a version held.", stepped(9, 9, 0)},
	{"grid-halved", "From a version since which the step was halved three times.", stepped(9, 9, 3)},
	{"grid-wide", "From a version held, with levels up to the largest.", stepped(MaxLevel, MaxLevel, 0)},
}

// rows returns n values in rows of 64, of which some are zero and others large;
// the last value is an outlier.
func rows(n int) []float32 {
	r := rand.New(rand.NewPCG(11, 12))
	v := make([]float32, n)
	for i := range v {
		if k := i / 64 % 9; k != 1 {
			v[i] = float32(r.NormFloat64() * math.Exp2(float64(k-12)))
		}
	}
	v[n-1] = -2
	return v
}

func extremes() []float32 {
	v := []float32{0, float32(math.Copysign(0, -1)), math.MaxFloat32, -math.MaxFloat32, 1e-40, .1, 0, 0}
	for e := -149; e < 128; e += 13 {
		x := float32(math.Ldexp(1, e))
		v = append(v, x, -x*1.5)
	}
	return v
}

func halfExtremes() []float32 {
	v := []float32{0, float32(math.Copysign(0, -1)), 65504, -65519, 1 + 1./2048, 1 + 3./2048, -.1, 1. / 3, 1e-8, 1000.3}
	for e := -26; e < 16; e++ {
		v = append(v, float32(math.Ldexp(1.2345, e)))
	}
	return v
}

// packedBy says what a file has of the block that a codec makes of v.
func packedBy(id protocol.Codec, o Options, v []float32) func(*testing.T) string {
	return func(t *testing.T) string {
		c := lookup(t, id)
		layout := Flat(len(v))
		if len(v) > 100 { // in parts, each with a shorter segment at its end
			layout = []Tensor{{Size: len(v) - 31, Row: 64}, {Size: 30, Row: 20}, {Size: 1}}
		}
		block, err := c.NewEncoder(layout).Append(nil, v, o)
		if err != nil {
			t.Fatal(err)
		}
		return decoded(t, c, block, len(v), o)
	}
}

// decoded says what a file has of a block.
func decoded(t *testing.T, c Codec, block []byte, n int, o Options) string {
	v := make([]float32, n)
	if err := DecodeWith(c.NewDecoder(), v, block, o); err != nil {
		t.Fatal(err)
	}
	text := "codec " + c.Name + "\n\n"
	if c.Seeded {
		text += fmt.Sprintf("seed %#x\n\n", o.Seed)
	}
	return text + octets("block", block) + floats("values", v)
}

// stepped says what a file has of the difference between two versions: the one
// held, whose levels are below held (0: version 0), and the one to which the
// levels move, after some halvings of the step, by less than moved.
func stepped(held, moved int32, halvings int) func(*testing.T) string {
	return func(t *testing.T) string {
		const n, step = 90, .0123
		r := rand.New(rand.NewPCG(13, 14))
		base, p, v := make([]float32, n), make([]float32, n), make([]float32, n)
		from, to := make([]int32, n), make([]int32, n)
		for i := range base {
			base[i] = float32(r.NormFloat64())
			scale := math.Exp2(float64(-i / 13))
			from[i] = int32(scale * float64(held) * (2*r.Float64() - 1))
			to[i] = from[i]<<halvings + int32(scale*float64(moved)*(2*r.Float64()-1))
			to[i] = min(max(to[i], -MaxLevel+1), MaxLevel-1)
		}
		if moved == MaxLevel {
			from[0], to[0] = MaxLevel-1, -MaxLevel+1
		}
		g, err := NewGrid(Flat(n), base)
		if err != nil {
			t.Fatal(err)
		}
		block, err := g.Append(nil, from, to, step, halvings)
		if err != nil {
			t.Fatal(err)
		}
		g.Points(p, from, float32(step*math.Exp2(float64(halvings))))
		g.Points(v, to, step)
		text := "codec grid\n\n" + floats("base", base)
		if held > 0 {
			text += floats("held", p)
		}
		return text + octets("block", block) + floats("values", v)
	}
}

// handmadeTables says what a file has of a block whose tables are handmade.
func handmadeTables(t *testing.T) string {
	var tables []table
	for i, last := range []int{9, 25, 63, 90, 127, 127, 127, 127} {
		tables = append(tables, falling(uint(minTableLog+i), last))
	}
	r := rand.New(rand.NewPCG(15, 16))
	block := handmade(r, []part{{183, 20}, {170, 16}}, tables, func(i int) int { return i * 4 % 9 }, nil, 8*shifts)
	return decoded(t, lookup(t, protocol.CodecDeadzone), block, 353, Options{})
}

// octets is a paragraph of a file: bytes in hexadecimal.
func octets(name string, b []byte) string {
	text := name + "\n"
	for line := range slices.Chunk(b, 40) {
		text += fmt.Sprintf("%x\n", line)
	}
	return text + "\n"
}

// floats is a paragraph of a file: the bits of each number, and how often it
// comes if that is more than once.
func floats(name string, v []float32) string {
	text := name
	for i, words := 0, 0; i < len(v); words++ {
		b := math.Float32bits(v[i])
		n := 1
		for i+n < len(v) && math.Float32bits(v[i+n]) == b {
			n++
		}
		i += n
		if words%8 == 0 {
			text += "\n"
		} else {
			text += " "
		}
		text += fmt.Sprintf("%08x", b)
		if n > 1 {
			text += fmt.Sprintf("*%d", n)
		}
	}
	return text + "\n\n"
}

func TestBlocks(t *testing.T) {
	for _, b := range blocks {
		t.Run(b.name, func(t *testing.T) {
			path := filepath.Join("testdata", "blocks", b.name+".txt")
			if _, err := os.Stat(path); *makeFiles && errors.Is(err, fs.ErrNotExist) {
				text := strings.TrimSuffix("# "+b.note+"\n\n"+b.make(t), "\n")
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			f := readBlock(t, path)
			got := make([]float32, len(f.values))
			switch f.codec {
			case "grid":
				copy(got, f.base)
				copy(got, f.held)
				g, err := NewGrid(Flat(len(f.base)), f.base)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := g.Apply(got, f.block); err != nil {
					t.Fatal(err)
				}
			default:
				c, err := Named(f.codec)
				if err != nil {
					t.Fatal(err)
				}
				if err := DecodeWith(c.NewDecoder(), got, f.block, Options{Seed: f.seed}); err != nil {
					t.Fatal(err)
				}
			}
			for i, x := range got {
				if b, want := math.Float32bits(x), math.Float32bits(f.values[i]); b != want {
					t.Fatalf("element %d is %g (%08x), want %g (%08x)", i, x, b, f.values[i], want)
				}
			}
		})
	}
}

func TestBlocksAreFrozen(t *testing.T) {
	paths, err := filepath.Glob("testdata/blocks/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	left := frozen
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("\n%x  %s\n", sha256.Sum256(b), filepath.Base(path))
		if !strings.Contains(left, line) {
			t.Errorf("frozen lacks%s", line)
		}
		left = strings.Replace(left, line, "\n", 1)
	}
	if left != "\n" {
		t.Errorf("no file is, or is any more, as in%s", left)
	}
}

// blockFile is a file of testdata/blocks: a comment, and paragraphs that begin
// with their name.
type blockFile struct {
	codec      string
	seed       uint64
	block      []byte
	base, held []float32 // of grid; from version 0, held is empty
	values     []float32 // what the block decodes to, or the version it leads to
}

func readBlock(t *testing.T, path string) blockFile {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f blockFile
	for paragraph := range strings.SplitSeq(string(text), "\n\n") {
		words := strings.Fields(paragraph)
		name, words := words[0], words[1:]
		var err error
		switch name {
		case "#":
		case "codec":
			f.codec = words[0]
		case "seed":
			f.seed, err = strconv.ParseUint(words[0], 0, 64)
		case "block":
			f.block, err = hex.DecodeString(strings.Join(words, ""))
		case "base":
			f.base, err = parseFloats(words)
		case "held":
			f.held, err = parseFloats(words)
		case "values":
			f.values, err = parseFloats(words)
		default:
			err = errors.New("is unknown")
		}
		if err != nil {
			t.Fatalf("%s: %s: %v", path, name, err)
		}
	}
	if len(f.values) == 0 {
		t.Fatalf("%s: no values", path)
	}
	return f
}

// parseFloats is the inverse of floats.
func parseFloats(words []string) ([]float32, error) {
	var v []float32
	for _, word := range words {
		number, times, repeated := strings.Cut(word, "*")
		b, err := strconv.ParseUint(number, 16, 32)
		n := 1
		if repeated && err == nil {
			n, err = strconv.Atoi(times)
		}
		if err != nil {
			return nil, err
		}
		v = append(v, slices.Repeat([]float32{math.Float32frombits(uint32(b))}, n)...)
	}
	return v, nil
}
