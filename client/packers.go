package client

import (
	"sync"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/protocol"
)

// Packers is memory that a client needs only while it packs. A tab has some of its
// own; in a simulation thousands of clients share it, and there is as much of it
// as there are clients that pack at the same time.
type Packers struct {
	Codecs compress.Extra // that the clients have beside those of this build; set before they are made

	mu   sync.Mutex
	free []*packer
}

// packer is a codec and its buffers, for vectors of one size.
type packer struct {
	size  int
	codec protocol.Codec
	enc   compress.Encoder
	dec   compress.Decoder
}

// take returns a packer, which is to be given back.
func (l *Packers) take(layout learn.Layout, codec protocol.Codec) (*packer, error) {
	l.mu.Lock()
	for i, p := range l.free {
		if p.codec == codec && p.size == layout.Size {
			last := len(l.free) - 1
			l.free[i] = l.free[last]
			l.free = l.free[:last]
			l.mu.Unlock()
			return p, nil
		}
	}
	l.mu.Unlock()
	k, err := l.Codecs.Lookup(codec)
	if err != nil {
		return nil, err
	}
	return &packer{layout.Size, codec, k.NewEncoder(compress.TensorsOf(layout)), k.NewDecoder()}, nil
}

// has reports whether answers can be packed by a codec.
func (l *Packers) has(codec protocol.Codec) bool {
	_, err := l.Codecs.Lookup(codec)
	return err == nil
}

func (l *Packers) put(p *packer) {
	l.mu.Lock()
	l.free = append(l.free, p)
	l.mu.Unlock()
}
