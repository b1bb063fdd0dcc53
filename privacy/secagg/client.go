package secagg

import (
	"fmt"

	"fedtab/learn/digest"
)

// clientPhase is what a Client waits for.
type clientPhase int

const (
	clientIdle      clientPhase = iota
	clientBeginning             // its history is being written
	clientKeys                  // its keys are being made
	clientRoster                // the roster
	clientSharing               // its shares are being made
	clientInbox                 // the inbox
	clientOpening               // its inbox is being opened, and its masks made
	clientVector                // its vector
	clientUsing                 // its history is being written
	clientSurvivors             // the survivors
	clientSigning               // they are being signed
	clientConsents              // the consents of the others
	clientVerifying             // they are being verified
	clientReleasing             // its history is being written
	clientDone
	clientRefused
)

// A Client is one participant of one attempt: a state machine. It holds the secrets of the
// attempt, which are nowhere else: a client that is lost has dropped out.
//
// It refuses what would reveal more than a sum, as far as it can see it, and then takes
// no further part in the attempt. docs/privacy.md says what it cannot see.
type Client struct {
	terms   Terms
	member  int
	history History
	phase   clientPhase

	of       [digest.Size]byte // digest of the terms and the attempt
	seen     [kindReveal + 1][digest.Size]byte
	answered [kindReveal + 1][]byte // the message sent in answer, by the kind of the server's

	own        own
	roster     [digest.Size]byte // digest
	entries    []entry
	number     int
	parameters Parameters
	neighbours []int // ascending

	openers   [][]byte // keys that open the neighbours' bundles
	sharing   set
	peers     []peer   // neighbours that share
	shares    [][]byte // theirs
	masks     []uint32
	update    uint64
	vector    []uint32
	survivors set
}

// NewClient returns a participant of an attempt. member is its number among the members, if
// there are any. history is what it has written down of the run; the error, which wraps
// ErrUsed, says that it has begun this attempt or a later one before, with keys that are
// lost.
func NewClient(terms Terms, attempt Attempt, member int, history History) (*Client, error) {
	if err := terms.Validate(); err != nil {
		return nil, err
	}
	if terms.signed() && (member < 0 || member >= len(terms.Members)) {
		return nil, fmt.Errorf("%w: member %d, want 0 to %d", ErrTerms, member, len(terms.Members)-1)
	}
	if history != (History{}) {
		if history.Run != terms.Run {
			return nil, fmt.Errorf("%w: the history is of another run", ErrTerms)
		}
		if !attempt.after(history.Attempt) {
			return nil, fmt.Errorf("%w: attempt %d of round %d, want one after attempt %d of round %d", ErrUsed, attempt.Number, attempt.Round, history.Attempt.Number, history.Attempt.Round)
		}
	}
	history = History{Run: terms.Run, Attempt: attempt, Update: history.Update, Vectors: history.Vectors}
	return &Client{terms: terms, member: member, history: history, of: terms.digest(attempt)}, nil
}

// Step returns what follows from an event.
func (c *Client) Step(e Event) []Effect {
	if c.phase == clientRefused {
		return nil
	}
	switch e := e.(type) {
	case Begin:
		if c.phase == clientIdle {
			return c.persist(clientBeginning)
		}
		if keys := c.answered[kindKeys]; keys != nil {
			return []Effect{Send{Message: keys}}
		}
	case Received:
		return c.receive(e.Message)
	case Computed:
		return c.computed(e.Answer)
	case Vector:
		return c.take(e)
	case Persisted:
		return c.persisted()
	}
	return nil
}

// refuse ends the client's part. Inlined it would be 2 kB of a tab's program.
//
//go:noinline
func (c *Client) refuse(err error) []Effect {
	of, history := c.of, c.history
	*c = Client{phase: clientRefused, of: of, history: history}
	return []Effect{Refused{err}}
}

func (c *Client) persist(next clientPhase) []Effect {
	c.phase = next
	return []Effect{Persist{c.history.Append(nil)}}
}

func (c *Client) compute(next clientPhase, r Request) []Effect {
	c.phase = next
	return []Effect{Compute{r}}
}

// send answers a message of the server's with one of its own.
func (c *Client) send(next clientPhase, to kind, message []byte) []Effect {
	c.phase = next
	c.answered[to] = message
	return []Effect{Send{Message: message}}
}

func (c *Client) persisted() []Effect {
	switch c.phase {
	case clientBeginning:
		return c.compute(clientKeys, makeKeys{c.of, c.terms.signed()})
	case clientUsing:
		message := AppendPacked(header(nil, kindMasked, c.roster), c.masks, c.terms.Bits)
		c.masks, c.vector = nil, nil
		return c.send(clientSurvivors, kindInbox, message)
	case clientReleasing:
		return c.release()
	}
	return nil
}

// receive checks that a message is of the attempt and of the phase. One that comes again has the
// same answer; one that contradicts another ends the client's part.
func (c *Client) receive(message []byte) []Effect {
	k, body, err := open(message)
	if err != nil {
		return c.refuse(err)
	}
	of := c.roster
	if k == kindRoster {
		of = c.of
	}
	if err := checkTag(message, of); err != nil {
		return []Effect{Ignored{Err: err}}
	}
	sum := digest.Sum(message)
	switch seen := c.seen[k]; {
	case seen == sum && c.answered[k] != nil:
		return []Effect{Send{Message: c.answered[k]}}
	case seen == sum:
		return nil
	case seen != [digest.Size]byte{}:
		return c.refuse(fmt.Errorf("%w: a second message of kind %v", ErrContradiction, k))
	}
	var step func([]byte) ([]Effect, error)
	switch {
	case k == kindRoster && c.phase == clientRoster:
		step = c.takeRoster
	case k == kindInbox && c.phase == clientInbox:
		step = c.takeInbox
	case k == kindSurvivors && c.phase == clientSurvivors:
		step = c.takeSurvivors
	case k == kindConsents && c.phase == clientConsents:
		step = c.takeConsents
	default:
		return []Effect{Ignored{Err: fmt.Errorf("%w: %v", ErrPhase, k)}}
	}
	c.seen[k] = sum
	effects, err := step(body)
	if err != nil {
		return c.refuse(err)
	}
	return effects
}

func (c *Client) computed(a Answer) []Effect {
	switch a := a.(type) {
	case Broken:
		return c.refuse(a.Err)
	case keysMade:
		if c.phase == clientKeys {
			c.own = a.own
			e := entry{a.own.mask, a.own.share, c.member, a.signature}
			return c.send(clientRoster, kindKeys, c.terms.appendEntry(header(nil, kindKeys, c.of), &e))
		}
	case sharesMade:
		if c.phase == clientSharing {
			if a.refused >= 0 {
				return c.refuse(fmt.Errorf("%w: of client %d: not signed by its member, or of low order", ErrKeys, a.refused))
			}
			c.openers = a.keys
			return c.send(clientInbox, kindRoster, appendShares(header(nil, kindShares, c.roster), a.shares))
		}
	case sharesOpened:
		if c.phase == clientOpening {
			return c.opened(a)
		}
	case signed:
		if c.phase == clientSigning {
			return c.send(clientConsents, kindSurvivors, append(header(nil, kindConsent, c.roster), a.signature...))
		}
	case verified:
		if c.phase == clientVerifying {
			return c.verified(a.good)
		}
	}
	return nil
}

// takeRoster checks the public keys of all, and computes the graph.
func (c *Client) takeRoster(body []byte) ([]Effect, error) {
	r, err := c.terms.parseRoster(body)
	if err != nil {
		return nil, err
	}
	if c.parameters, err = c.terms.parameters(len(r.entries)); err != nil {
		return nil, err
	}
	if p := c.parameters; r.neighbours != p.Neighbours || r.threshold != p.Threshold {
		return nil, fmt.Errorf("%w: %d neighbours and threshold %d, want %d and %d for %d clients", ErrGraph, r.neighbours, r.threshold, p.Neighbours, p.Threshold, p.Clients)
	}
	c.number = -1
	for i, e := range r.entries {
		if e.mask == c.own.mask && e.share == c.own.share {
			c.number = i // nobody else has one of them: no key occurs twice
		}
	}
	if c.number < 0 {
		return nil, fmt.Errorf("%w: this client's are not in the roster", ErrKeys)
	}
	c.entries = r.entries
	c.roster = rosterDigest(c.of, body)
	c.neighbours = NewGraph(c.parameters, c.roster).Neighbours(c.number)
	request := makeShares{roster: c.roster, client: c.number, own: c.own, peers: c.peersOf(c.neighbours), threshold: c.parameters.Threshold}
	if c.terms.signed() {
		for i := range r.entries {
			e := &r.entries[i]
			request.signed = append(request.signed, Signature{c.terms.Members[e.member], keysSigned(c.of, e.mask, e.share), e.signature})
		}
	}
	return c.compute(clientSharing, request), nil
}

func (c *Client) peersOf(clients []int) (peers []peer) {
	for _, i := range clients {
		peers = append(peers, peer{i, c.entries[i].mask, c.entries[i].share})
	}
	return peers
}

// takeInbox checks that enough clients share.
func (c *Client) takeInbox(body []byte) ([]Effect, error) {
	in, err := parseInbox(body, c.parameters.Clients, c.neighbours)
	if err != nil {
		return nil, err
	}
	if err := c.checkSet(in.sharing, ErrGraph, "share their secrets"); err != nil {
		return nil, err
	}
	c.sharing = in.sharing
	var sharing []int
	var keys [][]byte
	for at, i := range c.neighbours {
		if in.sharing.has(i) {
			sharing = append(sharing, i)
			keys = append(keys, c.openers[at])
		}
	}
	c.peers, c.openers = c.peersOf(sharing), nil
	return c.compute(clientOpening, openShares{c.roster, c.number, c.own, c.peers, in.bundles, keys, c.terms.Length, c.terms.Bits}), nil
}

// checkSet returns an error, which wraps sentinel, unless a set has this client, min clients and a
// threshold of its neighbours.
func (c *Client) checkSet(s set, sentinel error, what string) error {
	switch n := s.of(c.neighbours); {
	case !s.has(c.number):
		return fmt.Errorf("%w: this client is not among those that %s", sentinel, what)
	case s.size() < c.terms.Min:
		return fmt.Errorf("%w: %d clients %s, want %d", sentinel, s.size(), what, c.terms.Min)
	case n < c.parameters.Threshold:
		return fmt.Errorf("%w: %d neighbours %s, want %d", sentinel, n, what, c.parameters.Threshold)
	}
	return nil
}

// opened counts the shares that are authentic. A neighbour whose bundle is not keeps its mask, and
// has one share less; a server that gives everyone another roster leaves too few.
func (c *Client) opened(a sharesOpened) []Effect {
	good := 0
	for _, s := range a.shares {
		if s != nil {
			good++
		}
	}
	if good < c.parameters.Threshold {
		return c.refuse(fmt.Errorf("%w: %d of %d neighbours have authentic shares, want %d", ErrGraph, good, len(a.shares), c.parameters.Threshold))
	}
	c.shares, c.masks = a.shares, a.masks
	c.phase = clientVector
	return c.mask()
}

// take keeps the vector until the masks are there. An update goes into one attempt only, even
// if nothing comes of it: the client cannot see whether the others have released their
// shares.
func (c *Client) take(v Vector) []Effect {
	switch {
	case c.vector != nil || c.phase > clientVector || c.phase == clientIdle:
		return []Effect{Ignored{Err: fmt.Errorf("%w: a vector", ErrPhase)}}
	case v.Update <= c.history.Update:
		return c.refuse(fmt.Errorf("%w: update %d, want one after %d", ErrUsed, v.Update, c.history.Update))
	case len(v.Values) != c.terms.Length:
		panic(fmt.Sprintf("secagg: a vector of %d integers, want %d", len(v.Values), c.terms.Length))
	}
	c.update, c.vector = v.Update, v.Values
	return c.mask()
}

// mask masks the vector once it and the masks are there.
func (c *Client) mask() []Effect {
	if c.phase != clientVector || c.vector == nil {
		return nil
	}
	for i, x := range c.vector {
		c.masks[i] += x
	}
	c.history.Update = c.update
	c.history.Vectors++
	return c.persist(clientUsing)
}

// takeSurvivors checks whose shares it is to release.
func (c *Client) takeSurvivors(body []byte) ([]Effect, error) {
	survivors, err := parseSurvivors(body, c.parameters.Clients)
	if err != nil {
		return nil, err
	}
	if !survivors.within(c.sharing) {
		return nil, fmt.Errorf("%w: some have not shared their secrets", ErrSurvivors)
	}
	if err := c.checkSet(survivors, ErrSurvivors, "survive"); err != nil {
		return nil, err
	}
	c.survivors = survivors
	if !c.terms.signed() {
		return c.releasing(), nil
	}
	return c.compute(clientSigning, sign{survivorsSigned(c.roster, c.sharing, survivors)}), nil
}

// takeConsents has the signatures verified.
func (c *Client) takeConsents(body []byte) ([]Effect, error) {
	consents, err := parseConsents(body, c.parameters.Clients)
	if err != nil {
		return nil, err
	}
	message := survivorsSigned(c.roster, c.sharing, c.survivors)
	var request verify
	for _, s := range consents {
		request.signatures = append(request.signatures, Signature{c.terms.Members[c.entries[s.client].member], message, s.signature})
	}
	return c.compute(clientVerifying, request), nil
}

func (c *Client) verified(good []bool) []Effect {
	n := 0
	for _, ok := range good {
		if ok {
			n++
		}
	}
	if want := c.terms.quorum(c.parameters.Clients); n < want {
		return c.refuse(fmt.Errorf("%w: %d clients have signed them, want %d", ErrSurvivors, n, want))
	}
	return c.releasing()
}

// releasing writes down for whom shares are released, before they are.
func (c *Client) releasing() []Effect {
	c.history.Released = digest.Sum(survivorsSigned(c.roster, c.sharing, c.survivors))
	return c.persist(clientReleasing)
}

// release sends one share of each neighbour: of its seed if it survives, or else of its mask
// key. Never both, as this happens once.
func (c *Client) release() []Effect {
	var shares []revealed
	for i, s := range c.shares {
		if s == nil {
			continue
		}
		r := revealed{dealer: c.peers[i].client}
		if c.survivors.has(r.dealer) {
			copy(r.value[:], s[:SecretSize])
		} else {
			copy(r.value[:], s[SecretSize:])
		}
		shares = append(shares, r)
	}
	to := kindSurvivors
	if c.terms.signed() {
		to = kindConsents
	}
	message := appendReveal(header(nil, kindReveal, c.roster), c.neighbours, shares)
	c.shares, c.own = nil, own{}
	return c.send(clientDone, to, message)
}
