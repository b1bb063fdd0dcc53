// Package invite makes and reads invites: codes that admit their bearer to a task
// (docs/protocol.md, "Invites"). A code names its task, how many participants may join
// with it and when it expires, and is signed with a key of the coordinator. The
// coordinator counts the uses in its database (coordinator/store).
//
// A person gets the code as the fragment of a link to the page, which no server sees.
// The page, the swarm and the coordinator read it with this package, which has no clock
// and no source of random numbers.
package invite

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// version is the first byte of a code's bytes.
const version = 1

// Sizes in bytes. The HMAC-SHA256 is cut to half its length (RFC 2104, section 5), so
// that the code fits a small QR code.
const (
	idSize   = 8
	headSize = 1 + idSize + 4 + 4
	macSize  = 32 / 2

	maxTask = 63 // as in package task
)

// MaxUses is the max number of participants that may join with one invite.
const MaxUses = 1_000_000

// Why an invite admits no participant, as a person is told. The coordinator's database
// returns ErrUsedUp; it also stands for an invite that was revoked.
var (
	ErrInvalid = errors.New("the invite is not valid")
	ErrExpired = errors.New("the invite has expired")
	ErrUsedUp  = errors.New("the invite is used up")
)

// ID identifies an invite in the database and to its organiser.
type ID [idSize]byte

// String returns the ID in hexadecimal.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads what String returns.
func ParseID(text string) (id ID, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != idSize {
		return id, fmt.Errorf("id: %q, want %d hexadecimal digits", text, 2*idSize)
	}
	return ID(b), nil
}

// Invite is what a code says.
type Invite struct {
	ID      ID
	Task    string
	Uses    uint32    // participants that may join with it
	Expires time.Time // in whole seconds, before 2106
}

// Validate reports every invalid field.
func (i Invite) Validate() error {
	var errs []error
	if len(i.Task) == 0 || len(i.Task) > maxTask {
		errs = append(errs, fmt.Errorf("task: %d bytes, want 1 to %d", len(i.Task), maxTask))
	}
	if i.Uses < 1 || i.Uses > MaxUses {
		errs = append(errs, fmt.Errorf("uses: %d, want 1 to %d", i.Uses, MaxUses))
	}
	if at := i.Expires.Unix(); at <= 0 || at > 1<<32-1 {
		errs = append(errs, fmt.Errorf("expires: %v, want a time from 1970 to 2106", i.Expires.UTC()))
	}
	return errors.Join(errs...)
}

// coding refuses what it does not write, so that an invite has one code.
var coding = base64.RawURLEncoding.Strict()

// Read returns what a code says, without checking who signed it. The error is
// ErrInvalid.
func Read(code string) (Invite, error) {
	i, _, _, err := read(code)
	return i, err
}

func read(code string) (i Invite, signed, mac []byte, err error) {
	b, err := coding.DecodeString(code)
	if err != nil || strings.ContainsAny(code, "\r\n") || len(b) <= headSize+macSize || len(b) > headSize+maxTask+macSize || b[0] != version {
		return i, nil, nil, ErrInvalid
	}
	signed, mac = b[:len(b)-macSize], b[len(b)-macSize:]
	i = Invite{
		ID: ID(signed[1:]), Task: string(signed[headSize:]), Uses: binary.BigEndian.Uint32(signed[1+idSize:]),
		Expires: time.Unix(int64(binary.BigEndian.Uint32(signed[1+idSize+4:])), 0),
	}
	if i.Validate() != nil {
		return Invite{}, nil, nil, ErrInvalid
	}
	return i, signed, mac, nil
}

// parameter precedes the code in a link.
const parameter = "invite="

// Link returns the link that a person opens: the page of a task, with the code in the
// fragment. root is the address of the coordinator, with a slash at its end.
func Link(root, task, code string) string { return root + "t/" + task + "#" + parameter + code }

// Code returns the code of a link, or text itself, which is then a code or nothing of
// the kind. Spaces around it do not matter.
func Code(text string) string {
	text = strings.TrimSpace(text)
	if code, _, ok := Cut(text); ok {
		return code
	}
	return text
}

// Cut takes the code out of a link, and returns it and the link without it. The code
// is in the fragment, or a parameter of the query, which a server sees. It returns false
// if the link has none.
func Cut(link string) (code, rest string, ok bool) {
	address, fragment, fragmented := strings.Cut(link, "#")
	if code, ok := strings.CutPrefix(fragment, parameter); ok {
		return code, address, true
	}
	path, query, _ := strings.Cut(address, "?")
	fields := strings.Split(query, "&")
	for i, field := range fields {
		code, ok := strings.CutPrefix(field, parameter)
		if !ok {
			continue
		}
		if query = strings.Join(slices.Delete(fields, i, i+1), "&"); query != "" {
			path += "?" + query
		}
		if fragmented {
			path += "#" + fragment
		}
		return code, path, true
	}
	return "", link, false
}
