package secagg

import (
	"encoding/binary"
	"fmt"

	"fedtab/learn/digest"
)

// A Request is cryptography that a machine needs: plain data, which the caller executes, on
// another goroutine if it likes, and whose answer it gives back as an event. Each has the work for
// all neighbours, so that an exchange takes one request, and primitives that are
// asynchronous get batches.
type Request interface {
	// Execute computes the answer.
	Execute(Primitives) Answer
}

// An Answer is an event of the machine that has made the request.
type Answer interface{ answer() }

// Broken answers a request whose primitives have failed.
type Broken struct{ Err error }

func (Broken) answer() {}

// makeKeys asks for a client's secrets.
type makeKeys struct {
	terms  [digest.Size]byte
	signed bool
}

type keysMade struct {
	own       own
	signature []byte
}

func (keysMade) answer() {}

// own are the secrets of a client, and its public keys.
type own struct {
	seed                    Secret // of its own mask
	maskSecret, shareSecret Secret // private keys
	mask, share             Key
}

func (r makeKeys) Execute(p Primitives) Answer {
	var a keysMade
	for _, s := range []*Secret{&a.own.seed, &a.own.maskSecret, &a.own.shareSecret} {
		if err := p.Random(s[:]); err != nil {
			return Broken{err}
		}
	}
	public, err := p.Agree([]Agreement{{a.own.maskSecret, basePoint}, {a.own.shareSecret, basePoint}})
	if err != nil {
		return Broken{err}
	}
	copy(a.own.mask[:], public[0])
	copy(a.own.share[:], public[1])
	if r.signed {
		if a.signature, err = p.Sign(keysSigned(r.terms, a.own.mask, a.own.share)); err != nil {
			return Broken{err}
		}
	}
	return a
}

// peer is a neighbour.
type peer struct {
	client      int
	mask, share Key
}

// makeShares asks for the sealed shares of a client's secrets, once the signatures of the roster
// are verified.
type makeShares struct {
	roster    [digest.Size]byte
	client    int
	own       own
	peers     []peer // ascending
	threshold int
	signed    []Signature
}

type sharesMade struct {
	shares  []sealedShares
	keys    [][]byte // that open those of the peers
	refused int      // number of a client whose keys cannot be used, or -1
}

func (sharesMade) answer() {}

func (r makeShares) Execute(p Primitives) Answer {
	if len(r.signed) > 0 {
		good, err := p.Verify(r.signed)
		if err != nil {
			return Broken{err}
		}
		for i, ok := range good {
			if !ok {
				return sharesMade{refused: i}
			}
		}
	}
	keys, refused, err := r.keys(p)
	if err != nil || refused >= 0 {
		return answerOr(err, sharesMade{refused: refused})
	}
	var shares [2][]Secret // of the seed and the mask key, for each neighbour
	for i, secret := range []Secret{r.own.seed, r.own.maskSecret} {
		random := make([]byte, SecretSize*(r.threshold-1))
		if err := p.Random(random); err != nil {
			return Broken{err}
		}
		coefficients := make([]Secret, r.threshold-1)
		for j := range coefficients {
			copy(coefficients[j][:], random[SecretSize*j:])
		}
		shares[i] = make([]Secret, len(r.peers))
		Split(shares[i], secret, coefficients)
	}
	batch := make([]Sealing, len(r.peers))
	a := sharesMade{make([]sealedShares, len(r.peers)), keys[len(r.peers):], -1}
	for i, peer := range r.peers {
		text := append(shares[0][i][:], shares[1][i][:]...)
		batch[i] = Sealing{keys[i], make([]byte, NonceSize), text, shareInfo(r.roster, r.client, peer.client)}
		for j := range a.shares[i].commitments {
			a.shares[i].commitments[j] = commit(r.roster, r.client, peer.client, j, &shares[j][i])
		}
	}
	sealed, err := p.Seal(batch)
	if err != nil {
		return Broken{err}
	}
	for i := range sealed {
		a.shares[i].bundle = sealed[i]
	}
	return a
}

// answerOr returns the answer unless there is an error.
func answerOr(err error, a Answer) Answer {
	if err != nil {
		return Broken{err}
	}
	return a
}

// keys returns the keys that seal the client's shares for its peers, then those that open
// theirs: each is for one bundle. refused is the number of a peer with which no key can be
// agreed on, or -1.
func (r *makeShares) keys(p Primitives) (keys [][]byte, refused int, err error) {
	batch := make([]Agreement, len(r.peers))
	for i := range r.peers {
		batch[i] = Agreement{r.own.shareSecret, r.peers[i].share}
	}
	secrets, refused, err := agree(p, r.peers, batch)
	if err != nil || refused >= 0 {
		return nil, refused, err
	}
	derive := make([]Derivation, 2*len(r.peers))
	for i, peer := range r.peers {
		derive[i] = Derivation{secrets[i], r.roster[:], shareInfo(r.roster, r.client, peer.client)}
		derive[len(r.peers)+i] = Derivation{secrets[i], r.roster[:], shareInfo(r.roster, peer.client, r.client)}
	}
	keys, err = p.Derive(derive)
	return keys, -1, err
}

// agree returns the secrets of a batch, one with each peer.
func agree(p Primitives, peers []peer, batch []Agreement) (secrets [][]byte, refused int, err error) {
	if secrets, err = p.Agree(batch); err != nil {
		return nil, -1, err
	}
	for i, secret := range secrets {
		if secret == nil {
			return nil, peers[i].client, nil
		}
	}
	return secrets, -1, nil
}

// maskKeys returns the keys of the masks that a client has in common with its neighbours.
func maskKeys(p Primitives, roster [digest.Size]byte, client int, secret Secret, peers []peer) (keys [][]byte, refused int, err error) {
	batch := make([]Agreement, len(peers))
	for i := range peers {
		batch[i] = Agreement{secret, peers[i].mask}
	}
	secrets, refused, err := agree(p, peers, batch)
	if err != nil || refused >= 0 {
		return nil, refused, err
	}
	derive := make([]Derivation, len(peers))
	for i, peer := range peers {
		derive[i] = Derivation{secrets[i], roster[:], pairInfo(maskContext, min(client, peer.client), max(client, peer.client))}
	}
	keys, err = p.Derive(derive)
	return keys, -1, err
}

// selfKey returns the key of a client's own mask.
func selfKey(p Primitives, roster [digest.Size]byte, client int, seed Secret) ([]byte, error) {
	info := binary.LittleEndian.AppendUint32([]byte(selfContext), uint32(client))
	keys, err := p.Derive([]Derivation{{seed[:], roster[:], info}})
	if err != nil {
		return nil, err
	}
	return keys[0], nil
}

// pairInfo names two clients of an attempt. The roster's digest, the salt or a part of the
// additional data, stands for their keys.
func pairInfo(context string, a, b int) []byte {
	info := binary.LittleEndian.AppendUint32([]byte(context), uint32(a))
	return binary.LittleEndian.AppendUint32(info, uint32(b))
}

// shareInfo names a bundle, in its key and as its additional data.
func shareInfo(roster [digest.Size]byte, dealer, holder int) []byte {
	return append(pairInfo(shareContext, dealer, holder), roster[:]...)
}

// commit returns the digest by which the server checks a share: 0 of the seed, 1 of the mask
// key.
func commit(roster [digest.Size]byte, dealer, holder, which int, share *Secret) (c [commitSize]byte) {
	b := append(pairInfo(commitContext, dealer, holder), byte(which))
	b = append(b, roster[:]...)
	sum := digest.Sum(append(b, share[:]...))
	copy(c[:], sum[:])
	return c
}

// openShares asks for the shares in a client's inbox, and for its masks.
type openShares struct {
	roster       [digest.Size]byte
	client       int
	own          own
	peers        []peer // that share, ascending
	bundles      [][]byte
	keys         [][]byte // of the bundles
	length, bits int
}

type sharesOpened struct {
	shares [][]byte // the share of the seed and of the mask key; nil: not authentic
	masks  []uint32 // sum of the client's masks
}

func (sharesOpened) answer() {}

func (r openShares) Execute(p Primitives) Answer {
	batch := make([]Sealing, len(r.peers))
	for i, peer := range r.peers {
		batch[i] = Sealing{r.keys[i], make([]byte, NonceSize), r.bundles[i], shareInfo(r.roster, peer.client, r.client)}
	}
	shares, err := p.Open(batch)
	if err != nil {
		return Broken{err}
	}
	a := sharesOpened{shares, make([]uint32, r.length)}
	e := &expander{primitives: p, width: streamWidth(r.bits)}
	keys, refused, err := maskKeys(p, r.roster, r.client, r.own.maskSecret, r.peers)
	if err != nil || refused >= 0 {
		return answerOr(err, refusedKey(refused))
	}
	for i, peer := range r.peers {
		if err := e.expand(a.masks, keys[i], r.client > peer.client); err != nil {
			return Broken{err}
		}
	}
	self, err := selfKey(p, r.roster, r.client, r.own.seed)
	if err == nil {
		err = e.expand(a.masks, self, false)
	}
	return answerOr(err, a)
}

// refusedKey answers for a key of low order that is not among lowOrder.
func refusedKey(client int) Answer {
	return Broken{fmt.Errorf("%w: no agreement with client %d", ErrKeys, client)}
}

// sign asks for the signature of the survivors.
type sign struct{ message []byte }

type signed struct{ signature []byte }

func (signed) answer() {}

func (r sign) Execute(p Primitives) Answer {
	signature, err := p.Sign(r.message)
	return answerOr(err, signed{signature})
}

// verify asks which signatures are good.
type verify struct{ signatures []Signature }

type verified struct{ good []bool }

func (verified) answer() {}

func (r verify) Execute(p Primitives) Answer {
	good, err := p.Verify(r.signatures)
	return answerOr(err, verified{good})
}

// Unmasking asks for the masks that a sum has left: the own masks of the survivors, and the
// masks that they have in common with neighbours that dropped out.
type Unmasking struct {
	Length, Bits int

	roster    [digest.Size]byte
	threshold int
	secrets   []shared
}

// shared is a secret that is to be reconstructed.
type shared struct {
	client int
	id     uint64 // by which the server knows it
	shares []Share
	mask   Key    // if it has dropped out: the public key of the secret
	peers  []peer // the surviving neighbours
}

// Unmasked answers an Unmasking.
type Unmasked struct {
	Masks []uint32 // to Subtract from the sum
	Err   error    // which secret does not reconstruct
}

func (Unmasked) answer() {}

// Split returns up to n requests whose answers, added by Join, answer u: for as many cores.
func (u *Unmasking) Split(n int) []*Unmasking {
	var parts []*Unmasking
	for i := range n {
		part := *u
		part.secrets = nil
		for j := i; j < len(u.secrets); j += n {
			part.secrets = append(part.secrets, u.secrets[j])
		}
		if len(part.secrets) > 0 {
			parts = append(parts, &part)
		}
	}
	return parts
}

// Join adds the answers of parts of one Unmasking.
func Join(answers []Answer) Answer {
	var sum Unmasked
	for _, a := range answers {
		u, ok := a.(Unmasked)
		switch {
		case !ok:
			return a
		case u.Err != nil:
			return u
		case sum.Masks == nil:
			sum.Masks = u.Masks
			continue
		}
		for i, x := range u.Masks {
			sum.Masks[i] += x
		}
	}
	return sum
}

// Execute reconstructs the secrets and expands their masks.
func (u *Unmasking) Execute(p Primitives) Answer {
	masks := make([]uint32, u.Length)
	e := &expander{primitives: p, width: streamWidth(u.Bits)}
	for i := range u.secrets {
		s := &u.secrets[i]
		secret, err := Combine(s.shares, u.threshold)
		if err != nil {
			return Unmasked{Err: fmt.Errorf("client %d: %w", s.id, err)}
		}
		if s.peers == nil {
			var key []byte
			if key, err = selfKey(p, u.roster, s.client, secret); err == nil {
				err = e.expand(masks, key, false)
			}
		} else {
			var bad Answer
			if bad, err = u.dropped(e, masks, s, secret); bad != nil {
				return bad
			}
		}
		if err != nil {
			return Broken{err}
		}
	}
	return Unmasked{Masks: masks}
}

// dropped adds the masks that the survivors have in common with a client that dropped out. bad is
// an answer that says that its secret is not that of its public key.
func (u *Unmasking) dropped(e *expander, masks []uint32, s *shared, secret Secret) (bad Answer, err error) {
	public, err := e.primitives.Agree([]Agreement{{secret, basePoint}})
	if err != nil {
		return nil, err
	}
	if Key(public[0]) != s.mask {
		return Unmasked{Err: fmt.Errorf("%w: those of client %d do not reconstruct the secret of its public key", ErrShares, s.id)}, nil
	}
	keys, refused, err := maskKeys(e.primitives, u.roster, s.client, secret, s.peers)
	if err != nil {
		return nil, err
	}
	if refused >= 0 {
		return refusedKey(refused), nil
	}
	for i, peer := range s.peers {
		if err := e.expand(masks, keys[i], peer.client > s.client); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
