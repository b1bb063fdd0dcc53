package hub

import (
	"time"

	"fedtab/coordinator/quota"
	"fedtab/protocol"

	"golang.org/x/time/rate"
)

// Limits are what the hub allows a peer. DefaultLimits has those of
// docs/protocol.md; tests shorten the times.
type Limits struct {
	Hello time.Duration // from the handshake to the hello
	Ping  time.Duration // between the hub's pings
	Pong  time.Duration // without a frame or a pong from the peer
	Frame time.Duration // from the first byte of a frame to its last
	Write time.Duration // for one frame to leave
	Close time.Duration // for the peer's answer to a close frame
	Drain int64         // bytes that are read after the close frame

	BodyGrace time.Duration // for a body, beside the time that BodyRate gives it
	BodyRate  int64         // bytes per second
	BodyWait  time.Duration // for memory to become free for a body

	Messages rate.Limit // per second, chunks and answers not counted
	Burst    int        // messages
	Answers  int        // messages that answer an order or a fetch; at most Burst together
	Rejected int        // rejected contributions and unknown messages of a session; and its contributions beyond its orders

	Sessions   int // sockets at a time
	PerAddress int // participants at a time of one address, and as many sockets more until their hello; 0 sets no bound

	Handshakes     rate.Limit // a second from one address; 0 sets no bound
	HandshakeBurst int
	Models         rate.Limit // versions asked for beside orders, a second from one address; 0 sets no bound
	ModelBurst     int
	ModelWait      time.Duration // for the turn of an address
	Addresses      quota.Addresses
}

// DefaultLimits returns the limits of production.
func DefaultLimits() Limits {
	return Limits{
		Hello: protocol.HelloTimeout, Ping: protocol.PingInterval, Pong: protocol.PongTimeout,
		Frame: protocol.FrameTimeout, Write: protocol.WriteTimeout, Close: protocol.CloseTimeout, Drain: protocol.MaxDrain,
		BodyGrace: protocol.BodyGrace, BodyRate: protocol.MinBodyRate, BodyWait: protocol.BodyGrace,
		Messages: protocol.MaxMessageRate, Burst: protocol.MessageBurst, Answers: protocol.MessagesPerOrder, Rejected: protocol.MaxRejected,
		Sessions: protocol.MaxSessions, PerAddress: protocol.MaxPerAddress,
		Handshakes: protocol.MaxHandshakeRate, HandshakeBurst: protocol.HandshakeBurst,
		Models: protocol.MaxModelRate, ModelBurst: protocol.ModelBurst, ModelWait: protocol.BodyGrace,
	}
}

// Allow allows n participants at a time from one address, and what as many cause
// beside their sessions; 0 sets no bound.
func (l *Limits) Allow(n int) {
	share := float64(n) / protocol.MaxPerAddress
	l.PerAddress = n
	l.Handshakes, l.HandshakeBurst = rate.Limit(share*protocol.MaxHandshakeRate), quota.Scaled(protocol.HandshakeBurst, share)
	l.Models, l.ModelBurst = rate.Limit(share*protocol.MaxModelRate), quota.Scaled(protocol.ModelBurst, share)
}

// bodyTime is how long a body of the given size may take.
func (l *Limits) bodyTime(size int64) time.Duration {
	return l.BodyGrace + time.Duration(float64(size)/float64(l.BodyRate)*float64(time.Second))
}
