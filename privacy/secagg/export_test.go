package secagg

// Names of messages for tests outside of the package.
const (
	KindKeys      = byte(kindKeys)
	KindRoster    = byte(kindRoster)
	KindShares    = byte(kindShares)
	KindInbox     = byte(kindInbox)
	KindMasked    = byte(kindMasked)
	KindSurvivors = byte(kindSurvivors)
	KindConsent   = byte(kindConsent)
	KindConsents  = byte(kindConsents)
	KindReveal    = byte(kindReveal)
	HeaderSize    = headerSize
)

// NewUnmasking returns what a server asks for of which the given numbers of clients have survived
// and dropped out, each of the latter with peers neighbours.
func NewUnmasking(p Primitives, length, bits, threshold, survivors, dropped, peers int) *Unmasking {
	u := &Unmasking{Length: length, Bits: bits, threshold: threshold}
	keys := make([]own, survivors+dropped)
	for i := range keys {
		keys[i] = makeKeys{}.Execute(p).(keysMade).own
		secret := keys[i].seed
		if i >= survivors {
			secret = keys[i].maskSecret
		}
		shares := make([]Secret, threshold)
		Split(shares, secret, make([]Secret, threshold-1))
		s := shared{client: i}
		for j := range shares {
			s.shares = append(s.shares, Share{byte(j + 1), shares[j]})
		}
		if i >= survivors {
			s.mask = keys[i].mask
			for j := range peers {
				other := (i*peers + j) % survivors
				s.peers = append(s.peers, peer{other, keys[other].mask, keys[other].share})
			}
		}
		u.secrets = append(u.secrets, s)
	}
	return u
}

// Expand adds the mask of a key to dst.
func Expand(p Primitives) func(dst []uint32, key []byte, bits int, negative bool) error {
	e := &expander{primitives: p}
	return func(dst []uint32, key []byte, bits int, negative bool) error {
		e.width = streamWidth(bits)
		return e.expand(dst, key, negative)
	}
}

// Digests of the terms and an attempt, and with a roster.
func (t *Terms) Digest(a Attempt) [32]byte { return t.digest(a) }

func RosterDigest(terms [32]byte, body []byte) [32]byte { return rosterDigest(terms, body) }

// Retag makes a message one of another attempt or roster.
func Retag(message []byte, of [32]byte) []byte {
	return append(header(nil, kind(message[0]), of), message[headerSize:]...)
}

// SurvivorsMessage returns that of some of n clients.
func SurvivorsMessage(roster [32]byte, n int, clients ...int) []byte {
	s := newSet(n)
	for _, i := range clients {
		s.add(i)
	}
	return append(header(nil, kindSurvivors, roster), s...)
}

// Spoil changes a share of secret i: not in byte 0, of which X25519 drops bits.
func (u *Unmasking) Spoil(i int) { u.secrets[i].shares[0].Value[5] ^= 1 }

// Number returns the client's number in the roster.
func (c *Client) Number() int { return c.number }

// Revealed returns how many shares of the dealer a reveal has, of which kind it does not say.
func Revealed(message []byte, neighbours []int, dealer int) (n int, err error) {
	shares, err := parseReveal(message[headerSize:], neighbours)
	for _, s := range shares {
		if s.dealer == dealer {
			n++
		}
	}
	return n, err
}

// NeighbourList returns the client's neighbours.
func (c *Client) NeighbourList() []int { return c.neighbours }

// MasksOf returns the masks that the request for an inbox adds: the client's own, and those in
// common with its neighbours by their numbers, without signs.
func MasksOf(r Request, p Primitives) (client int, self []uint32, pairs map[int][]uint32, ok bool) {
	o, ok := r.(openShares)
	if !ok {
		return 0, nil, nil, false
	}
	expand := Expand(p)
	mask := func(key []byte, err error) []uint32 {
		m := make([]uint32, o.length)
		if err == nil {
			err = expand(m, key, o.bits, false)
		}
		if err != nil {
			panic(err)
		}
		return m
	}
	self = mask(selfKey(p, o.roster, o.client, o.own.seed))
	keys, _, err := maskKeys(p, o.roster, o.client, o.own.maskSecret, o.peers)
	pairs = map[int][]uint32{}
	for i, peer := range o.peers {
		pairs[peer.client] = mask(keys[i], err)
	}
	return o.client, self, pairs, true
}

// ClientRequests returns the requests of a client: its keys, shares and inbox.
func ClientRequests(p Primitives, t Terms, of Parameters) []Request {
	me := makeKeys{}.Execute(p).(keysMade).own
	var peers []peer
	for i := range of.Neighbours {
		other := makeKeys{}.Execute(p).(keysMade).own
		peers = append(peers, peer{i + 1, other.mask, other.share})
	}
	shares := makeShares{own: me, peers: peers, threshold: of.Threshold}
	made := shares.Execute(p).(sharesMade)
	inbox := openShares{own: me, peers: peers, keys: made.keys, length: t.Length, bits: t.Bits}
	for i := range peers {
		inbox.bundles = append(inbox.bundles, made.shares[i].bundle)
	}
	return []Request{makeKeys{}, shares, inbox}
}
