package link

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"sync"

	"fedtab/protocol"
	"fedtab/run"
	"fedtab/strategy"
)

// kind says what a record is. U and D say whether it goes up, to the owner, or down.
type kind uint8

const (
	kindJoin     kind = iota + 1 // U: Hello in Frames, Person, ID the resumed participant, Text the address, Entries
	kindJoined                   // D: ID the participant, 0 if it was refused
	kindMessage                  // U: a message in Frames, Entries
	kindBook                     // U: Entries
	kindAsk                      // U: Contribution that is announced: is it wanted?
	kindWanted                   // D: OK
	kindOffer                    // U: Offer, ID the handle of its vectors at the edge; OK: it is kept there as it came
	kindWhole                    // U: Contribution with its blocks
	kindLeave                    // U: ID the run.Parting
	kindRevoke                   // U
	kindRevoked                  // D
	kindSend                     // D: a message in Frames
	kindDefine                   // D: a message in Frames that several seats get, under ID
	kindShared                   // D: message ID for Seats
	kindUndefine                 // D: message ID is no longer sent
	kindClose                    // D: Reason the close code, Text
	kindFault                    // D
	kindAdd                      // D: the vectors of handle ID go into the sums of Attempt, made for Bound, Scale times, and count Weight
	kindDrop                     // D: nothing of handle ID is needed
	kindFetch                    // D: handle ID is wanted as it came
	kindFetched                  // U: Values of handle ID, or Text
	kindGather                   // D: the sums of Attempt are wanted
	kindSums                     // U: Frames, the sums of Attempt
	kindForget                   // D: the sums of Attempt are not needed
	kindUpdate                   // D: Update
	kindInquire                  // U: ID of a question: State and Present
	kindStands                   // D: the answer: State, Present
)

// record is what travels. Its kind says which fields it has.
type record struct {
	Kind         kind
	Seat         uint64
	ID           uint64
	Person       strategy.Person
	Seats        []uint64
	Frames       [][]byte
	Entries      []run.Entry
	Contribution *protocol.Contribution
	Offer        *run.Described
	Values       [][]float32
	OK           bool
	Reason       uint32
	Text         string
	Attempt      uint64
	Bound        float64
	Scale        float64
	Weight       float64
	Update       *run.Update
	State        *run.State
	Present      []run.Present
}

// maxQueue bounds the bytes that wait to be sent: a link that is that far behind ends.
const maxQueue = 512 << 20

// errSlow ends a link whose other side does not take what it is sent.
var errSlow = fmt.Errorf("link: more than %d MiB wait to be sent", maxQueue>>20)

// errEnded is what calls get after the link has ended.
var errEnded = errors.New("link: it has ended")

// pipe sends and receives records over a stream.
type pipe struct {
	stream io.ReadWriteCloser
	done   chan struct{} // closed when the pipe ends
	wake   chan struct{}

	mu     sync.Mutex
	queue  []*record
	queued int // bytes, roughly
	err    error
}

func newPipe(stream io.ReadWriteCloser) *pipe {
	p := &pipe{stream: stream, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	go p.write()
	return p
}

// size is roughly what a record takes.
func (r *record) size() int {
	n := 64
	for _, f := range r.Frames {
		n += len(f)
	}
	for _, v := range r.Values {
		n += 4 * len(v)
	}
	if r.Contribution != nil {
		for i := range r.Contribution.Vectors {
			n += len(r.Contribution.Vectors[i].Block)
		}
	}
	return n
}

// send queues a record. It never blocks.
func (p *pipe) send(r *record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return
	}
	if n := len(p.queue); r.Kind == kindShared && n > 0 && p.queue[n-1].Kind == kindShared && p.queue[n-1].ID == r.ID {
		p.queue[n-1].Seats = append(p.queue[n-1].Seats, r.Seats...)
		return
	}
	p.queue = append(p.queue, r)
	if p.queued += r.size(); p.queued > maxQueue {
		p.fail(errSlow)
		return
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// fail ends the pipe; p.mu is held.
func (p *pipe) fail(err error) {
	if p.err == nil {
		p.err = err
		p.queue = nil
		close(p.done)
		go p.stream.Close()
	}
}

// end ends the pipe, for the first reason that is given.
func (p *pipe) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail(err)
}

// reason is why the pipe has ended.
func (p *pipe) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// write sends what is queued, and flushes when nothing more is.
func (p *pipe) write() {
	buffered := bufio.NewWriterSize(p.stream, 64<<10)
	encoder := gob.NewEncoder(buffered)
	for {
		p.mu.Lock()
		batch := p.queue
		p.queue, p.queued = nil, 0
		p.mu.Unlock()
		for _, r := range batch {
			if err := encoder.Encode(r); err != nil {
				p.end(fmt.Errorf("link: send: %w", err))
				return
			}
		}
		if len(batch) > 0 {
			continue
		}
		if err := buffered.Flush(); err != nil {
			p.end(fmt.Errorf("link: send: %w", err))
			return
		}
		select {
		case <-p.wake:
		case <-p.done:
			return
		}
	}
}

// read calls take with each record, until the pipe ends; it returns why.
func (p *pipe) read(take func(*record) error) error {
	decoder := gob.NewDecoder(bufio.NewReaderSize(p.stream, 64<<10))
	for {
		r := &record{}
		err := decoder.Decode(r)
		if err == nil {
			err = take(r)
		} else {
			err = fmt.Errorf("link: receive: %w", err)
		}
		if err != nil {
			p.end(err)
			return p.reason()
		}
	}
}

// message puts a message together from its frames.
func message(frames [][]byte) (protocol.Message, error) {
	if len(frames) == 0 {
		return nil, errors.New("link: a message without frames")
	}
	m, err := protocol.Decode(frames[0])
	if err != nil || len(frames) == 1 {
		return m, err
	}
	var a protocol.Assembler
	if err := a.Start(m, int64(protocol.Announced(m)), nil); err != nil {
		return nil, err
	}
	for _, f := range frames[1:] {
		c, err := protocol.Decode(f)
		if err != nil {
			return nil, err
		}
		chunk, ok := c.(*protocol.Chunk)
		if !ok {
			return nil, fmt.Errorf("link: %T within a body", c)
		}
		if m, err = a.Add(chunk); err != nil {
			return nil, err
		}
	}
	if m == nil || a.Open() {
		return nil, errors.New("link: a body that breaks off")
	}
	return m, nil
}

// header returns a contribution without its blocks, whose sizes it announces.
func header(c *protocol.Contribution) *protocol.Contribution {
	h := *c
	h.Vectors = make([]protocol.Vector, len(c.Vectors))
	for i, v := range c.Vectors {
		v.Size += uint64(len(v.Block))
		v.Block = nil
		h.Vectors[i] = v
	}
	return &h
}
