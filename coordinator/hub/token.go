package hub

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Tokens makes and checks the resume tokens of one run. They hold the
// participant's number and an HMAC, so that nothing need be stored for each
// and they outlive a restart of the coordinator.
type Tokens struct {
	Secret []byte // of the database
	Run    string
}

// Make returns the token of a participant.
func (t Tokens) Make(participant uint32) []byte {
	token := binary.BigEndian.AppendUint32(nil, participant)
	return append(token, t.sum(participant)...)
}

// Check returns the participant that a token belongs to.
func (t Tokens) Check(token []byte) (participant uint32, ok bool) {
	if len(token) != 4+sha256.Size {
		return 0, false
	}
	participant = binary.BigEndian.Uint32(token)
	return participant, participant != 0 && hmac.Equal(token[4:], t.sum(participant))
}

func (t Tokens) sum(participant uint32) []byte {
	mac := hmac.New(sha256.New, t.Secret)
	mac.Write([]byte("fedtab resume token\x00" + t.Run + "\x00"))
	mac.Write(binary.BigEndian.AppendUint32(nil, participant))
	return mac.Sum(nil)
}
