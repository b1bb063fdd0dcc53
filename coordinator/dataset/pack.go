package dataset

import (
	"bytes"
	"crypto/sha256"
	"runtime"
	"runtime/debug"
	"sync"

	"fedtab/learn/data"

	"github.com/klauspost/compress/gzip"
)

// Pack encodes the shards for serving: each in the shard format, compressed with
// gzip. It sets Packed and Hash and releases the training examples (Train keeps its
// labels and its shape): MNIST then takes 10 MB instead of 47. A packed Dataset
// cannot be simulated. Of own data there is nothing to pack.
func (d *Dataset) Pack() {
	if d.Own != nil {
		return
	}
	d.Packed = make([][]byte, len(d.Shards))
	hashes := make([][sha256.Size]byte, len(d.Shards))
	var wait sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			// Level 3 is the fastest that finds more than runs of one value.
			z, err := gzip.NewWriterLevel(nil, 3)
			if err != nil {
				panic(err) // the level exists
			}
			var raw []byte
			var packed bytes.Buffer
			for i := range next {
				raw = data.AppendShard(raw[:0], d.Train, d.Shards[i])
				hashes[i] = sha256.Sum256(raw)
				packed.Reset()
				z.Reset(&packed)
				z.Write(raw) // writes to memory: cannot fail
				z.Close()
				d.Packed[i] = bytes.Clone(packed.Bytes())
			}
		})
	}
	for i := range d.Shards {
		next <- i
	}
	close(next)
	wait.Wait()
	all := sha256.New()
	for i := range hashes {
		all.Write(hashes[i][:])
	}
	all.Sum(d.Hash[:0])
	d.Train.Release()
	debug.FreeOSMemory()
}
