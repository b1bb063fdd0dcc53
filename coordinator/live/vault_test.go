package live

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"fedtab/compress"
	"fedtab/protocol"
)

// What the vault holds comes out as it went in, from memory or from the file, which
// leaves nothing in the directory.
func TestVault(t *testing.T) {
	const n = 1000
	dir := t.TempDir()
	v := NewVault(dir, 5000) // one raw contribution
	defer v.Close()
	k := NewChecker(n, 1, 1, nil)
	k.KeepIn(v)
	type kept struct {
		want []float32
		p    interface {
			Unpack() ([][]float32, func(), error)
			Drop()
		}
	}
	var all []kept
	for i := range 6 {
		values := make([]float32, n)
		for j := range values {
			values[j] = rand.Float32() - .5
		}
		c := &protocol.Contribution{Order: uint64(i), Weight: 1, Vectors: []protocol.Vector{{Role: protocol.RoleDelta, Block: compress.AppendFloat32(nil, values)}}}
		if i%2 == 1 {
			d, err := compress.Lookup(protocol.CodecDither)
			if err != nil {
				t.Fatal(err)
			}
			block, err := d.NewEncoder(compress.Flat(n)).Append(nil, values, compress.Options{Bits: 2, Seed: compress.DitherSeed(1, 7, uint64(i), 0)})
			if err != nil {
				t.Fatal(err)
			}
			c.Vectors[0].Codec, c.Vectors[0].Block = protocol.CodecDither, block
		}
		o := k.Check(7, c, nil)
		if o.Packed == nil {
			t.Fatalf("contribution %d is not kept: %v %s", i, o.Reason, o.Detail)
		}
		all = append(all, kept{slices.Clone(o.Vectors[0]), o.Packed})
		o.Packed = nil // the run's
		o.Release()
	}
	if v.inFile == 0 || v.used == 0 || v.used > 5000 {
		t.Errorf("%d in the file, %d bytes in memory; want some of each", v.inFile, v.used)
	}
	for i, a := range all {
		got, release, err := a.p.Unpack()
		if err != nil || !slices.Equal(got[0], a.want) {
			t.Errorf("contribution %d comes out otherwise (%v)", i, err)
		}
		release()
		a.p.Drop()
	}
	if v.inFile != 0 || v.used != 0 || v.end != 0 {
		t.Errorf("%d in the file, %d bytes in memory, end at %d; want nothing", v.inFile, v.used, v.end)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("files %v in the directory (%v)", files, err)
	}
}

// A contribution that finds no room on disk is accepted all the same, and not kept.
func TestVaultWithoutRoom(t *testing.T) {
	k := NewChecker(10, 1, 1, nil)
	k.KeepIn(NewVault("/nonexistent", 0))
	o := k.Check(1, &protocol.Contribution{Weight: 1, Vectors: []protocol.Vector{{Role: protocol.RoleDelta, Block: make([]byte, 40)}}}, nil)
	if o.Reason != protocol.ReasonAccepted || o.Packed != nil {
		t.Errorf("%v, kept: %v", o.Reason, o.Packed != nil)
	}
	o.Release()
}
