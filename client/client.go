// Package client is one participant: it takes orders, trains on local data
// and packs the answer. The tab, the swarm and the simulator share it.
//
// A Client is a deterministic state machine beside strategy's and run's. It
// has no socket, no clock and no goroutine. Its driver hands it the
// coordinator's messages (Receive) and the examples (AddShard), calls Work for
// one bounded slice of training at a time, so that a tab can breathe between
// slices, and sends the messages that these calls return, in order.
package client

import (
	"fmt"
	"slices"

	"fedtab/compress"
	"fedtab/learn"
	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/protocol"
	"fedtab/tab"
)

// Config is fixed for the life of a Client.
type Config struct {
	Name    string // of the program, for the coordinator's log
	Task    string
	Invite  string   // code of an invite, with which it joins as a new participant; empty: none
	Models  Models   // nil keeps models of its own
	Packers *Packers // memory to pack in, nil for some of its own
	Report  Reporter // answers orders for payloads; nil declines them
	Compare bool     // work for the person's own comparison when there is no other work
	Watched bool     // a person looks on: pack in a slice of its own, and keep the newest answer
	// Give hands a part of an order that is split to a helper on another core, and reports
	// whether there is one that is not at work on this order. The helper answers by
	// Client.PartSums and Client.PartDone. nil: there is none.
	Give   func(*Part) bool
	Secure *Secure // for secure aggregation; nil: the client takes part in no task that has it
	Exact  func()  // called before work on an order that is to be reproducible, unless nil
}

// Client is one participant in one run. Its methods are called from one
// goroutine, or under one lock.
type Client struct {
	cfg     Config
	welcome *protocol.Welcome
	model   learn.Model
	tab     protocol.TabState

	// The model that the client holds; params is nil when it holds none, and
	// is never written to: others may share it.
	version     uint64
	hash        [32]byte
	params      []float32
	initDiffers bool // this machine makes another version 0 than the coordinator's

	// A local model to start from that has been sent, and the one that the
	// client trains where orders follow each other on one (Monitor).
	start     []float32
	startHash [32]byte
	local     []float32
	localBase [32]byte // that local has gone on from; zero when there is none
	unchecked bool     // local may have violated the condition already

	feedback *compress.Feedback // of its deltas; nil until an order asks for it
	residual []byte             // of feedback, as it was saved

	packedRound uint64 // that the newest answer was packed for
	away        bool   // the client has been away since

	stream     int       // mini-batches taken by orders that follow each other
	control    []float32 // the server's control variate, of the version held; nil is zero
	ownControl []float32 // the client's own control variate; nil is zero

	shards   map[uint32]*data.Set
	origin   string // the source of the shards
	assigned []uint32
	makeDo   bool          // begin the order in work without shards that are missing
	private  data.Examples // of its own, in place of shards
	own      own           // a person's own data, of which private is made

	enquiry    *protocol.Order // to be answered beside the order; nil: none
	enquired   []float32       // parameters that it is about
	evaluating *Workspace      // on which the enquiry's evaluation was begun
	evaluated  *Evaluation     // newest
	compare    comparing

	answered uint64    // version from which the newest answer was trained
	answer   []float32 // parameters that the newest answer was made of; nil: there is none, or nobody watches

	order     *protocol.Order // to be worked on
	examples  data.Examples   // that the order in work trains on
	workspace *Workspace      // on which the order in work was begun
	base      []float32       // parameters that the order in work was begun from; an enquiry may have brought newer ones
	parts     [][]byte        // base models that are done, packed
	split     *split          // of the order in work; nil: it is trained as a whole
	sums      learn.Sums      // of a Monitor or Base order
	made      int             // mini-batches, of the same
	kept      []kept          // packed contributions, until their rounds are closed

	secured   secureTerms // of secure aggregation
	exchange  exchange    // its newest attempt
	masking   *masking    // what is trained and not handed to it; nil: nothing
	history   []byte      // what it must not forget
	unsent    []float32   // of its answers, until later rounds
	before    []float32   // the same before the newest masked vector
	unsettled bool        // it is not known yet whether that counts

	status   *protocol.Status
	progress Progress
}

// Progress is what the client is doing, for people.
type Progress struct {
	Activity  Activity
	Order     uint64
	Round     uint64
	Done      int     // examples of this order worked through
	Total     int     // examples of this order
	Loss      float64 // mean loss so far in this order
	Accuracy  float64 // likewise, share classified rightly
	Accepted  int     // contributions accepted so far
	Trained   int     // examples behind them, with repetition
	Rejected  int
	Outcome   tab.Outcome // of the newest order that is done with
	LastError string      // of the last contribution or order that failed
	Codec     string      // by which the last order's answer is packed
	CodecDown string      // by which the version held came; empty while none has
}

// Activity is the one thing that a client is doing.
type Activity = tab.Activity

// The activities.
const (
	Idle        = tab.Idle
	Waiting     = tab.Waiting
	Downloading = tab.Downloading
	Training    = tab.Training
	Packing     = tab.Packing
	Sending     = tab.Sending
	Agreeing    = tab.Agreeing
	Summing     = tab.Summing
	Paused      = tab.Paused
	Finished    = tab.Over
)

// New returns a participant that has not said hello.
func New(cfg Config) *Client {
	if cfg.Models == nil {
		cfg.Models = OwnModels()
	}
	if cfg.Packers == nil {
		cfg.Packers = new(Packers)
	}
	c := &Client{cfg: cfg, tab: protocol.TabVisible, shards: map[uint32]*data.Set{}, progress: Progress{Activity: Idle}}
	if cfg.Secure != nil {
		c.history = cfg.Secure.History
	}
	return c
}

// Hello returns the message that opens a new socket. After a lost socket it
// asks for the same participant again.
func (c *Client) Hello() *protocol.Hello {
	h := &protocol.Hello{
		Protocol: protocol.Version, Task: c.cfg.Task, Client: c.cfg.Name,
		Codecs: compress.Codecs(), TabState: c.tab,
	}
	if c.cfg.Report != nil {
		h.Payloads = c.cfg.Report.Kinds()
	} else if c.own.Own != nil {
		h.Payloads = []protocol.PayloadKind{protocol.PayloadBytes}
	}
	if c.cfg.Secure != nil {
		h.Payloads = append(h.Payloads, protocol.PayloadMasked)
		if c.cfg.Secure.Members != nil {
			h.Payloads = append(h.Payloads, protocol.PayloadSigned)
		}
	}
	if c.initDiffers { // differences lead from the coordinator's version 0
		h.Codecs = compress.Standalone()
	}
	for _, k := range c.cfg.Packers.Codecs {
		h.Codecs = append(h.Codecs, k.ID)
	}
	if c.welcome != nil {
		h.ResumeToken = c.welcome.ResumeToken
	}
	if len(h.ResumeToken) == 0 {
		h.Invite = c.cfg.Invite
	}
	if c.params != nil {
		h.Held, h.HeldHash = c.version, c.hash[:]
	}
	return h
}

// Forget drops everything that belongs to a run: the coordinator does not
// know it any more. What the person has contributed stays counted.
func (c *Client) Forget() {
	o, done, history := c.own.Own, c.progress, c.history
	*c = *New(c.cfg)
	c.history = history
	c.progress.Accepted, c.progress.Trained, c.progress.Rejected, c.progress.Outcome = done.Accepted, done.Trained, done.Rejected, done.Outcome
	if o != nil {
		_ = c.SetOwn(o) // it fitted before, and the model is not known yet
	}
}

// Receive handles a message from the coordinator, bodies complete, and
// returns what is to be sent. An error means that the coordinator does not
// keep to the protocol.
func (c *Client) Receive(m protocol.Message) ([]protocol.Message, error) {
	if w, ok := m.(*protocol.Welcome); ok {
		return c.welcomed(w)
	}
	if c.model == nil {
		if _, ok := m.(*protocol.Bye); ok {
			return nil, nil // sent away at the door
		}
		return nil, fmt.Errorf("client: %T before the welcome", m)
	}
	switch m := m.(type) {
	case *protocol.Shards:
		c.assign(m)
	case *protocol.Model:
		return c.received(m)
	case *protocol.Order:
		if m.Order >= protocol.EnquiryOrders {
			return c.enquiryOrdered(m), nil
		}
		return c.ordered(m), nil
	case *protocol.Constants:
		return nil, c.standardise(m)
	case *protocol.Ack:
		c.acknowledged(m)
	case *protocol.Status:
		c.statusChanged(m)
	case *protocol.Fetch:
		return c.fetched(m), nil
	case *protocol.Secure:
		return c.secureReceived(m), nil
	case *protocol.Bye:
		if m.Code == protocol.CloseFinished {
			c.drop(Finished)
		}
	default:
		return nil, fmt.Errorf("client: %T is not for clients", m)
	}
	return nil, nil
}

func (c *Client) welcomed(w *protocol.Welcome) ([]protocol.Message, error) {
	spec := SpecOf(w.Model)
	model, err := learn.New(spec)
	if err != nil {
		return nil, fmt.Errorf("client: the task's model: %w", err)
	}
	if n := uint64(model.Layout().Size); n != w.Parameters {
		return nil, fmt.Errorf("client: the model has %d parameters here and %d at the coordinator", n, w.Parameters)
	}
	if err := c.checkSecure(w); err != nil {
		return nil, err
	}
	if c.welcome != nil && c.welcome.Run != w.Run {
		c.endExchange()
		c.unsent = nil
		c.drop(c.resting())
		c.params, c.kept = nil, nil
		c.start, c.localBase, c.stream, c.control, c.ownControl = nil, [32]byte{}, 0, nil, nil
		c.feedback, c.residual, c.packedRound, c.answer = nil, nil, 0, nil
		c.endEnquiry()
		c.evaluated, c.compare = nil, comparing{}
		if o := c.own.Own; o != nil { // the other run has other constants
			c.own, c.private = own{}, nil
			_ = c.SetOwn(o)
		}
	}
	var out []protocol.Message
	if c.welcome == nil && c.cfg.Invite != "" {
		// Until the coordinator hears from it, a client whose socket is lost has not joined.
		out = append(out, &protocol.Tab{State: c.tab})
	}
	c.welcome, c.model = w, model
	if c.private != nil && c.own.Own != nil {
		if err := fits(spec, c.private, "own data has"); err != nil {
			return nil, err
		}
	}
	if len(c.ownControl) != model.Layout().Size {
		c.ownControl = nil // nil, or saved by something else
	}
	if c.progress.Activity == Idle {
		c.progress.Activity = c.resting()
	}
	c.away = c.packedRound > 0
	if c.params != nil {
		return out, nil
	}
	params := c.cfg.Models.Initial(model, w.Seed)
	hash := learn.Hash(params)
	if c.initDiffers = !slices.Equal(hash[:], w.InitialHash); c.initDiffers {
		// This machine makes another version 0: ask for the coordinator's.
		return append(out, &protocol.Want{Version: 0, Full: true}), nil
	}
	c.version, c.hash, c.params = 0, hash, params
	return out, nil
}

func (c *Client) received(m *protocol.Model) ([]protocol.Message, error) {
	if c.initDiffers && len(m.Vectors) > 0 && m.Vectors[0].Codec == protocol.CodecGrid {
		return nil, nil // sent before the coordinator knew; all of a version is asked for
	}
	if len(m.Vectors) == 1 && m.Vectors[0].Role == protocol.RoleDelta && m.Version == m.Base {
		return nil, c.receivedStart(m)
	}
	params, control, err := c.cfg.Models.Unpack(m, c.model.Layout().Size, c.held)
	if err != nil {
		return nil, fmt.Errorf("client: model of version %d, from version %d: %w", m.Version, m.Base, err)
	}
	c.version, c.params, c.control = m.Version, params, control
	c.progress.CodecDown = m.Vectors[0].Codec.String()
	copy(c.hash[:], m.Hash)
	if c.order != nil && !c.holds(c.order) {
		// The version that it rests on is not to be had any more.
		out := decline(c.order, protocol.ReasonWrongBase, "")
		c.drop(c.resting())
		return out, nil
	}
	return nil, nil
}

// Release lets go of a held version that is older than the one given, unless the
// order in work needs it. A coordinator must not be about to send a difference
// from it.
func (c *Client) Release(before uint64) {
	if c.order == nil && c.version != 0 && c.version < before {
		c.version, c.hash, c.params, c.control = 0, [32]byte{}, nil, nil
	}
}

// held returns the parameters and the control variate of a version that the client
// holds, or of version 0, which it can always make; nil for others.
func (c *Client) held(version uint64, hash []byte) (params, control []float32) {
	if c.params != nil && version == c.version && slices.Equal(hash, c.hash[:]) {
		return c.params, c.control
	}
	if version == 0 && !c.initDiffers && slices.Equal(hash, c.welcome.InitialHash) {
		return c.cfg.Models.Initial(c.model, c.welcome.Seed), nil
	}
	return nil, nil
}

// receivedStart takes a local model to start from, a delta against the version
// that the client holds.
func (c *Client) receivedStart(m *protocol.Model) error {
	v := &m.Vectors[0]
	if c.params == nil || !slices.Equal(v.BaseHash, c.hash[:]) {
		return nil // it is of no use; the order after it starts from its base
	}
	start := make([]float32, len(c.params))
	if err := compress.Decode(v.Codec, start, v.Block); err != nil {
		return fmt.Errorf("client: local model: %w", err)
	}
	kernel.Axpy(start, 1, c.params)
	if hash := learn.Hash(start); !slices.Equal(hash[:], m.Hash) {
		return fmt.Errorf("client: the local model does not match its hash %x", m.Hash)
	}
	c.start = start
	copy(c.startHash[:], m.Hash)
	return nil
}

func (c *Client) ordered(o *protocol.Order) []protocol.Message {
	for i := range c.kept {
		k := &c.kept[i]
		if v := &k.Vectors[0]; k.Order == o.Order && (v.Kind != protocol.PayloadFloat32 || slices.Equal(v.BaseHash, o.BaseHash)) {
			if k.Round == 0 { // it is in no buffer any more, so no round that is closed has counted it
				k.closes = 0
			}
			return []protocol.Message{k.Contribution} // finished before the socket was lost
		}
	}
	if c.order != nil && c.order.Order == o.Order && c.holds(o) || c.masking != nil && c.masking.order.Order == o.Order {
		if c.secures() {
			if err := c.beginExchange(o); err != nil {
				return decline(o, protocol.ReasonUnsupported, err.Error())
			}
		}
		return nil // at work on it
	}
	switch {
	case !c.reports(o):
		return decline(o, protocol.ReasonUnsupported, "this client does not have the payloads that are asked for")
	case !supported(o.Kind):
		return decline(o, protocol.ReasonUnsupported, fmt.Sprintf("this client has no orders of kind %v", o.Kind))
	case c.tab == protocol.TabPaused || c.tab == protocol.TabFrozen:
		return decline(o, protocol.ReasonPaused, "")
	case !c.cfg.Packers.has(o.Hyper.Codec):
		return decline(o, protocol.ReasonCodec, "")
	}
	if c.secures() {
		if err := c.beginExchange(o); err != nil {
			return decline(o, protocol.ReasonUnsupported, err.Error())
		}
	}
	// What is still to be offered again is what may be in an open buffer.
	c.kept = slices.DeleteFunc(c.kept, func(k kept) bool { return k.Round != 0 || !k.accepted })
	c.drop(Downloading)
	c.order, c.makeDo = c.withOwnSeed(o), false
	c.progress = Progress{
		Activity: Downloading, Order: o.Order, Round: o.Round,
		Accepted: c.progress.Accepted, Trained: c.progress.Trained, Rejected: c.progress.Rejected,
		Outcome: c.progress.Outcome, LastError: c.progress.LastError,
		Codec: o.Hyper.Codec.String(), CodecDown: c.progress.CodecDown,
	}
	if !c.holds(o) {
		return []protocol.Message{&protocol.Want{Version: o.Base, Full: true}}
	}
	return nil
}

func supported(k protocol.OrderKind) bool {
	switch k {
	case protocol.OrderFit, protocol.OrderGradient, protocol.OrderMonitor, protocol.OrderBase, protocol.OrderReport:
		return true
	}
	return false
}

func (c *Client) holds(o *protocol.Order) bool {
	if o == c.order && c.base != nil && !o.Hyper.Control {
		return true
	}
	return c.params != nil && c.version == o.Base && slices.Equal(c.hash[:], o.BaseHash)
}

func decline(o *protocol.Order, r protocol.Reason, detail string) []protocol.Message {
	return []protocol.Message{&protocol.Decline{Order: o.Order, Reason: r, Detail: detail}}
}

// drop forgets the order in work.
//
// Copies of it in its many callers would take 4 kB of the worker.
//
//go:noinline
func (c *Client) drop(next Activity) {
	c.order, c.examples, c.workspace, c.parts, c.base, c.split = nil, nil, nil, nil, nil, nil
	c.sums, c.made = learn.Sums{}, 0
	c.progress.Activity = next
}

// SetTab tells what the browser lets the tab do, or what the person wants.
func (c *Client) SetTab(s protocol.TabState) []protocol.Message {
	if s == c.tab {
		return nil
	}
	was := c.tab
	c.tab = s
	if c.model == nil {
		return nil
	}
	out := []protocol.Message{&protocol.Tab{State: s}}
	switch {
	case s == protocol.TabPaused:
		if c.order != nil {
			out = append(out, decline(c.order, protocol.ReasonPaused, "")...)
			c.drop(c.resting())
		}
		if c.enquiry != nil {
			out = append(out, decline(c.enquiry, protocol.ReasonPaused, "")...)
			c.endEnquiry()
		}
		fallthrough
	case was == protocol.TabPaused:
		if c.progress.Activity != Finished {
			c.progress.Activity = c.resting()
		}
	}
	return out
}

// resting returns what a client does that has no order: a pause outlasts the answers that
// come in it.
func (c *Client) resting() Activity {
	switch {
	case c.tab == protocol.TabPaused:
		return Paused
	case c.masking != nil:
		return Agreeing
	case c.exchange.sent != nil:
		return Summing
	}
	return Waiting
}

// Progress returns what the client is doing.
func (c *Client) Progress() Progress { return c.progress }

// Status returns what the coordinator said last, nil before it said anything.
func (c *Client) Status() *protocol.Status { return c.status }

// Welcome returns the coordinator's welcome, nil before it.
func (c *Client) Welcome() *protocol.Welcome { return c.welcome }

// Keeps says whether the client keeps a contribution whose round is open.
func (c *Client) Keeps() bool { return len(c.kept) > 0 }

// Kept returns the order that the newest kept contribution answers, 0 when
// there is none.
func (c *Client) Kept() uint64 {
	if len(c.kept) == 0 {
		return 0
	}
	return c.kept[len(c.kept)-1].Order
}

// Held returns the model that the client holds, which the caller must not
// write to; params is nil when there is none.
func (c *Client) Held() (version uint64, params []float32) { return c.version, c.params }

// Monitors says whether the order in work is one without an end.
func (c *Client) Monitors() bool { return c.order != nil && c.order.Kind == protocol.OrderMonitor }

// Local returns the model that the client trains between orders that follow each
// other, or is about to train, which the caller must not write to; nil when there
// is none.
func (c *Client) Local() []float32 {
	if o := c.order; c.Monitors() && c.holds(o) && c.examples == nil {
		if from := c.source(o); from != nil {
			return from
		}
	}
	if c.localBase == ([32]byte{}) || c.localBase != c.hash {
		return nil
	}
	return c.local
}
