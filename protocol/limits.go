package protocol

import (
	"time"
	"unicode/utf8"
)

// Sizes of frames and bodies, in bytes. The payload of a binary WebSocket
// message is a frame.
const (
	// ChunkSize is the max size of a Chunk's data. A chunk of this size delays a
	// ping or a progress message behind it by half a second at 1 Mbit/s. Its
	// header is 0.05% of it.
	ChunkSize = 64 << 10

	// MinChunk is the min size of a Chunk's data, except in the last chunk of a
	// body. It bounds the number of frames of a body.
	MinChunk = 1 << 10

	// InlineBody is the max size of a body that travels inside its Model or
	// Contribution, without chunks. It is 64 KiB less 4 KiB, so that the frame
	// of a body of few vectors is not larger than a chunk's.
	InlineBody = 60 << 10

	// MaxFrame is the max size of a frame. It holds a full chunk, and InlineBody
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
	MaxToken  = 256     // bytes of a resume token or an invite: identity, time and an HMAC with room to spare
	MaxCodecs = 64      // codecs in a Hello; v1 defines 6

	// MaxVectors is the max number of vectors in a body. A delta and a control
	// variate need 2; Radon base models need one each.
	MaxVectors = 256

	// MaxPayloads is the max number of payloads that an order declares.
	MaxPayloads = 16

	// MaxCount is the max number of integers in a payload: one for each
	// parameter of the largest model, and as many to spare.
	MaxCount = 2 * MaxParameters

	// MaxShards is the most shards that one participant is given: with 100
	// and more examples each, more than a tab can hold.
	MaxShards = 4096

	// MaxDimensions is the max number of dimensions of an example: time, height,
	// width and channels, and 4 to spare.
	MaxDimensions = 8

	// MaxLayers, MaxUnits and MaxParameters bound a model to what a tab can
	// train. MaxUnits bounds the numbers in an example and the units of a layer.
	// MaxParameters is 64 MiB of float32, of which a tab needs several copies.
	// Package learn has the same bounds.
	MaxLayers     = 64
	MaxUnits      = 1 << 16
	MaxParameters = 1 << 24

	// MaxClasses is the max number of class weights: labels are bytes.
	MaxClasses = 256

	// MaxNumbers is the max number of means, and of deviations: 4,096 features and the
	// target.
	MaxNumbers = 4097

	// EnquiryOrders is the number of the first enquiry: orders of kind evaluate and
	// report beside those of the rounds.
	EnquiryOrders = 1 << 48

	// MaxUnknown is the max number of unknown fields that are skipped in one
	// message. A newer peer adds a few.
	MaxUnknown = 64

	// BlockOverhead is the max number of bytes by which a packed block exceeds
	// raw float32: a codec's header and tables, for values that do not compress.
	BlockOverhead = 4 << 10

	// MaxBlock is the max size of a block of any model.
	MaxBlock = 4*MaxParameters + BlockOverhead
)

// Bounds of what a contribution claims. With the max number of participants of
// a round they bound the sums of the accumulator below 2^62, which is checked
// when a task is loaded.
const (
	// MaxWeight is the max weight of one contribution, in examples: a thousand
	// times MNIST.
	MaxWeight = 1 << 26

	// MaxDelta is the max absolute value in a delta, gradient sum over weight, or
	// control variate. Weights of a trained network stay below 10;
	// a step of 64 has diverged.
	MaxDelta = 64
)

// Times. The package has no clock: the owner of the socket enforces them.
const (
	// HelloTimeout is the deadline of the Hello on a new socket. A phone on a
	// bad line needs a few seconds; a port scanner never sends one.
	HelloTimeout = 10 * time.Second

	// PingInterval is the time between the coordinator's WebSocket pings.
	// They detect a tab that is gone, because its close frame is unreliable, and
	// keep proxies from dropping an idle socket after 30 to 60 seconds.
	PingInterval = 10 * time.Second

	// PongTimeout is the max time without any bytes from a client, after which
	// its socket is closed with CloseNoPong: two pings and a slow line.
	PongTimeout = 25 * time.Second

	// WriteTimeout is the max time to write one frame: a chunk at 50 kbit/s.
	WriteTimeout = 10 * time.Second

	// FrameTimeout is the max time to receive one frame, from its first byte: a
	// chunk at 35 kbit/s. Pongs in between do not extend it.
	FrameTimeout = 20 * time.Second

	// The deadline of a body is BodyGrace plus its size over MinBodyRate, in
	// bytes per second, because it occupies memory of the coordinator. 8 KiB/s
	// is a bad mobile line; a raw update of MNIST's 2NN then has 117 seconds. Each
	// chunk has the deadline that a body ending with it would have.
	BodyGrace   = 20 * time.Second
	MinBodyRate = 8 << 10

	// CloseTimeout is the max time that the sender of a close frame waits for
	// the answer before it drops the connection.
	CloseTimeout = 2 * time.Second

	// MaxDrain is the max number of bytes that are read and dropped after a close
	// frame, so that a reset does not lose it: a raw body of MNIST's 2NN.
	MaxDrain = 1 << 20

	// TokenLife is the time after which a resume token expires. A client gets a newer
	// one with each Welcome, and after half of this time in a Status.
	TokenLife = 24 * time.Hour

	// ReconnectMin and ReconnectMax bound the backoff of a client. The span
	// doubles from one to the other; the pause is drawn uniformly from its upper
	// half, so that many clients do not reconnect at the same time.
	ReconnectMin = 500 * time.Millisecond
	ReconnectMax = 30 * time.Second
)

// Queues and rates of one session.
const (
	// SendQueue is the max number of small frames pending for a client, beyond
	// which it is closed with CloseSlow: the messages of several rounds.
	SendQueue = 64

	// SendQueueBytes is the max number of bytes of these frames. Frames of a
	// model are shared between clients and are not counted here.
	SendQueueBytes = 256 << 10

	// MaxMessageRate is the max average rate of a client's messages, per second,
	// without chunks; MessageBurst is the max number at once. What answers the
	// coordinator does not count: MessagesPerOrder for each order and fetch, of which
	// about 4 are used, and MessageBurst of them at most.
	MaxMessageRate   = 20
	MessageBurst     = 100
	MessagesPerOrder = 8

	// MaxRejected is the max number of rejected contributions and unknown
	// messages of one session, beyond which it is closed with CloseAbuse.
	MaxRejected = 32

	// MaxWants is the max number of Wants of a session while one version is the newest.
	// One is enough; each answer is as large as the model.
	MaxWants = 8

	// MaxTakeOvers is the max number of sockets, per minute, that take a participant
	// over from a socket that is open. Further ones are closed with CloseContested.
	MaxTakeOvers = 10

	// MaxSessions is how many sockets a coordinator holds, at 24 KiB each, and
	// MaxPerAddress how many participants of one address: two schools behind one
	// router. An address may have as many sockets more until their Hello, of which those
	// go on that resume a session of the same address. The addresses of one IPv6 network
	// (/64) are one. Programs on the coordinator's own machine are not counted.
	MaxSessions   = 12_000
	MaxPerAddress = 64

	// MaxParticipants is the max number of participants of a run at a time.
	MaxParticipants = 10_000

	// MaxHandshakeRate is the max average rate of handshakes from one address, per
	// second; HandshakeBurst is the max number at once: two classes that open the page,
	// lose it and open it again. Each handshake costs all others a little.
	MaxHandshakeRate = 4
	HandshakeBurst   = 128

	// MaxModelRate is the max average rate of versions that the participants of one
	// address ask for beside their orders, per second; ModelBurst is the max number at
	// once: a class whose browsers make another version 0. More wait for their turn.
	MaxModelRate = .2
	ModelBurst   = 64

	// MaxBodies is the max memory of all bodies of a run that are being received:
	// 20 raw updates of MNIST's 2NN. Further bodies wait. A quarter of it is for the
	// bodies of one address; a run of large models has more, so that a quarter has
	// room for one of its bodies.
	MaxBodies = 16 << 20
)

// Entries of a run's event log that participants cause, beside the acceptance of what was
// ordered: so many at once, and then one in each time. A participant's bound one session,
// an address's those that come back as other participants, a run's all of them, at about
// 100 MB a day.
const (
	ParticipantEvents, ParticipantEventTime = 20, 10 * time.Second
	AddressEvents, AddressEventTime         = 200, time.Second
	RunEvents, RunEventTime                 = 10_000, 200 * time.Millisecond
)

// Limits of HTTP, for one address. They are for MaxPerAddress participants, and grow
// with the number that the organiser allows.
const (
	// MaxConnectionRate is the max average rate of new connections, per second;
	// ConnectionBurst is the max number at once: two classes, with the 7 connections of
	// each browser. More are closed without an answer.
	MaxConnectionRate = 16
	ConnectionBurst   = 1024

	// ConnectionsPerParticipant is the max number of open connections for each
	// participant that the address may have, WebSockets not counted: a browser opens six,
	// and the one that becomes the WebSocket.
	ConnectionsPerParticipant = 8

	// MaxRequestRate is the max average rate of requests, per second; RequestBurst is
	// the max number at once: two classes that open the page, some 20 files, and fetch 20
	// shards each.
	MaxRequestRate = 128
	RequestBurst   = 3072

	// MaxProbeRate is the max average rate of requests for /healthz and /readyz, per
	// second; ProbeBurst is the max number at once. Each asks the owners of the runs.
	MaxProbeRate = 16
	ProbeBurst   = 64

	// MaxDownloadRate is the max average rate of answers, in bytes per second;
	// DownloadBurst is the max size of answers at once, in bytes: two classes that open
	// the page without a cache, at 2 MiB each, and 6 MiB of data.
	MaxDownloadRate = 4 << 20
	DownloadBurst   = 512 << 20
)

// Limits of HTTP, for a coordinator.
const (
	// MaxConnections is the max number of open connections, WebSockets not counted. When
	// there are as many, a new one replaces one of the address that holds the most.
	MaxConnections = MaxSessions

	// MaxRequests is the max number of requests that are answered at one time, event
	// streams included and probes aside: the other connections are left to probes. Those of
	// one address are at most as many as its connections, also where they come through a
	// proxy.
	MaxRequests = 10_000

	// IdleTimeout is the max time between two requests of a connection.
	IdleTimeout = 2 * time.Minute

	// MaxHeader is the max size of a request's headers.
	MaxHeader = 16 << 10

	// MaxStreams is the max number of event streams at one time; those of one address are
	// at most as many as its participants.
	MaxStreams = MaxSessions

	// MaxAdminConnections is the max number of connections to the admin address.
	MaxAdminConnections = 64

	// MaxLoggedAddresses is the max number of addresses about whose refusals and closes
	// the log tells in a minute, once for each reason.
	MaxLoggedAddresses = 100

	// MaxAnswers is the max number of answers at one time that are made for one request,
	// at most 400 kB each; those of one address are at most as many as its participants.
	MaxAnswers = 256

	// MaxModelFiles is the max memory of the model files that are being downloaded;
	// there is room for one of any size.
	MaxModelFiles = 8 << 20

	// MinFileRate is the pace in bytes per second, 1 Mbit/s, at which model files must be
	// read when another one waits for room, beside WriteTimeout. A file that is only read
	// more slowly is given up, and its readers are cut off.
	MinFileRate = 128 << 10

	// MaxUnsent is the max number of bytes that wait in the kernel for one connection,
	// beside those that are on their way.
	MaxUnsent = 128 << 10
)

// MaxBody returns the max size of a body of the given number of vectors of the
// given number of parameters, in bytes. A receiver passes it to Assembler.Start.
// The arguments are first clipped to MaxParameters and MaxVectors.
func MaxBody(parameters uint64, vectors int) int64 {
	parameters = min(parameters, MaxParameters)
	vectors = min(max(vectors, 0), MaxVectors)
	return int64(vectors) * (4*int64(parameters) + BlockOverhead)
}

// ClipText returns s as a valid text field: at most MaxText bytes, cut between
// characters, with a question mark for every byte that is not valid UTF-8.
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
