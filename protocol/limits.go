package protocol

import (
	"time"
	"unicode/utf8"
)

// Sizes of frames and bodies, in bytes. The payload of a binary WebSocket
// message is a frame.
const (
	// ChunkSize is the most data that one Chunk carries. A chunk of this size
	// holds up a ping or a progress message behind it for half a second on a
	// line of 1 Mbit/s, and its header is 0.05% of it.
	ChunkSize = 64 << 10

	// MinChunk is the least data that a Chunk carries, unless it is the last
	// of its body: it bounds the frames that a body can be cut into.
	MinChunk = 1 << 10

	// InlineBody is the largest body that travels inside its Model or
	// Contribution, without chunks: 64 KiB less 4 KiB, so that with the usual
	// few vectors the frame is not larger than a chunk's.
	InlineBody = 60 << 10

	// MaxFrame is the largest frame. It holds a full chunk, and InlineBody
	// with MaxVectors vector headers of at most 84 bytes, MaxPayloads of them
	// with a name and a count.
	MaxFrame = 84 << 10

	// MaxFragments is the most WebSocket frames that one message may be cut
	// into. Browsers cut a message above 64 KiB into a few pieces.
	MaxFragments = 64
)

// Sizes of fields.
const (
	HashSize  = 32      // bytes of a SHA-256; every hash field has this size or is empty
	MaxText   = 1 << 10 // bytes of a text for people, and of Shards.Source: a paragraph
	MaxName   = 128     // bytes of Hello.Protocol, Hello.Task and Welcome.Run: fits a log line and a path
	MaxToken  = 256     // bytes of a resume token: identity, time and an HMAC with room to spare
	MaxCodecs = 64      // codecs in a Hello: more than will ever be defined

	// MaxVectors is the most vectors in a body: a delta and a control variate
	// need 2, a tab that trains Radon base models one for each of them.
	MaxVectors = 256

	// MaxPayloads is the max number of payloads that an order declares.
	MaxPayloads = 16

	// MaxCount is the max number of integers in a payload: one for each
	// parameter of the largest model, and as many to spare.
	MaxCount = 2 * MaxParameters

	// MaxShards is the most shards that one participant is given: with 100
	// and more examples each, more than a tab can hold.
	MaxShards = 4096

	// MaxDimensions is the most dimensions of an example: time, height,
	// width, channels, and as many to spare.
	MaxDimensions = 8

	// MaxLayers, MaxUnits and MaxParameters bound a model to what a tab can
	// train: the most layers, the most numbers in an example and units in a
	// layer, and the most parameters, 64 MiB of float32 of which a tab needs
	// several copies. Package learn has the same bounds.
	MaxLayers     = 64
	MaxUnits      = 1 << 16
	MaxParameters = 1 << 24

	// MaxUnknown is the most unknown fields that are skipped in one message.
	// A newer peer adds a few; more is an attempt to waste time.
	MaxUnknown = 64

	// BlockOverhead is how much a packed block may exceed raw float32: room
	// for a codec's header and tables on values that do not compress.
	BlockOverhead = 4 << 10

	// MaxBlock is the largest block of any model.
	MaxBlock = 4*MaxParameters + BlockOverhead
)

// Bounds of what a contribution claims. With the most participants of a
// round they bound the sums of the accumulator below 2^62, which is checked
// when a task is loaded.
const (
	// MaxWeight is the most examples that one contribution may claim: a
	// thousand times MNIST.
	MaxWeight = 1 << 26

	// MaxDelta is the largest absolute value in a delta, gradient sum over
	// weight, or control variate. Weights of a trained network stay below 10;
	// a step of 64 has diverged.
	MaxDelta = 64
)

// Times. The package has no clock: whoever owns the socket keeps them.
const (
	// HelloTimeout is how long a new socket may stay silent before its Hello:
	// a phone on a bad line needs a few seconds, a port scanner for ever.
	HelloTimeout = 10 * time.Second

	// PingInterval is the time between the coordinator's WebSocket pings.
	// Close frames of a vanishing tab are unreliable, so that pings are what
	// finds it; proxies drop sockets that are silent for 30 to 60 seconds.
	PingInterval = 10 * time.Second

	// PongTimeout is how long nothing at all may come from a client before
	// its socket is closed with CloseNoPong: two pings and a slow line.
	PongTimeout = 25 * time.Second

	// WriteTimeout is how long one frame may take to leave: a chunk at 50
	// kbit/s.
	WriteTimeout = 10 * time.Second

	// FrameTimeout is how long one frame may take to arrive, from its first
	// byte: a chunk at 35 kbit/s. Pongs in between do not extend it.
	FrameTimeout = 20 * time.Second

	// A body may take BodyGrace and the time that MinBodyRate, in bytes per
	// second, gives it: it occupies memory of the coordinator. 8 KiB/s is a
	// bad mobile line; raw updates of MNIST's 2NN then have 117 seconds.
	BodyGrace   = 20 * time.Second
	MinBodyRate = 8 << 10

	// CloseTimeout is how long the sender of a close frame waits for the
	// answer before it drops the connection.
	CloseTimeout = 2 * time.Second

	// MaxDrain is how many bytes are read and dropped after a close frame, so that
	// it is not lost in a reset: a raw body of MNIST's 2NN.
	MaxDrain = 1 << 20

	// ReconnectMin and ReconnectMax bound the pause before a client comes
	// back: it doubles from one to the other, each time drawn evenly from its
	// upper half, so that a crowd does not come back in one moment.
	ReconnectMin = 500 * time.Millisecond
	ReconnectMax = 30 * time.Second
)

// Queues and rates of one session.
const (
	// SendQueue is how many small frames may wait for a client before it is
	// closed with CloseSlow: several rounds' worth of messages.
	SendQueue = 64

	// SendQueueBytes is how many bytes of small frames may wait. Frames of a
	// model are shared between clients and are not counted here.
	SendQueueBytes = 256 << 10

	// MaxMessageRate is how many messages per second a client may send on
	// average, chunks not counted, and MessageBurst how many at once. A client
	// sends about 4 per order.
	MaxMessageRate = 20
	MessageBurst   = 100

	// MaxRejected is how many contributions or unknown messages of one
	// session are answered before it is closed with CloseAbuse.
	MaxRejected = 32

	// MaxSessions is how many sockets a coordinator holds, at 24 KiB each, and
	// MaxPerAddress how many of them from one address: two schools behind one
	// router. Programs on the coordinator's own machine are not counted.
	MaxSessions   = 12_000
	MaxPerAddress = 64

	// MaxBodies is how much memory the bodies that are on their way may take
	// together, 20 raw updates of MNIST's 2NN. Others wait their turn.
	MaxBodies = 16 << 20
)

// MaxBody returns the most bytes that a body of so many vectors, each of so
// many parameters, may have. It is what a receiver passes to Assembler.Start.
// The figures are first cut down to MaxParameters and MaxVectors.
func MaxBody(parameters uint64, vectors int) int64 {
	parameters = min(parameters, MaxParameters)
	vectors = min(max(vectors, 0), MaxVectors)
	return int64(vectors) * (4*int64(parameters) + BlockOverhead)
}

// ClipText returns s as it may stand in a text field: valid UTF-8, where
// every broken byte has become a question mark, of at most MaxText bytes,
// cut between characters.
func ClipText(s string) string {
	if len(s) > MaxText {
		n := MaxText
		for n > MaxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	if utf8.ValidString(s) {
		return s
	}
	b := make([]byte, 0, len(s))
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			b = append(b, '?')
		} else {
			b = append(b, s[:n]...)
		}
		s = s[n:]
	}
	return string(b)
}
