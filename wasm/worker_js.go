package main

import (
	"errors"
	"time"

	"fedtab/client"
	"fedtab/learn/data"
	"fedtab/learn/kernel"
	"fedtab/protocol"
	"fedtab/tab"
)

// event is anything that happens outside the loop.
type event any

type (
	joinCommand struct {
		socket, task, tab, invite string
		participants              int
		first                     int // of those of the tab, which other workers may share
	}
	leaveCommand   struct{}
	tabCommand     struct{ state protocol.TabState }
	pauseCommand   struct{ paused bool }
	networkCommand struct{ online bool }

	socketOpened  struct{ generation int }
	socketMessage struct {
		generation int
		frame      []byte
	}
	socketClosed struct {
		generation int
		code       protocol.CloseCode
		detail     string
	}
	reconnectDue struct{ generation int }
	doorAnswered struct { // after a socket that was refused
		generation int
		reached    bool // the coordinator has answered
		code, why  string
		bytes      int64
	}
	shardFetched struct {
		source string
		number uint32
		set    *data.Set
		bytes  int64
		err    error
	}
	fetchDue struct { // after a fetch that failed
		number uint32
		pause  int
	}
	orderHurries struct{ order uint64 } // a part of its time is over
)

// worker is one participant.
type worker struct {
	queue   *queue
	own     *own                    // the tab's own data
	account *tab.Account            // of all that the tab moves
	give    func(*client.Part) bool // to a helper
	exact   func()                  // makes products round alike in every browser

	client    *client.Client
	workspace *client.Workspace
	spec      string // of the model that workspace is for

	socket     *socket
	generation int // of the socket; events of older ones are dropped
	attempts   int // to connect since the last welcome
	retryAt    time.Time
	opened     bool   // the newest socket has been open
	unopened   int    // sockets in a row that never were
	offline    bool   // the browser has no network
	refusal    string // code of why it was refused, empty if it was not
	url, task  string
	body       protocol.Assembler
	bye        *protocol.Bye
	sending    int64           // bytes of the answer that was sent last; 0: they have left
	due        time.Time       // of the newest order; zero: none
	hurry      *time.Timer     // after which that order waits for no more shards; nil: none was set
	past       client.Progress // of a client that is no more

	fetching map[uint32]int // shards under way, as 0, or that wait, by the number of their pause
	pauses   int            // counts them
	trouble  fetchTrouble
	origin   string // of the shards

	visible, paused bool
	frozen          bool

	keep  keeper
	vault *vault
	joins int // counts them, so that late answers to older ones are dropped

	steps  int            // mini-batches in a slice
	conn   tab.Connection // empty before it is to join
	detail string
	up     int64
	down   int64
	meter  meter
}

// sliceTime is how long a slice of training lasts: short enough that messages
// and commands are answered at once, long enough that handing the thread over
// costs nothing.
const sliceTime = 20 * time.Millisecond

// sleepEvery is how often the loop really sleeps between slices, so that
// timers fire, which a message round trip does not let happen.
const sleepEvery = 200 * time.Millisecond

// able says whether the participant has something to train.
func (w *worker) able() bool {
	if w.client != nil && w.conn == tab.Finished {
		return w.client.Compares() // for the person alone
	}
	return w.client != nil && (w.conn == tab.Joined || w.conn == tab.Reconnecting) && w.client.Ready()
}

// slice trains for a moment.
func (w *worker) slice() {
	began := time.Now()
	before := w.client.Progress()
	out := w.client.Work(w.workspace, w.steps)
	w.meter.add(w.client.Progress(), before)
	w.save() // before it is sent: it may be the last thing that this page does
	w.send(out)
	if len(out) == 0 { // a full slice, without packing
		w.steps = nextSlice(w.steps, time.Since(began))
	}
}

// nextSlice adapts the number of mini-batches in a slice to the time that the
// last one took.
func nextSlice(steps int, took time.Duration) int {
	if took <= 0 {
		return steps * 2
	}
	want := int(float64(steps) * float64(sliceTime) / float64(took))
	return min(max(want, 1), steps*2, 100_000)
}

func (w *worker) handle(e event) {
	switch e := e.(type) {
	case joinCommand:
		w.join(e)
	case leaveCommand:
		w.leave()
	case networkCommand:
		w.networkChanged(e.online)
	case pauseCommand:
		w.paused = e.paused
		w.tabChanged()
	case tabCommand:
		w.visible, w.frozen = e.state == protocol.TabVisible, e.state == protocol.TabFrozen
		w.tabChanged()
	case socketOpened:
		if e.generation == w.generation {
			w.opened, w.refusal, w.unopened = true, "", 0
			w.send([]protocol.Message{w.client.Hello()})
		}
	case socketMessage:
		if e.generation == w.generation {
			w.receive(e.frame)
		}
	case socketClosed:
		if e.generation == w.generation {
			w.closed(e.code, e.detail)
		}
	case reconnectDue:
		if e.generation == w.generation && w.conn == tab.Reconnecting {
			w.connect()
		}
	case doorAnswered:
		w.turnedAway(e)
	case keptLoaded:
		w.loaded(e)
	case keptWritten:
		w.keep.writing = false
		if e.err != nil {
			w.keepFailed(e.err)
		}
	case keptRemoved:
		e.then()
	case shardFetched:
		w.shardFetched(e)
	case fetchDue:
		if w.fetching[e.number] == e.pause {
			delete(w.fetching, e.number)
			if w.client != nil {
				w.fetchShards()
			}
		}
	case orderHurries:
		if w.client != nil && w.client.Order() == e.order {
			w.client.MakeDo()
		}
	}
}

func (w *worker) join(e joinCommand) {
	if w.conn == tab.Joined || w.conn == tab.Connecting || w.conn == tab.Reconnecting {
		return
	}
	w.url, w.task = e.socket, e.task
	w.vault = &vault{}
	w.client = client.New(client.Config{
		Name: "fedtab-tab (" + kernel.Name() + ")", Task: e.task, Invite: e.invite, Compare: w.own.data != nil, Watched: true,
		Give: w.give, Exact: w.exact, Secure: w.vault.secure(),
	})
	if w.own.schema != nil && w.own.data == nil {
		w.client = nil
		w.conn, w.detail = tab.Refused, "this task wants data of yours: bring it first"
		return
	}
	if w.own.data != nil {
		if err := w.client.SetOwn(w.own.data); err != nil {
			w.client = nil
			w.conn, w.detail = tab.Refused, err.Error()
			return
		}
	}
	w.client.SetTab(w.tab())
	w.workspace, w.spec, w.up, w.down, w.attempts = nil, "", 0, 0, 0
	w.fetching, w.trouble = map[uint32]int{}, fetchTrouble{}
	w.conn, w.detail, w.refusal, w.unopened = tab.Connecting, "", "", 0
	w.sending, w.due, w.past = 0, time.Time{}, client.Progress{}
	w.joins++
	w.steps = 1
	w.keep = keeper{}
	if e.tab != "" {
		w.keep.key = e.tab + " " + e.task
		w.vault.key = w.keep.key + " secure"
	}
	w.load()
}

func (w *worker) leave() {
	if w.socket != nil {
		w.send([]protocol.Message{&protocol.Bye{Code: protocol.CloseNormal, Detail: "the person left"}})
		w.socket.close()
		w.socket = nil
	}
	w.generation++
	w.joins++
	if w.client != nil {
		w.past = w.client.Progress()
	}
	w.client, w.workspace = nil, nil
	w.sending, w.due = 0, time.Time{}
	w.forget(func() { w.conn, w.detail = tab.Left, "" })
}

// tab returns the state of this tab: a pause comes before what the browser says.
func (w *worker) tab() protocol.TabState {
	switch {
	case w.paused:
		return protocol.TabPaused
	case w.frozen:
		return protocol.TabFrozen
	case !w.visible:
		return protocol.TabHidden
	}
	return protocol.TabVisible
}

func (w *worker) tabChanged() {
	if w.client != nil {
		w.send(w.client.SetTab(w.tab()))
	}
}

// receive handles a frame.
func (w *worker) receive(frame []byte) {
	m, err := protocol.Decode(frame)
	if errors.Is(err, protocol.ErrUnknownKind) {
		// Of a later protocol: told so, and the session goes on.
		w.send([]protocol.Message{&protocol.Decline{Reason: protocol.ReasonUnsupported, Detail: err.Error()}})
		return
	}
	if err == nil {
		switch c, ok := m.(*protocol.Chunk); {
		case ok:
			m, err = w.body.Add(c)
		case protocol.Announced(m) > 0:
			var parameters uint64
			if welcome := w.client.Welcome(); welcome != nil {
				parameters = welcome.Parameters
			}
			err = w.body.Start(m, protocol.MaxBody(parameters, 2), nil)
			m = nil
		}
	}
	switch {
	case err != nil:
		w.refuse(protocol.CloseFor(err), err)
	case m != nil:
		w.received(m)
	}
}

// received handles a complete message.
func (w *worker) received(m protocol.Message) {
	e := w.client.Entry(m, false)
	w.down += e.Bytes
	w.moved(e)
	if bye, ok := m.(*protocol.Bye); ok {
		w.bye = bye
	}
	out, err := w.client.Receive(m)
	if err != nil {
		w.refuse(protocol.CloseUnexpected, err)
		return
	}
	if welcome, ok := m.(*protocol.Welcome); ok {
		w.conn, w.detail, w.attempts, w.trouble = tab.Joined, "", 0, fetchTrouble{}
		if w.workspace == nil || w.spec != welcome.Run {
			w.workspace, w.spec = w.client.NewWorkspace(), welcome.Run
		}
	}
	switch m := m.(type) {
	case *protocol.Shards:
		w.origin = m.Source
	case *protocol.Order:
		w.ordered(m)
	}
	w.send(out)
	w.fetchShards()
}

// refuse ends the session because the coordinator does not keep to the
// protocol: trying again would not help.
func (w *worker) refuse(code protocol.CloseCode, err error) {
	w.send([]protocol.Message{&protocol.Bye{Code: code, Detail: protocol.ClipText(err.Error())}})
	w.socket.close()
	w.socket = nil
	w.generation++
	w.conn, w.detail = tab.Refused, err.Error()
}

func (w *worker) send(out []protocol.Message) {
	if w.socket == nil {
		return // what must not be lost is kept by the client
	}
	for _, m := range out {
		if !w.socket.send(m) {
			return // closed; its event is under way
		}
		e := w.client.Entry(m, true)
		w.up += e.Bytes
		w.moved(e)
		if _, ok := m.(*protocol.Contribution); ok {
			w.sending = e.Bytes
		}
	}
}

// moved counts what has left or reached the tab.
func (w *worker) moved(e tab.Entry) {
	e.At = time.Now().UnixMilli()
	w.account.Add(e)
}

// ordered notes when an order is due. Once half of that time is over, training
// begins with the shards that are there.
func (w *worker) ordered(o *protocol.Order) {
	if o.Order >= protocol.EnquiryOrders {
		return
	}
	w.due = time.Time{}
	if w.hurry != nil {
		w.hurry.Stop()
	}
	if w.trouble.failures >= stubborn {
		w.client.MakeDo()
	}
	if left := time.Duration(o.Deadline) * time.Millisecond; left > 0 {
		w.due = time.Now().Add(left)
		w.hurry = time.AfterFunc(left/2, func() { w.queue.put(orderHurries{o.Order}) })
	}
}

// transfer returns the body that is on its way, nil if there is none.
func (w *worker) transfer() *tab.Transfer {
	if w.socket == nil {
		w.sending = 0
		return nil
	}
	if n, total := w.body.Received(); total > 0 {
		return &tab.Transfer{Done: n, Total: total}
	}
	if w.sending > 0 {
		if left := w.socket.unsent(); left > 0 {
			return &tab.Transfer{Up: true, Done: max(w.sending-left, 0), Total: w.sending}
		}
		w.sending = 0
	}
	return nil
}
