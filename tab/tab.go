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

// Activity is the one thing that a participant is doing.
type Activity string

// The activities.
const (
	Idle        Activity = "idle"        // not welcomed yet
	Waiting     Activity = "waiting"     // for an order
	Downloading Activity = "downloading" // model or data, with an order at hand
	Training    Activity = "training"
	Sending     Activity = "sending" // until the acknowledgement
	Paused      Activity = "paused"
	Over        Activity = "finished"
)

// Report is a worker's message of type "state". Figures of several participants in
// one tab are sums.
type Report struct {
	Type         string     `json:"type"`
	Connection   Connection `json:"connection"`
	Activity     Activity   `json:"activity"`
	Detail       string     `json:"detail"` // more, in words
	RetrySeconds float64    `json:"retrySeconds"`
	Refusal      string     `json:"refusal"` // code of why a handshake was refused (docs/api.md, "The door"); Detail says it in words

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

	Contributions int   `json:"contributions"`
	Rejected      int   `json:"rejected"`
	BytesUp       int64 `json:"bytesUp"`
	BytesDown     int64 `json:"bytesDown"`
}
