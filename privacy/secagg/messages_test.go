package secagg

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// testTerms are terms with m members.
func testTerms(m int) Terms {
	t := Terms{Min: 3, Length: 7, Bits: 13, Risk: risk}
	for i := range m {
		seed := make([]byte, 32)
		binary.LittleEndian.PutUint64(seed, uint64(i))
		t.Members = append(t.Members, Key(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)))
	}
	return t
}

// reencode parses the body of a message of any kind, of a client with the given neighbours among
// n, and encodes what it has read.
func reencode(t *Terms, k kind, body []byte, n int, neighbours []int) ([]byte, error) {
	switch k {
	case kindKeys:
		e, err := t.parseKeys(body)
		return t.appendEntry(nil, &e), err
	case kindRoster:
		r, err := t.parseRoster(body)
		if err != nil {
			return nil, err
		}
		return t.appendRoster(nil, r), nil
	case kindShares:
		s, err := parseShares(body, len(neighbours))
		return appendShares(nil, s), err
	case kindInbox:
		in, err := parseInbox(body, n, neighbours)
		if err != nil {
			return nil, err
		}
		return appendInbox(nil, in), nil
	case kindMasked:
		sum := NewSum(t.Length, t.Bits)
		err := sum.Add(body)
		return AppendPacked(nil, sum.Values(nil), t.Bits), err
	case kindSurvivors:
		return parseSurvivors(body, n)
	case kindConsents:
		c, err := parseConsents(body, n)
		return appendConsents(nil, c), err
	case kindReveal:
		r, err := parseReveal(body, neighbours)
		return appendReveal(nil, neighbours, r), err
	}
	return body, nil
}

// messageBodies are good bodies of every kind, of a client with neighbours 0, 2 and 9 among 10.
func messageBodies(t *Terms) map[kind][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	some := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	entryAt := func(i int) entry {
		e := entry{member: i, signature: some(SignatureSize)}
		copy(e.mask[:], some(KeySize))
		copy(e.share[:], some(KeySize))
		e.mask[0], e.mask[31], e.share[31] = byte(i), byte(i), 1 // in order, and below p
		return e
	}
	r := roster{neighbours: 9, threshold: 6}
	for i := range 10 {
		r.entries = append(r.entries, entryAt(i))
	}
	sharing := newSet(10)
	for _, i := range []int{0, 3, 9} {
		sharing.add(i)
	}
	shares := make([]sealedShares, 3)
	for i := range shares {
		shares[i].bundle = some(bundleSize)
		shares[i].commitments[1][0] = 7
	}
	e := entryAt(1)
	return map[kind][]byte{
		kindKeys:      t.appendEntry(nil, &e),
		kindRoster:    t.appendRoster(nil, &r),
		kindShares:    appendShares(nil, shares),
		kindInbox:     appendInbox(nil, &inbox{sharing, [][]byte{some(bundleSize), some(bundleSize)}}),
		kindMasked:    AppendPacked(nil, []uint32{1, 2, 3, 4, 5, 6, 8191}, t.Bits),
		kindSurvivors: sharing,
		kindConsent:   some(SignatureSize),
		kindConsents:  appendConsents(nil, []consent{{0, some(SignatureSize)}, {9, some(SignatureSize)}}),
		kindReveal:    appendReveal(nil, []int{0, 2, 9}, []revealed{{0, Secret{1}}, {9, Secret{2}}}),
	}
}

var testNeighbours = []int{0, 2, 9}

// What is encoded is read again, and a byte less or more is refused.
func TestMessages(t *testing.T) {
	for _, members := range []int{0, 12} {
		terms := testTerms(members)
		for k, body := range messageBodies(&terms) {
			if len(body)+headerSize > terms.MaxMessage() {
				t.Errorf("%v: %d bytes, and MaxMessage is %d", k, len(body)+headerSize, terms.MaxMessage())
			}
			got, err := reencode(&terms, k, body, 10, testNeighbours)
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("%v: %x, %v, want %x", k, got, err, body)
			}
			if k == kindConsent {
				continue // its size is checked by the server
			}
			for name, b := range map[string][]byte{"a byte less": body[:len(body)-1], "a byte more": append(bytes.Clone(body), 0), "nothing": nil} {
				if _, err := reencode(&terms, k, b, 10, testNeighbours); !errors.Is(err, ErrMessage) {
					t.Errorf("%v with %s: %v, want ErrMessage", k, name, err)
				}
			}
		}
	}
}

func TestRosterRefused(t *testing.T) {
	terms := testTerms(12)
	good, err := terms.parseRoster(messageBodies(&terms)[kindRoster])
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(e []entry)
		want   error
	}{
		{"key of low order", func(e []entry) { e[0].mask = Key{} }, ErrKeys},
		{"key not canonical", func(e []entry) { e[3].share[31] |= 0x80 }, ErrKeys},
		{"a mask key twice", func(e []entry) { e[4].mask = e[3].mask }, ErrKeys},
		{"a share key twice", func(e []entry) { e[4].share = e[3].share }, ErrKeys},
		{"a mask key as share key", func(e []entry) { e[4].share = e[3].mask }, ErrKeys},
		{"both keys the same", func(e []entry) { e[4].share = e[4].mask }, ErrKeys},
		{"out of order", func(e []entry) { e[3], e[4] = e[4], e[3] }, ErrMessage},
		{"a member twice", func(e []entry) { e[4].member = e[3].member }, ErrKeys},
		{"no member", func(e []entry) { e[4].member = 12 }, ErrKeys},
	} {
		r := *good
		r.entries = append([]entry(nil), good.entries...)
		c.change(r.entries)
		if _, err := terms.parseRoster(terms.appendRoster(nil, &r)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// Keys that are low order, or equal to another in another form, cannot be used.
func TestUsableKeys(t *testing.T) {
	p := Key{0xed, 31: 0x7f}
	for i := 1; i < 31; i++ {
		p[i] = 0xff
	}
	above, below, high := p, p, Key{9, 31: 0x80}
	above[0], below[0] = 0xee, 0xeb
	for _, c := range []struct {
		name string
		key  Key
		want bool
	}{
		{"0", Key{}, false}, {"1", Key{1}, false}, {"the base point", Key{9}, true},
		{"p - 2", below, true}, {"p", p, false}, {"p + 1", above, false}, {"9 + 2^255", high, false},
		{"of order 8", lowOrder[2], false}, {"of order 8, the other", lowOrder[3], false}, {"p - 1", lowOrder[4], false},
	} {
		if got := c.key.usable(); got != c.want {
			t.Errorf("%s: usable is %v, want %v", c.name, got, c.want)
		}
	}
}

// Whatever comes is refused by an error of the package, or is the only encoding of what is read.
func FuzzMessages(f *testing.F) {
	for _, members := range []int{0, 12} {
		terms := testTerms(members)
		for k, body := range messageBodies(&terms) {
			f.Add(append(header(nil, k, [32]byte{}), body...), members > 0)
		}
	}
	open12, signed12 := testTerms(0), testTerms(12)
	f.Fuzz(func(t *testing.T, message []byte, signed bool) {
		terms := &open12
		if signed {
			terms = &signed12
		}
		k, body, err := open(message)
		if err == nil {
			var again []byte
			if again, err = reencode(terms, k, body, 10, testNeighbours); err == nil && !bytes.Equal(again, body) {
				t.Fatalf("%v: %x, want %x", k, again, body)
			}
		}
		if err != nil && !errors.Is(err, ErrMessage) && !errors.Is(err, ErrKeys) {
			t.Fatal(err)
		}
	})
}

// A record is read as it was written, and nothing else is one.
func TestHistory(t *testing.T) {
	h := History{Run: [32]byte{1}, Attempt: Attempt{3, 4}, Update: 5, Vectors: 6, Released: [32]byte{6}}
	record := h.Append(nil)
	if got, err := ParseHistory(record); err != nil || got != h {
		t.Errorf("%+v, %v, want %+v", got, err, h)
	}
	if got, err := ParseHistory(nil); err != nil || got != (History{}) {
		t.Errorf("no bytes: %+v, %v, want nothing", got, err)
	}
	other := bytes.Clone(record)
	other[0]++
	for name, b := range map[string][]byte{"a byte less": record[:len(record)-1], "a byte more": append(record, 0), "another version": other} {
		if got, err := ParseHistory(b); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %+v, %v, want ErrMessage", name, got, err)
		}
	}
}

func FuzzHistory(f *testing.F) {
	h := History{Run: [32]byte{1}, Attempt: Attempt{3, 4}, Update: 5}
	f.Add(h.Append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := ParseHistory(b); err == nil && len(b) > 0 && !bytes.Equal(h.Append(nil), b) {
			t.Fatalf("%+v is %x, want %x", h, h.Append(nil), b)
		}
	})
}

// What is committed to, derived and signed differs as soon as any part of it does.
func TestEverythingIsBound(t *testing.T) {
	a, b := [32]byte{1}, [32]byte{2}
	share := Secret{3}
	seen := map[string]string{}
	add := func(name string, bytes []byte) {
		if other, ok := seen[string(bytes)]; ok {
			t.Errorf("%s is the same as %s", name, other)
		}
		seen[string(bytes)] = name
	}
	for _, c := range []struct {
		name                  string
		roster                [32]byte
		dealer, holder, which int
		share                 Secret
	}{
		{"a commitment", a, 1, 2, 0, share}, {"of another roster", b, 1, 2, 0, share}, {"of another dealer", a, 3, 2, 0, share},
		{"of another holder", a, 1, 3, 0, share}, {"the other way round", a, 2, 1, 0, share}, {"of the key", a, 1, 2, 1, share}, {"of another share", a, 1, 2, 0, Secret{4}},
	} {
		sum := commit(c.roster, c.dealer, c.holder, c.which, &c.share)
		add("commitment: "+c.name, sum[:])
	}
	add("a bundle", shareInfo(a, 1, 2))
	add("a bundle the other way round", shareInfo(a, 2, 1))
	add("a bundle of another roster", shareInfo(b, 1, 2))
	add("a mask", pairInfo(maskContext, 1, 2))
	add("a mask of others", pairInfo(maskContext, 1, 3))
	add("survivors", survivorsSigned(a, set{3}, set{1}))
	add("survivors of others that share", survivorsSigned(a, set{7}, set{1}))
	add("survivors of another roster", survivorsSigned(b, set{3}, set{1}))
	add("other survivors", survivorsSigned(a, set{3}, set{2}))
	add("keys", keysSigned(a, Key{1}, Key{2}))
	add("keys of another attempt", keysSigned(b, Key{1}, Key{2}))
	add("keys the other way round", keysSigned(a, Key{2}, Key{1}))
}

func TestTermsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Terms)
	}{
		{"min 2", func(t *Terms) { t.Min = 2 }},
		{"no integers", func(t *Terms) { t.Length = 0 }},
		{"too many integers", func(t *Terms) { t.Length = MaxLength + 1 }},
		{"0 bits", func(t *Terms) { t.Bits = 0 }},
		{"33 bits", func(t *Terms) { t.Bits = 33 }},
		{"fewer members than min", func(t *Terms) { t.Members = t.Members[:2] }},
		{"a member twice", func(t *Terms) { t.Members[3] = t.Members[1] }},
		{"a risk that is none", func(t *Terms) { t.Dropout = 2 }},
	} {
		terms := testTerms(12)
		c.change(&terms)
		if err := terms.Validate(); !errors.Is(err, ErrTerms) {
			t.Errorf("%s: %v, want ErrTerms", c.name, err)
		}
	}
}
