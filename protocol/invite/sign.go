//go:build !js

package invite

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// The coordinator signs and checks invites. No program of the browser has this: what
// crypto/hmac links would be 2 kB of the page's first load.

// Key derives the key that signs invites from the secret of a database.
func Key(secret []byte) []byte { return sum(secret, []byte("fedtab invites")) }

func sum(key, b []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(b)
	return mac.Sum(nil)
}

// Sign returns the code of an invite, which must be valid.
func Sign(key []byte, i Invite) string {
	b := append([]byte{version}, i.ID[:]...)
	b = binary.BigEndian.AppendUint32(b, i.Uses)
	b = binary.BigEndian.AppendUint32(b, uint32(i.Expires.Unix()))
	b = append(b, i.Task...)
	return coding.EncodeToString(append(b, sum(key, b)[:macSize]...))
}

// Check returns what a code says if it was signed with key and has not expired by now.
// The error is ErrInvalid or ErrExpired.
func Check(key []byte, code string, now time.Time) (Invite, error) {
	i, signed, mac, err := read(code)
	switch {
	case err != nil:
		return i, err
	case !hmac.Equal(mac, sum(key, signed)[:macSize]):
		return Invite{}, ErrInvalid
	case !now.Before(i.Expires):
		return Invite{}, ErrExpired
	}
	return i, nil
}
