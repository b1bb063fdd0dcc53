// Package tab declares what a tab's worker tells its page.
package tab

// Connection is how the tab's participant stands with the coordinator.
type Connection string

// The connections.
const (
	Left         Connection = "left" // or not joined yet
	Connecting   Connection = "connecting"
	Joined       Connection = "joined"
	Reconnecting Connection = "reconnecting"
	Refused      Connection = "refused"
	Superseded   Connection = "superseded" // another tab has taken the participant's place
	Uninvited    Connection = "uninvited"  // the task needs an invite, and the tab has none that is accepted
	Finished     Connection = "finished"
)

// Why there is no connection, beside the coordinator's refusals.
const (
	Offline     = "offline"     // the browser has no network
	Unreachable = "unreachable" // the coordinator does not answer over HTTP either
	Blocked     = "blocked"     // it does, and would take a socket, but none opens: something between, such as a proxy, lets none through
)

// Activity is the one thing that a participant is doing.
type Activity string

// The activities.
const (
	Idle        Activity = "idle"        // not welcomed yet
	Waiting     Activity = "waiting"     // for an order
	Downloading Activity = "downloading" // model or data, with an order at hand
	Training    Activity = "training"
	Packing     Activity = "packing"  // what was learned, before it is sent
	Sending     Activity = "sending"  // until the acknowledgement
	Agreeing    Activity = "agreeing" // trained; in secure aggregation, until the others' keys are there
	Summing     Activity = "summing"  // masked and sent; in secure aggregation, until the masks are taken from the sum
	Paused      Activity = "paused"
	Over        Activity = "finished"
)

// OutcomeKind is what has become of an order.
type OutcomeKind string

// The outcomes.
const (
	Accepted  OutcomeKind = "accepted"
	Late      OutcomeKind = "late"      // the round was closed before the answer had come
	Rejected  OutcomeKind = "rejected"  // the coordinator does not take the answer
	Abandoned OutcomeKind = "abandoned" // the attempt at the round was given up; another may follow
	Failed    OutcomeKind = "failed"    // the tab could not do what was ordered
)

// Outcome is what has become of the newest order that is done with.
type Outcome struct {
	Round  int         `json:"round"`  // 0: of none, or not known
	Kind   OutcomeKind `json:"kind"`   // empty: there was no order
	Reason string      `json:"reason"` // as docs/protocol.md names it, in small letters
	Detail string      `json:"detail"` // more, in English
}

// Transfer is a body on its way: a model that comes, or an answer that leaves.
type Transfer struct {
	Up    bool  `json:"up"`
	Done  int64 `json:"done"` // bytes, of Total
	Total int64 `json:"total"`
}

// Run is how the coordinator says that the run stands.
type Run struct {
	Phase        string   `json:"phase"` // waiting, training, committing or finished
	Round        int      `json:"round"` // that is open, or the last one
	Version      int      `json:"version"`
	Participants int      `json:"participants"` // present
	Evaluated    int      `json:"evaluated"`    // version that the figures on the test set belong to; 0: none
	TestLoss     *float64 `json:"testLoss"`
	TestAccuracy *float64 `json:"testAccuracy"` // nil in a regression, too
	Finished     string   `json:"finished"`     // why the run has ended, empty before
}

// Report is a worker's message of type "state". Figures of several participants in
// one tab are sums.
type Report struct {
	Type         string     `json:"type"`
	Connection   Connection `json:"connection"`
	Activity     Activity   `json:"activity"`
	Detail       string     `json:"detail"` // more, in words
	RetrySeconds float64    `json:"retrySeconds"`
	Refusal      string     `json:"refusal"`  // why there is no connection: Offline, Unreachable, Blocked, or a code of docs/api.md, "The door", of which Detail says more
	Attempts     int        `json:"attempts"` // sockets in a row that never opened

	DataFailures int    `json:"dataFailures"` // fetches of examples that failed in a row
	DataStatus   int    `json:"dataStatus"`   // HTTP status of the last of them; 0: no answer, or none that can be read
	DataError    string `json:"dataError"`    // why it failed

	Participant  int    `json:"participant"`  // number within the run
	Participants int    `json:"participants"` // in this tab
	Numbers      []int  `json:"numbers"`      // of all of them
	Refused      int    `json:"refused"`      // of them: take no part, and do not try again
	RefusedWhy   string `json:"refusedWhy"`   // why the last of those is refused
	Codec        string `json:"codec"`        // of the last answer
	CodecDown    string `json:"codecDown"`    // of the newest version; empty before the first

	Round       int      `json:"round"`
	Shards      int      `json:"shards"`
	ShardsTotal int      `json:"shardsTotal"`
	Examples    int      `json:"examples"`
	Done        int      `json:"done"` // examples of this order that are trained
	Total       int      `json:"total"`
	Loss        *float64 `json:"loss"` // nil before an example of this order is trained
	Accuracy    *float64 `json:"accuracy"`
	Rate        float64  `json:"rate"` // examples per second

	Due      *float64  `json:"due"`      // seconds until the answer to the order is due; nil: no order, or no deadline
	Transfer *Transfer `json:"transfer"` // nil: no body is on its way
	Outcome  Outcome   `json:"outcome"`
	Run      *Run      `json:"run"` // nil before the coordinator has said it

	// What models do on the tab's own hold-out: accuracy with classes, else the root mean
	// squared error in the unit of the target; nil while it is not known.
	Before          *float64 `json:"before"` // the tab's own answer, before it was combined
	BeforeRound     int      `json:"beforeRound"`
	After           *float64 `json:"after"` // a combined version
	AfterVersion    int      `json:"afterVersion"`
	Alone           *float64 `json:"alone"` // a model that was trained on the tab's data alone
	AloneRounds     int      `json:"aloneRounds"`
	Personal        *float64 `json:"personal"` // the newest version, trained further on the tab's data
	PersonalVersion int      `json:"personalVersion"`

	Contributions int     `json:"contributions"` // accepted; they stay known after leaving
	Trained       int     `json:"trained"`       // examples behind them, with repetition
	Rejected      int     `json:"rejected"`
	BytesUp       int64   `json:"bytesUp"` // over the WebSockets
	BytesDown     int64   `json:"bytesDown"`
	Moved         []Total `json:"moved"` // all that has moved, by kind and direction
}
