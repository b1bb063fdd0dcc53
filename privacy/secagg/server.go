package secagg

import (
	"bytes"
	"fmt"
	"slices"

	"fedtab/learn/digest"
)

// serverPhase is what a Server waits for.
type serverPhase int

const (
	serverKeys      serverPhase = iota
	serverSigned                // signatures of the keys are being verified
	serverShares                // sealed shares
	serverMasked                // masked vectors
	serverConsent               // signatures of the survivors
	serverQuorum                // they are being verified
	serverReveal                // shares that unmask
	serverUnmasking             // masks are being computed
	serverJournal               // the sum is being written down
	serverOver
)

// The phases of an attempt, as a Dropout, a Failed and Server.Phase have them.
const (
	PhaseKeys    = "keys"
	PhaseShares  = "shares"
	PhaseMasked  = "masked"
	PhaseConsent = "consent" // with members only
	PhaseUnmask  = "unmask"
	PhaseOver    = "over"
)

// name returns the phase as a Dropout or Failed has it.
func (p serverPhase) name() string {
	switch p {
	case serverKeys, serverSigned:
		return PhaseKeys
	case serverShares:
		return PhaseShares
	case serverMasked:
		return PhaseMasked
	case serverConsent, serverQuorum:
		return PhaseConsent
	case serverOver:
		return PhaseOver
	}
	return PhaseUnmask
}

// A Server is the coordinator's side of one attempt: a state machine. It relays what the
// clients seal for each other, and ends with the masks of the sum of those whose
// vectors have arrived, or with the phase that failed and why. It sees no vector: Add tells
// the caller to add one to a Sum.
//
// Nothing follows from the order in which messages come, unless two clients have one key.
type Server struct {
	terms   Terms
	of      [digest.Size]byte // of the terms and the attempt
	phase   serverPhase
	clients map[uint64]*client
	invited []*client // ascending
	keys    map[Key]bool

	all        []*client // in the roster, by number
	parameters Parameters
	neighbours [][]int
	rosterBody []byte
	roster     [digest.Size]byte
	sharing    set
	survivors  set
	consents   []consent
	shares     [][]Share // by dealer: of its seed, or of its mask key if it has dropped out
	lacking    int       // secrets that have fewer shares than the threshold
}

// client is what the server knows of one.
type client struct {
	id       uint64
	number   int         // in the roster, or -1
	done     serverPhase // the first phase that it has not answered
	left     bool
	entry    entry
	shares   []sealedShares
	consent  []byte
	survivor bool
}

// NewServer returns the coordinator's side of an attempt to which these clients are invited.
func NewServer(terms Terms, attempt Attempt, invited []uint64) (*Server, error) {
	if err := terms.Validate(); err != nil {
		return nil, err
	}
	s := &Server{terms: terms, of: terms.digest(attempt), clients: make(map[uint64]*client, len(invited)), keys: make(map[Key]bool)}
	for _, id := range invited {
		c := &client{id: id, number: -1}
		if s.clients[id] != nil {
			return nil, fmt.Errorf("%w: client %d is invited twice", ErrTerms, id)
		}
		s.clients[id] = c
		s.invited = append(s.invited, c)
	}
	if len(invited) < terms.Min || len(invited) > MaxClients {
		return nil, fmt.Errorf("%w: %d are invited, want min (%d) to %d", ErrTooFew, len(invited), terms.Min, MaxClients)
	}
	slices.SortFunc(s.invited, func(a, b *client) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return s, nil
}

// Step returns what follows from an event.
func (s *Server) Step(e Event) []Effect {
	if s.phase == serverOver {
		return nil
	}
	switch e := e.(type) {
	case Received:
		c := s.clients[e.From]
		if c == nil {
			return []Effect{Ignored{e.From, fmt.Errorf("%w: not invited", ErrPhase)}}
		}
		c.left = false
		effects, err := s.receive(c, e.Message)
		if err != nil {
			effects = append(effects, Ignored{c.id, err})
		}
		return append(effects, s.proceed(false)...)
	case Left:
		if c := s.clients[e.From]; c != nil {
			c.left = true
			return s.proceed(false)
		}
	case Resumed:
		if c := s.clients[e.From]; c != nil {
			c.left = false
			if message := s.message(c); message != nil {
				return []Effect{Send{c.id, message}}
			}
		}
	case Deadline:
		return s.proceed(true)
	case Computed:
		return s.computed(e.Answer)
	case Persisted:
		if s.phase == serverJournal {
			return s.finish()
		}
	}
	return nil
}

// fail ends the attempt without a sum.
func (s *Server) fail(err error) []Effect {
	f := Failed{Phase: s.phase.name(), Err: err}
	for _, c := range s.invited {
		if c.done <= min(s.phase, serverReveal) {
			f.Dropped = append(f.Dropped, Dropout{c.id, c.done.name()})
		}
	}
	if s.phase == serverReveal {
		f.Spoiled = s.spoiled()
	}
	s.phase = serverOver
	return []Effect{f}
}

// spoiled returns the clients of whose secrets too few shares are authentic, although a threshold
// of their neighbours has answered.
func (s *Server) spoiled() (ids []uint64) {
	for i, c := range s.all {
		answered := 0
		for _, n := range s.neighbours[i] {
			if s.all[n].done > serverReveal {
				answered++
			}
		}
		if s.sharing.has(i) && len(s.shares[i]) < s.parameters.Threshold && answered >= s.parameters.Threshold {
			ids = append(ids, c.id)
		}
	}
	return ids
}

// Phase names what the attempt is at.
func (s *Server) Phase() string { return s.phase.name() }

// Awaited returns the clients whose answers the phase waits for, ascending.
func (s *Server) Awaited() (ids []uint64) {
	for _, c := range s.invited {
		if !c.left && s.awaits(c) {
			ids = append(ids, c.id)
		}
	}
	return ids
}

// awaits reports whether a client may answer the phase, and has not.
func (s *Server) awaits(c *client) bool {
	if c.done > s.phase {
		return false
	}
	switch s.phase {
	case serverKeys:
		return true
	case serverShares:
		return c.number >= 0
	case serverMasked:
		return c.number >= 0 && s.sharing.has(c.number)
	case serverConsent:
		return c.survivor
	case serverReveal:
		return c.survivor && (c.consent != nil || !s.terms.signed())
	}
	return false
}

// answers are what the phases that wait for clients receive, and where one is that has answered.
var answers = map[serverPhase]struct {
	kind kind
	then serverPhase
}{
	serverKeys:    {kindKeys, serverShares},
	serverShares:  {kindShares, serverMasked},
	serverMasked:  {kindMasked, serverConsent},
	serverConsent: {kindConsent, serverReveal},
	serverReveal:  {kindReveal, serverUnmasking},
}

// receive takes an answer to the phase. A repeated one, or one of an earlier phase, changes nothing.
func (s *Server) receive(c *client, message []byte) ([]Effect, error) {
	k, body, err := open(message)
	if err != nil {
		return nil, err
	}
	of := s.roster
	if k == kindKeys {
		of = s.of
	}
	if err := checkTag(message, of); err != nil {
		return nil, err
	}
	if k != answers[s.phase].kind || !s.awaits(c) {
		return nil, fmt.Errorf("%w: %v", ErrPhase, k)
	}
	var effects []Effect
	switch k {
	case kindKeys:
		err = s.takeKeys(c, body)
	case kindShares:
		c.shares, err = parseShares(bytes.Clone(body), s.parameters.Neighbours)
	case kindMasked:
		if err = checkPacked(body, s.terms.Length, s.terms.Bits); err == nil {
			c.survivor = true
			effects = []Effect{Add{c.id, body}}
		}
	case kindConsent:
		if err = size(k, body, SignatureSize); err == nil {
			c.consent = bytes.Clone(body)
		}
	case kindReveal:
		err = s.takeReveal(c, body)
	}
	if err != nil && k != kindReveal { // what is right in a reveal counts
		return nil, err
	}
	c.done = answers[s.phase].then
	return effects, err
}

// takeKeys takes keys that nobody else has sent.
func (s *Server) takeKeys(c *client, body []byte) error {
	e, err := s.terms.parseKeys(bytes.Clone(body))
	if err != nil {
		return err
	}
	if s.keys[e.mask] || s.keys[e.share] {
		return fmt.Errorf("%w: another client has one of them", ErrKeys)
	}
	s.keys[e.mask], s.keys[e.share] = true, true
	c.entry = e
	return nil
}

// takeReveal takes the shares that are those that their dealers have committed to. The error
// says which is not.
func (s *Server) takeReveal(holder *client, body []byte) error {
	shares, err := parseReveal(body, s.neighbours[holder.number])
	if err != nil {
		return err
	}
	for i := range shares {
		r := &shares[i]
		dealer := s.all[r.dealer]
		if !s.sharing.has(r.dealer) {
			err = fmt.Errorf("%w: of client %d, which has not shared its secrets", ErrShares, dealer.id)
			continue
		}
		which := 0
		if !s.survivors.has(r.dealer) {
			which = 1
		}
		place, _ := slices.BinarySearch(s.neighbours[r.dealer], holder.number)
		if commit(s.roster, r.dealer, holder.number, which, &r.value) != dealer.shares[place].commitments[which] {
			err = fmt.Errorf("%w: that of client %d is not the one that it has committed to", ErrShares, dealer.id)
			continue
		}
		s.shares[r.dealer] = append(s.shares[r.dealer], Share{byte(place + 1), r.value})
		if len(s.shares[r.dealer]) == s.parameters.Threshold {
			s.lacking--
		}
	}
	return err
}

// proceed goes on to the next phase once nobody is awaited, or at the deadline.
func (s *Server) proceed(deadline bool) []Effect {
	if s.phase == serverReveal && s.lacking == 0 {
		return s.unmask()
	}
	if _, ok := answers[s.phase]; !ok {
		return nil // an answer or the journal is awaited
	}
	for _, c := range s.invited {
		if !deadline && !c.left && s.awaits(c) {
			return nil
		}
	}
	switch s.phase {
	case serverKeys:
		return s.closeKeys()
	case serverShares:
		return s.closeShares()
	case serverMasked:
		return s.closeMasked()
	case serverConsent:
		return s.closeConsent()
	}
	return s.fail(s.lacks())
}

// announce sends the phase's message to those that are to answer it.
func (s *Server) announce(phase serverPhase) []Effect {
	s.phase = phase
	var effects []Effect
	for _, c := range s.all {
		if message := s.message(c); message != nil {
			effects = append(effects, Send{c.id, message})
		}
	}
	return effects
}

// message returns the phase's message to a client, or nil.
func (s *Server) message(c *client) []byte {
	if c.done > s.phase || !s.awaits(c) {
		return nil
	}
	switch s.phase {
	case serverShares:
		return append(header(nil, kindRoster, s.of), s.rosterBody...)
	case serverMasked:
		in := inbox{sharing: s.sharing}
		for _, dealer := range s.neighbours[c.number] {
			if s.sharing.has(dealer) {
				place, _ := slices.BinarySearch(s.neighbours[dealer], c.number)
				in.bundles = append(in.bundles, s.all[dealer].shares[place].bundle)
			}
		}
		return appendInbox(header(nil, kindInbox, s.roster), &in)
	case serverConsent:
		return append(header(nil, kindSurvivors, s.roster), s.survivors...)
	case serverReveal:
		if s.terms.signed() {
			return appendConsents(header(nil, kindConsents, s.roster), s.consents)
		}
		return append(header(nil, kindSurvivors, s.roster), s.survivors...)
	}
	return nil
}

// closeKeys makes the roster, once the signatures are verified if there are any.
func (s *Server) closeKeys() []Effect {
	for _, c := range s.invited {
		if c.done > serverKeys {
			s.all = append(s.all, c)
		}
	}
	slices.SortFunc(s.all, func(a, b *client) int { return bytes.Compare(a.entry.mask[:], b.entry.mask[:]) })
	if !s.terms.signed() {
		return s.makeRoster()
	}
	var request verify
	for _, c := range s.all {
		e := &c.entry
		request.signatures = append(request.signatures, Signature{s.terms.Members[e.member], keysSigned(s.of, e.mask, e.share), e.signature})
	}
	s.phase = serverSigned
	return []Effect{Compute{request}}
}

// keepSigned drops the keys that no member has signed, and all but the first of a member.
func (s *Server) keepSigned(good []bool) (effects []Effect) {
	signers := newSet(len(s.terms.Members))
	var all []*client
	for i, c := range s.all {
		if good[i] && !signers.has(c.entry.member) {
			signers.add(c.entry.member)
			all = append(all, c)
			continue
		}
		c.done = serverKeys
		effects = append(effects, Ignored{c.id, fmt.Errorf("%w: not signed by member %d, or a second time", ErrKeys, c.entry.member)})
	}
	s.all = all
	return effects
}

// makeRoster numbers the clients and announces their keys.
func (s *Server) makeRoster() []Effect {
	var err error
	if s.parameters, err = s.terms.parameters(len(s.all)); err != nil {
		return s.fail(err)
	}
	r := roster{neighbours: s.parameters.Neighbours, threshold: s.parameters.Threshold}
	for i, c := range s.all {
		c.number = i
		r.entries = append(r.entries, c.entry)
	}
	s.rosterBody = s.terms.appendRoster(nil, &r)
	s.roster = rosterDigest(s.of, s.rosterBody)
	g := NewGraph(s.parameters, s.roster)
	s.neighbours = make([][]int, len(s.all))
	for i := range s.all {
		s.neighbours[i] = g.Neighbours(i)
	}
	return s.announce(serverShares)
}

// closeShares fixes who shares, and hands the bundles on.
func (s *Server) closeShares() []Effect {
	s.sharing = newSet(len(s.all))
	for _, c := range s.all {
		if c.done > serverShares {
			s.sharing.add(c.number)
		}
	}
	if err := s.checkSet(s.sharing, "have shared their secrets"); err != nil {
		return s.fail(err)
	}
	return s.announce(serverMasked)
}

// closeMasked fixes whose sum it is.
func (s *Server) closeMasked() []Effect {
	s.survivors = newSet(len(s.all))
	for _, c := range s.all {
		if c.survivor {
			s.survivors.add(c.number)
		}
	}
	if err := s.checkSet(s.survivors, "have sent a masked vector"); err != nil {
		return s.fail(err)
	}
	s.shares = make([][]Share, len(s.all))
	s.lacking = s.sharing.size()
	if !s.terms.signed() {
		return s.announce(serverReveal)
	}
	if n, want := s.survivors.size(), s.terms.quorum(len(s.all)); n < want {
		return s.fail(fmt.Errorf("%w: %d have sent a masked vector, and %d must sign", ErrTooFew, n, want))
	}
	return s.announce(serverConsent)
}

// checkSet returns an error, which wraps ErrTooFew, unless a set has min clients, and a
// threshold of neighbours of each client that shares.
func (s *Server) checkSet(of set, what string) error {
	if n := of.size(); n < s.terms.Min {
		return fmt.Errorf("%w: %d of %d clients %s, want %d", ErrTooFew, n, len(s.all), what, s.terms.Min)
	}
	for i := range s.all {
		if n := of.of(s.neighbours[i]); s.sharing.has(i) && n < s.parameters.Threshold {
			return fmt.Errorf("%w: %d of %d neighbours of client %d %s, want %d", ErrTooFew, n, s.parameters.Neighbours, s.all[i].id, what, s.parameters.Threshold)
		}
	}
	return nil
}

// closeConsent has the signatures verified.
func (s *Server) closeConsent() []Effect {
	message := survivorsSigned(s.roster, s.sharing, s.survivors)
	var request verify
	for _, c := range s.all {
		if c.consent != nil {
			s.consents = append(s.consents, consent{c.number, c.consent})
			request.signatures = append(request.signatures, Signature{s.terms.Members[c.entry.member], message, c.consent})
		}
	}
	s.phase = serverQuorum
	return []Effect{Compute{request}}
}

func (s *Server) computed(a Answer) []Effect {
	switch a := a.(type) {
	case Broken:
		return s.fail(a.Err)
	case verified:
		switch s.phase {
		case serverSigned:
			return append(s.keepSigned(a.good), s.makeRoster()...)
		case serverQuorum:
			var consents []consent
			for i, ok := range a.good {
				if ok {
					consents = append(consents, s.consents[i])
				}
			}
			s.consents = consents
			if n, want := len(consents), s.terms.quorum(len(s.all)); n < want {
				return s.fail(fmt.Errorf("%w: %d have signed the survivors, want %d", ErrTooFew, n, want))
			}
			return s.announce(serverReveal)
		}
	case Unmasked:
		switch {
		case s.phase != serverUnmasking:
		case a.Err != nil:
			return s.fail(a.Err)
		default:
			s.phase = serverJournal
			return []Effect{Journal{a.Masks}}
		}
	}
	return nil
}

// lacks says whose secret does not reconstruct.
func (s *Server) lacks() error {
	for i := range s.all {
		if n := len(s.shares[i]); s.sharing.has(i) && n < s.parameters.Threshold {
			return fmt.Errorf("%w: %d shares of client %d have been released, want %d: %d secrets lack some", ErrShares, n, s.all[i].id, s.parameters.Threshold, s.lacking)
		}
	}
	panic("secagg: no secret lacks shares")
}

// unmask asks for the masks that are left in the sum.
func (s *Server) unmask() []Effect {
	s.phase = serverUnmasking
	u := &Unmasking{Length: s.terms.Length, Bits: s.terms.Bits, roster: s.roster, threshold: s.parameters.Threshold}
	for i, c := range s.all {
		if !s.sharing.has(i) {
			continue
		}
		secret := shared{client: i, id: c.id, shares: s.shares[i]}
		if !s.survivors.has(i) {
			secret.mask = c.entry.mask
			for _, n := range s.neighbours[i] {
				if s.survivors.has(n) {
					secret.peers = append(secret.peers, peer{n, s.all[n].entry.mask, s.all[n].entry.share})
				}
			}
		}
		u.secrets = append(u.secrets, secret)
	}
	return []Effect{Compute{u}}
}

// finish says whose sum it is.
func (s *Server) finish() []Effect {
	var f Finished
	for _, c := range s.invited {
		if c.survivor {
			f.Survivors = append(f.Survivors, c.id)
		} else {
			f.Dropped = append(f.Dropped, Dropout{c.id, c.done.name()})
		}
	}
	s.phase = serverOver
	return []Effect{f}
}
