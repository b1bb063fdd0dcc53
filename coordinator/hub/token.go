package hub

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fedtab/strategy"
	"time"
)

// Tokens makes and checks the resume tokens of one run. A token holds the participant's
// number, when it expires and an HMAC, so that nothing need be stored for each and they
// outlive a restart of the coordinator. That a participant has left, and its tokens have
// ended with that, the run knows.
//
// The bytes are: the format's version (1 byte); the participant (big-endian, 4 bytes);
// when the token expires (seconds since 1970, big-endian, 8 bytes); in version 3 the person
// (big-endian, 8 bytes), which in version 2 is not known; the HMAC-SHA256. Tokens of the format
// before had 36 bytes, without a version and a time.
type Tokens struct {
	Secret []byte // of the database
	Run    string
	Life   time.Duration // of a token
}

const (
	tokenVersion       = 2
	personTokenVersion = 3
	tokenHead          = 1 + 4 + 8
	personSize         = 8
)

// The errors of Check, as a client is told.
var (
	errToken        = errors.New("the resume token is not of this run: join anew")
	errTokenExpired = errors.New("the resume token has expired: join anew")
)

// Make returns a token of a participant, made at the given time.
func (t Tokens) Make(participant uint32, person strategy.Person, now time.Time) []byte {
	token := binary.BigEndian.AppendUint32([]byte{tokenVersion}, participant)
	token = binary.BigEndian.AppendUint64(token, uint64(now.Add(t.Life).Unix()))
	if person != 0 {
		token[0] = personTokenVersion
		token = binary.BigEndian.AppendUint64(token, uint64(person))
	}
	return append(token, t.sum(token)...)
}

// Check returns the participant that a token belongs to and the person behind it, 0 if that is
// not known, or why the token is of no use.
func (t Tokens) Check(token []byte, now time.Time) (participant uint32, person strategy.Person, err error) {
	size := len(token) - sha256.Size
	switch {
	case size == tokenHead && token[0] == tokenVersion:
	case size == tokenHead+personSize && token[0] == personTokenVersion:
		person = strategy.Person(binary.BigEndian.Uint64(token[tokenHead:]))
	default:
		return 0, 0, errToken
	}
	head := token[:size]
	participant = binary.BigEndian.Uint32(head[1:])
	if !hmac.Equal(token[size:], t.sum(head)) || participant == 0 {
		return 0, 0, errToken
	}
	if now.Unix() >= int64(binary.BigEndian.Uint64(head[5:])) {
		return 0, 0, errTokenExpired
	}
	return participant, person, nil
}

func (t Tokens) sum(head []byte) []byte {
	mac := hmac.New(sha256.New, t.Secret)
	mac.Write([]byte("fedtab resume token\x00" + t.Run + "\x00"))
	mac.Write(head)
	return mac.Sum(nil)
}
