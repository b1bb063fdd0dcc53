package protocol

import (
	"errors"
	"strconv"
)

// CloseCode is a WebSocket close code. After 4000 to 4499 the client reconnects
// with its resume token after a pause; after 4500 to 4999 it does not reconnect
// until a person acts. Of the standard codes, 1000, 1002, 1003, 1007, 1008,
// 1009 and 1010 mean do not reconnect; all others (1001, 1006, 1011 and so on)
// mean reconnect.
type CloseCode uint16

// CloseNormal: the participant leaves.
const CloseNormal CloseCode = 1000

// The close codes after which a client reconnects.
const (
	CloseShutdown   CloseCode = 4000 // the coordinator is stopping or restarting
	CloseSlow       CloseCode = 4001 // the client reads or sends too slowly
	CloseNoHello    CloseCode = 4002 // no Hello within HelloTimeout
	CloseNoPong     CloseCode = 4003 // no bytes from the client for PongTimeout
	CloseOverloaded CloseCode = 4004 // too many sessions, try again later
	CloseContested  CloseCode = 4005 // too many sockets took this participant over, one after another: try again later
)

// The close codes after which a client does not reconnect.
const (
	CloseProtocolVersion CloseCode = 4500 // reload the page, or update the client
	CloseMalformed       CloseCode = 4501 // bytes that are no message
	CloseUnexpected      CloseCode = 4502 // a message that is not allowed at this point
	CloseTooLarge        CloseCode = 4503 // a frame or a body over its limit
	CloseUnknownTask     CloseCode = 4504
	CloseBadToken        CloseCode = 4505 // the resume token has expired, ended with a leave, or is of another run: join anew
	CloseSuperseded      CloseCode = 4506 // a newer socket uses the same resume token
	CloseFinished        CloseCode = 4507 // the run is over
	CloseCapability      CloseCode = 4508 // the client lacks what the task needs
	CloseAbuse           CloseCode = 4509 // too many rejected messages
	CloseInvite          CloseCode = 4510 // the task needs an invite, and the client has none that it accepts
)

// CloseCodes returns every code that has a name here.
func CloseCodes() []CloseCode {
	all := []CloseCode{CloseNormal}
	for c := CloseShutdown; c <= CloseContested; c++ {
		all = append(all, c)
	}
	for c := CloseProtocolVersion; c <= CloseInvite; c++ {
		all = append(all, c)
	}
	return all
}

// Reconnect reports whether a client whose socket was closed with c reconnects
// without a person's doing, after the pause of Backoff.
func (c CloseCode) Reconnect() bool {
	switch c {
	case 1000, 1002, 1003, 1007, 1008, 1009, 1010:
		return false
	}
	return c < 4500 || c > 4999
}

// Number returns the code in digits.
func (c CloseCode) Number() string { return strconv.FormatUint(uint64(c), 10) }

// String returns the code in words, or "close code 4042" for one that has no
// name here.
func (c CloseCode) String() string {
	switch c {
	case CloseNormal:
		return "normal"
	case CloseShutdown:
		return "shutdown"
	case CloseSlow:
		return "slow"
	case CloseNoHello:
		return "no hello"
	case CloseNoPong:
		return "no pong"
	case CloseOverloaded:
		return "overloaded"
	case CloseContested:
		return "contested"
	case CloseProtocolVersion:
		return "protocol version"
	case CloseMalformed:
		return "malformed"
	case CloseUnexpected:
		return "unexpected message"
	case CloseTooLarge:
		return "too large"
	case CloseUnknownTask:
		return "unknown task"
	case CloseBadToken:
		return "bad token"
	case CloseSuperseded:
		return "superseded"
	case CloseFinished:
		return "finished"
	case CloseCapability:
		return "capability"
	case CloseAbuse:
		return "abuse"
	case CloseInvite:
		return "invite"
	}
	return "close code " + strconv.FormatUint(uint64(c), 10)
}

// A CloseError says why a session has ended or must end. Both sides return it
// where a socket is read or served.
type CloseError struct {
	Code   CloseCode
	Detail string // for people
}

// Error describes e.
func (e *CloseError) Error() string {
	s := "protocol: session closed: " + e.Code.String() + " (" + strconv.FormatUint(uint64(e.Code), 10) + ")"
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// CloseFor returns the code with which to close a socket because of an error
// of Decode or of an Assembler. It is 0 for ErrUnknownKind, which is answered
// with ReasonUnsupported instead, and for errors of other packages.
func CloseFor(err error) CloseCode {
	var e *CloseError
	switch {
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, ErrTooLarge):
		return CloseTooLarge
	case errors.Is(err, ErrMalformed):
		return CloseMalformed
	case errors.Is(err, ErrTransfer):
		return CloseUnexpected
	}
	return 0
}
