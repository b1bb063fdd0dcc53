package hub

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

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

	BodyGrace time.Duration // for a body, beside the time that BodyRate gives it
	BodyRate  int64         // bytes per second
	BodyWait  time.Duration // for memory to become free for a body

	Messages rate.Limit // per second, chunks not counted
	Burst    int        // messages
	Rejected int        // refused contributions and unknown messages of a session

	Sessions   int // at a time
	PerAddress int // at a time from one address; 0 allows any number
}

// DefaultLimits returns the limits of production.
func DefaultLimits() Limits {
	return Limits{
		Hello: protocol.HelloTimeout, Ping: protocol.PingInterval, Pong: protocol.PongTimeout,
		Frame: protocol.FrameTimeout, Write: protocol.WriteTimeout, Close: protocol.CloseTimeout,
		BodyGrace: protocol.BodyGrace, BodyRate: protocol.MinBodyRate, BodyWait: protocol.BodyGrace,
		Messages: protocol.MaxMessageRate, Burst: protocol.MessageBurst, Rejected: protocol.MaxRejected,
		Sessions: protocol.MaxSessions, PerAddress: protocol.MaxPerAddress,
	}
}

// bodyTime is how long a body of so many bytes may take.
func (l *Limits) bodyTime(size int64) time.Duration {
	return l.BodyGrace + time.Duration(float64(size)/float64(l.BodyRate)*float64(time.Second))
}

// Why a handshake is refused.
var (
	errFull    = errors.New("too many participants here, try again later")
	errAddress = errors.New("too many connections from your address")
)

// address returns whom a handshake is counted for. A proxy on this machine
// says whom it speaks for in X-Forwarded-For, whose last entry is its own; from
// elsewhere the header would be the client's word. Programs on this machine are
// not counted, and the address is empty.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return host
	}
	forwarded := r.Header.Values("X-Forwarded-For")
	if len(forwarded) == 0 {
		return ""
	}
	list := forwarded[len(forwarded)-1]
	return strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
}
