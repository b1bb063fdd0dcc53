package secagg

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"fedtab/learn/digest"
)

// kind is the first byte of a message.
type kind byte

// The messages of an attempt, in their order.
const (
	kindKeys      kind = 1 + iota // client: public keys
	kindRoster                    // server: the keys of all clients, and the graph
	kindShares                    // client: sealed shares for its neighbours
	kindInbox                     // server: the sealed shares of the neighbours
	kindMasked                    // client: its masked vector
	kindSurvivors                 // server: whose masked vectors have arrived
	kindConsent                   // client: its signature of the survivors
	kindConsents                  // server: the signatures of a quorum
	kindReveal                    // client: shares of what unmasks the sum
)

var kindNames = [...]string{"", "keys", "roster", "shares", "inbox", "masked vector", "survivors", "consent", "consents", "reveal"}

func (k kind) String() string {
	if int(k) < len(kindNames) && k > 0 {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", byte(k))
}

// Each message is its kind, a tag and a body. The tag names the attempt, its terms and, but for
// keys and the roster, all public keys: it is the start of a digest. A body has no length
// and no field in it that follows from these, so it has one size and one form.
const (
	tagSize    = 16
	headerSize = 1 + tagSize

	bundleSize  = 2*SecretSize + SealOverhead // a sealed share of the seed and of the mask key
	commitSize  = 16                          // a digest by which a share is checked
	sharesSize  = bundleSize + 2*commitSize   // for each neighbour
	entrySize   = 2 * KeySize                 // of a roster
	memberSize  = 4 + SignatureSize           // more of each entry, if it is signed
	consentSize = 4 + SignatureSize
)

// MaxMessage is the max size in bytes of a message to or from a client under the terms.
func (t *Terms) MaxMessage() int {
	n := MaxClients
	if t.signed() {
		n = min(n, len(t.Members))
	}
	return headerSize + max(
		8+n*t.entrySize(),                            // roster
		maxNeighbours*sharesSize,                     // shares
		(n+7)/8+maxNeighbours*bundleSize,             // inbox
		packedSize(t.Length, t.Bits),                 // masked vector
		4+n*consentSize,                              // consents
		(maxNeighbours+7)/8+maxNeighbours*SecretSize, // reveal
	)
}

func (t *Terms) entrySize() int {
	if t.signed() {
		return entrySize + memberSize
	}
	return entrySize
}

// KindOf names the kind of a message: keys, roster, shares, inbox, masked vector, survivors,
// consent, consents or reveal; empty for what is none.
func KindOf(message []byte) string {
	if len(message) == 0 || int(message[0]) >= len(kindNames) {
		return ""
	}
	return kindNames[message[0]]
}

// IsMasked reports whether a client's message is its masked vector.
func IsMasked(message []byte) bool { return len(message) > 0 && kind(message[0]) == kindMasked }

// MaskedSize is the size in bytes of a client's message with its masked vector.
func (t *Terms) MaskedSize() int { return headerSize + packedSize(t.Length, t.Bits) }

// header appends the start of a message.
func header(b []byte, k kind, of [digest.Size]byte) []byte {
	return append(append(b, byte(k)), of[:tagSize]...)
}

// open returns the kind of a message and its body.
func open(message []byte) (kind, []byte, error) {
	if len(message) < headerSize {
		return 0, nil, fmt.Errorf("%w: %d bytes, want at least %d", ErrMessage, len(message), headerSize)
	}
	k := kind(message[0])
	if k < kindKeys || k > kindReveal {
		return 0, nil, fmt.Errorf("%w: %v, want 1 to %d", ErrMessage, k, kindReveal)
	}
	return k, message[headerSize:], nil
}

// checkTag returns an error unless the message is of the attempt of which this is the digest.
func checkTag(message []byte, of [digest.Size]byte) error {
	if !bytes.Equal(message[1:headerSize], of[:tagSize]) {
		return fmt.Errorf("%w: %v", ErrAttempt, kind(message[0]))
	}
	return nil
}

// size returns an error unless a body has the size that it must have.
func size(k kind, body []byte, want int) error {
	if len(body) != want {
		return fmt.Errorf("%w: %v of %d bytes, want %d", ErrMessage, k, len(body), want)
	}
	return nil
}

// entry is a client in the roster.
type entry struct {
	mask, share Key
	member      int    // number of the signer, if entries are signed
	signature   []byte // of the keys
}

func (t *Terms) appendEntry(b []byte, e *entry) []byte {
	b = append(append(b, e.mask[:]...), e.share[:]...)
	if t.signed() {
		b = binary.LittleEndian.AppendUint32(b, uint32(e.member))
		b = append(b, e.signature...)
	}
	return b
}

// parseEntry reads an entry from a body that has at least its size.
func (t *Terms) parseEntry(b []byte) (e entry) {
	copy(e.mask[:], b)
	copy(e.share[:], b[KeySize:])
	if t.signed() {
		e.member = int(binary.LittleEndian.Uint32(b[entrySize:]))
		e.signature = b[entrySize+4:][:SignatureSize]
	}
	return e
}

// checkEntry returns an error unless the keys can be used by themselves.
func (t *Terms) checkEntry(e *entry) error {
	switch {
	case !e.mask.usable() || !e.share.usable():
		return fmt.Errorf("%w: of low order, or not canonical", ErrKeys)
	case e.mask == e.share:
		return fmt.Errorf("%w: both are the same", ErrKeys)
	case t.signed() && e.member >= len(t.Members):
		return fmt.Errorf("%w: of member %d, want 0 to %d", ErrKeys, e.member, len(t.Members)-1)
	}
	return nil
}

// parseKeys reads the body of a client's keys.
func (t *Terms) parseKeys(body []byte) (entry, error) {
	if err := size(kindKeys, body, t.entrySize()); err != nil {
		return entry{}, err
	}
	e := t.parseEntry(body)
	return e, t.checkEntry(&e)
}

// A roster is all clients of an attempt, by number, in the order of their mask keys.
type roster struct {
	neighbours, threshold int
	entries               []entry
}

func (t *Terms) appendRoster(b []byte, r *roster) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.entries)))
	b = binary.LittleEndian.AppendUint16(b, uint16(r.neighbours))
	b = binary.LittleEndian.AppendUint16(b, uint16(r.threshold))
	for i := range r.entries {
		b = t.appendEntry(b, &r.entries[i])
	}
	return b
}

// parseRoster reads the body of a roster, whose signatures alias it. It checks that no key
// occurs twice, and no member.
func (t *Terms) parseRoster(body []byte) (*roster, error) {
	if len(body) < 8 {
		return nil, size(kindRoster, body, 8)
	}
	n := int(binary.LittleEndian.Uint32(body))
	r := &roster{neighbours: int(binary.LittleEndian.Uint16(body[4:])), threshold: int(binary.LittleEndian.Uint16(body[6:]))}
	if n < 1 || n > MaxClients {
		return nil, fmt.Errorf("%w: a roster of %d clients, want 1 to %d", ErrMessage, n, MaxClients)
	}
	if err := size(kindRoster, body, 8+n*t.entrySize()); err != nil {
		return nil, err
	}
	keys, members := make(map[Key]bool, 2*n), newSet(len(t.Members))
	for i := range n {
		e := t.parseEntry(body[8+i*t.entrySize():])
		if err := t.checkEntry(&e); err != nil {
			return nil, fmt.Errorf("client %d of the roster: %w", i, err)
		}
		switch {
		case keys[e.mask] || keys[e.share]:
			return nil, fmt.Errorf("%w: one of client %d of the roster occurs twice", ErrKeys, i)
		case i > 0 && bytes.Compare(r.entries[i-1].mask[:], e.mask[:]) >= 0:
			return nil, fmt.Errorf("%w: client %d of the roster is out of order", ErrMessage, i)
		case t.signed() && members.has(e.member):
			return nil, fmt.Errorf("%w: member %d occurs twice", ErrKeys, e.member)
		}
		keys[e.mask], keys[e.share] = true, true
		if t.signed() {
			members.add(e.member)
		}
		r.entries = append(r.entries, e)
	}
	return r, nil
}

// rosterDigest binds everything after the roster to all public keys and to the terms.
func rosterDigest(terms [digest.Size]byte, body []byte) [digest.Size]byte {
	h := digest.New()
	h.Write([]byte(rosterContext))
	h.Write(terms[:])
	h.Write(body)
	return h.Sum()
}

// sealedShares are what a client gives the server for one neighbour.
type sealedShares struct {
	bundle      []byte // of bundleSize: the share of the seed, then that of the mask key
	commitments [2][commitSize]byte
}

func appendShares(b []byte, shares []sealedShares) []byte {
	for i := range shares {
		b = append(b, shares[i].bundle...)
		b = append(b, shares[i].commitments[0][:]...)
		b = append(b, shares[i].commitments[1][:]...)
	}
	return b
}

// parseShares reads those for the given number of neighbours. Bundles alias the body.
func parseShares(body []byte, neighbours int) ([]sealedShares, error) {
	if err := size(kindShares, body, neighbours*sharesSize); err != nil {
		return nil, err
	}
	shares := make([]sealedShares, neighbours)
	for i := range shares {
		b := body[i*sharesSize:]
		shares[i].bundle = b[:bundleSize:bundleSize]
		copy(shares[i].commitments[0][:], b[bundleSize:])
		copy(shares[i].commitments[1][:], b[bundleSize+commitSize:])
	}
	return shares, nil
}

// An inbox is the clients that have shared their secrets, and the bundles of those among the
// neighbours, ascending.
type inbox struct {
	sharing set
	bundles [][]byte
}

func appendInbox(b []byte, in *inbox) []byte {
	b = append(b, in.sharing...)
	for _, bundle := range in.bundles {
		b = append(b, bundle...)
	}
	return b
}

// parseInbox reads that of a client with these neighbours among n clients.
func parseInbox(body []byte, n int, neighbours []int) (*inbox, error) {
	sharing, body, err := parseSet(kindInbox, body, n)
	if err != nil {
		return nil, err
	}
	in := &inbox{sharing: sharing}
	count := sharing.of(neighbours)
	if err := size(kindInbox, body, count*bundleSize); err != nil {
		return nil, err
	}
	for i := range count {
		in.bundles = append(in.bundles, body[i*bundleSize:][:bundleSize:bundleSize])
	}
	return in, nil
}

// parseSet reads a set of n clients, and returns what follows.
func parseSet(k kind, body []byte, n int) (set, []byte, error) {
	bytes := (n + 7) / 8
	if len(body) < bytes {
		return nil, nil, size(k, body, bytes)
	}
	s := set(body[:bytes:bytes])
	if !s.fits(n) {
		return nil, nil, fmt.Errorf("%w: %v: a set of clients that are not among the %d", ErrMessage, k, n)
	}
	return s, body[bytes:], nil
}

// parseSurvivors reads a set of n clients.
func parseSurvivors(body []byte, n int) (set, error) {
	s, rest, err := parseSet(kindSurvivors, body, n)
	if err == nil {
		err = size(kindSurvivors, rest, 0)
	}
	return s, err
}

// consent is a client's signature of the survivors.
type consent struct {
	client    int
	signature []byte
}

func appendConsents(b []byte, consents []consent) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(consents)))
	for _, c := range consents {
		b = binary.LittleEndian.AppendUint32(b, uint32(c.client))
		b = append(b, c.signature...)
	}
	return b
}

// parseConsents reads the signatures of different clients among n, ascending.
func parseConsents(body []byte, n int) ([]consent, error) {
	if len(body) < 4 {
		return nil, size(kindConsents, body, 4)
	}
	count := int(binary.LittleEndian.Uint32(body))
	if count > n {
		return nil, fmt.Errorf("%w: consents of %d clients, want at most %d", ErrMessage, count, n)
	}
	if err := size(kindConsents, body, 4+count*consentSize); err != nil {
		return nil, err
	}
	consents := make([]consent, count)
	for i := range consents {
		b := body[4+i*consentSize:]
		consents[i] = consent{int(binary.LittleEndian.Uint32(b)), b[4:consentSize]}
		if c := consents[i].client; c >= n || i > 0 && c <= consents[i-1].client {
			return nil, fmt.Errorf("%w: consent of client %d is out of order", ErrMessage, c)
		}
	}
	return consents, nil
}

// revealed is a share that a client releases.
type revealed struct {
	dealer int
	value  Secret
}

// appendReveal appends the shares of some of the neighbours, ascending.
func appendReveal(b []byte, neighbours []int, shares []revealed) []byte {
	of, at := newSet(len(neighbours)), 0
	for i, n := range neighbours {
		if at < len(shares) && shares[at].dealer == n {
			of.add(i)
			at++
		}
	}
	b = append(b, of...)
	for i := range shares {
		b = append(b, shares[i].value[:]...)
	}
	return b
}

// parseReveal reads the shares of some of the neighbours.
func parseReveal(body []byte, neighbours []int) ([]revealed, error) {
	of, body, err := parseSet(kindReveal, body, len(neighbours))
	if err != nil {
		return nil, err
	}
	if err := size(kindReveal, body, of.size()*SecretSize); err != nil {
		return nil, err
	}
	var shares []revealed
	for i, dealer := range neighbours {
		if of.has(i) {
			r := revealed{dealer: dealer}
			copy(r.value[:], body[len(shares)*SecretSize:])
			shares = append(shares, r)
		}
	}
	return shares, nil
}
