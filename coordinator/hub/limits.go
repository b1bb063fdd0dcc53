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

	Messages rate.Limit // per second, chunks not counted
	Burst    int        // messages
	Rejected int        // rejected contributions and unknown messages of a session; and its contributions beyond its orders

	Sessions   int // at a time
	PerAddress int // at a time from one address; 0 sets no bound

	Handshakes     rate.Limit // a second from one address; 0 sets no bound
	HandshakeBurst int
	Addresses      quota.Addresses
}

// DefaultLimits returns the limits of production.
func DefaultLimits() Limits {
	return Limits{
		Hello: protocol.HelloTimeout, Ping: protocol.PingInterval, Pong: protocol.PongTimeout,
		Frame: protocol.FrameTimeout, Write: protocol.WriteTimeout, Close: protocol.CloseTimeout, Drain: protocol.MaxDrain,
		BodyGrace: protocol.BodyGrace, BodyRate: protocol.MinBodyRate, BodyWait: protocol.BodyGrace,
		Messages: protocol.MaxMessageRate, Burst: protocol.MessageBurst, Rejected: protocol.MaxRejected,
		Sessions: protocol.MaxSessions, PerAddress: protocol.MaxPerAddress,
		Handshakes: protocol.MaxHandshakeRate, HandshakeBurst: protocol.HandshakeBurst,
	}
}

// bodyTime is how long a body of the given size may take.
func (l *Limits) bodyTime(size int64) time.Duration {
	return l.BodyGrace + time.Duration(float64(size)/float64(l.BodyRate)*float64(time.Second))
}
