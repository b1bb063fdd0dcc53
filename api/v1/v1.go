// Package v1 declares the JSON of the organisers' API (/api/v1), as coordinator/admin writes
// it and ui/organiser reads it. A figure that is undefined or not known yet is null. Field
// tags describe the fields in docs/openapi.yaml.
package v1

import (
	"time"

	"fedtab/api"
)

// Run is a run as lists show it.
type Run struct {
	Run          string     `json:"run" doc:"Identity" example:"mnist-2nn-3f2a9c01"`
	Number       int64      `json:"number" doc:"By which runs are ordered: later ones have larger numbers"`
	Task         string     `json:"task" doc:"Name of its task"`
	Title        string     `json:"title" doc:"Of its task, for people"`
	Seed         string     `json:"seed" doc:"Of its task, decimal: it may need more than 53 bits"`
	Note         string     `json:"note" doc:"The organiser's"`
	Origin       string     `json:"origin" doc:"What version 1 was taken from; empty: the run began with the seed"`
	Created      time.Time  `json:"created"`
	Ended        *time.Time `json:"ended" doc:"null while it goes on"`
	State        string     `json:"state" enum:"going,paused,over"`
	Finished     string     `json:"finished" doc:"Why it ended, empty while it goes on"`
	Paused       string     `json:"paused" doc:"Why it is paused, empty while it is not"`
	Served       bool       `json:"served" doc:"By a coordinator that runs"`
	Rounds       int        `json:"rounds" doc:"After which it ends; 0: any number, or not known as it is not served"`
	Participants int64      `json:"participants" doc:"That have taken part so far, or joined"`
	BytesUp      int64      `json:"bytes_up" doc:"Of all messages of its participants so far"`
	BytesDown    int64      `json:"bytes_down" doc:"Of all messages to them"`
	Version      uint64     `json:"version" doc:"The newest that is on disk; 0: none"`
	Evaluated    uint64     `json:"evaluated" doc:"Version that the figures belong to; 0: none"`
	TestLoss     *float64   `json:"test_loss" doc:"Mean, of that version"`
	TestAccuracy *float64   `json:"test_accuracy" doc:"0 to 1, of that version; null where numbers are predicted"`
	Privacy      *Account   `json:"privacy,omitempty" doc:"What it tells of each of its participants; absent without noise"`
}

// Detail is a run with what it was made from and what is kept of it.
type Detail struct {
	Run
	Spec       string    `json:"spec" doc:"Its task, YAML"`
	Stop       api.Stop  `json:"stop" doc:"Its stop conditions"`
	Kept       int       `json:"kept" doc:"Versions whose parameters are kept"`
	KeptBytes  int64     `json:"kept_bytes" doc:"Of their parameters"`
	Parameters int       `json:"parameters" doc:"Length of the parameter vector"`
	Live       *api.Task `json:"live,omitempty" doc:"How it stands this moment, as participants see it; absent while it is not served"`
}

// Account is an account of differential privacy. It is an upper bound for every participant of
// the run.
type Account struct {
	Releases  uint64   `json:"releases" doc:"Versions with noise that are charged: every attempt that was written down"`
	Epsilon   *float64 `json:"epsilon" doc:"Upper bound after them; null: there is none"`
	Delta     float64  `json:"delta"`
	Adjacency string   `json:"adjacency" enum:"add-remove,zero-out" doc:"What is hidden: whether a participant takes part, or what it contributes"`

	Earlier  []Earlier     `json:"earlier,omitempty" doc:"Earlier runs of its task with noise, deleted ones included"`
	Together *api.Together `json:"together,omitempty" doc:"What it and they tell of somebody who takes part in all; absent where there are none"`
}

// Earlier is the account of an earlier run of a task.
type Earlier struct {
	Run       string   `json:"run" doc:"Identity"`
	Releases  uint64   `json:"releases"`
	Epsilon   *float64 `json:"epsilon" doc:"Upper bound; null: there is none"`
	Delta     float64  `json:"delta"`
	Adjacency string   `json:"adjacency" doc:"As of the run; empty: its task is of another build"`
}

// Settings are what an organiser may change of a run without changing what is learned.
type Settings struct {
	Note         string   `json:"note" maxLength:"10000" doc:"For organisers: why this run, what came out"`
	StopRounds   int      `json:"stop_rounds" doc:"Rounds after which it ends; 0: any number"`
	StopAccuracy *float64 `json:"stop_accuracy" doc:"Accuracy that ends it, on the validation set or else on the test set; null: none does"`
	Paused       string   `json:"paused" readOnly:"true" doc:"Why it is paused"`
	Finished     string   `json:"finished" readOnly:"true" doc:"Why it is over"`
}

// Extension asks that a run go on for longer.
type Extension struct {
	By       int      `json:"by,omitempty" minimum:"0" doc:"Rounds to add: to the newest version of a run that is over, else to those that it was to have"`
	Rounds   int      `json:"rounds,omitempty" minimum:"0" doc:"Rounds that it is to have in all, in place of by"`
	Accuracy *float64 `json:"accuracy,omitempty" minimum:"0" maximum:"1" doc:"Accuracy that ends it, on the validation set or else on the test set; 0: none does; absent: as it is"`
}

// Done says what an order has led to.
type Done struct {
	Run     string `json:"run" doc:"Identity of the run"`
	Version uint64 `json:"version" doc:"Its newest version"`
	Rounds  int    `json:"rounds,omitempty" doc:"That it is to have, after an extension"`
}

// Participant is a participant of a run, as far as committed rounds and the event log have
// something of it.
type Participant struct {
	Participant   uint32 `json:"participant" doc:"Its number in the run"`
	Contributions int64  `json:"contributions" doc:"In versions"`
	Examples      int64  `json:"examples" doc:"Behind them, each round's counted"`
	First         uint64 `json:"first" doc:"The first round with a contribution of it; 0: none"`
	Last          uint64 `json:"last" doc:"The last such round"`
	BytesUp       int64  `json:"bytes_up" doc:"That it has sent"`
	BytesDown     int64  `json:"bytes_down" doc:"That it was sent"`
	Left          bool   `json:"left" doc:"It has left for good"`
	Client        string `json:"client" doc:"What it calls itself, such as a browser and a build; empty: not recorded"`
	Rejected      int64  `json:"rejected" doc:"Contributions that were refused, as far as the event log has them"`

	Epsilon *float64 `json:"epsilon" doc:"Upper bound on what the run's versions tell of it, at the delta of the run's privacy; null without noise"`

	State       string   `json:"state,omitempty" enum:"waiting,downloading,training,uploading,paused,away,left" doc:"What it does this moment: waiting has no order or has answered it, away has lost its connection and may resume, left is no longer here. Absent while the run is not served"`
	Rate        *float64 `json:"rate" doc:"Examples a second of its newest training, from its beginning to the first message of its contribution; null: not known"`
	Quarantined int      `json:"quarantined" doc:"Good answers in a row that it still owes until its contributions count again; 0: it is not in quarantine"`
}

// LogLine is a line of a run's event log.
type LogLine struct {
	ID          int64     `json:"id"`
	At          time.Time `json:"at"`
	Round       uint64    `json:"round"`
	Participant uint32    `json:"participant" doc:"0: the coordinator itself"`
	Kind        string    `json:"kind" doc:"Such as join, leave, accepted, rejected, abandoned"`
	Detail      string    `json:"detail"`
}

// Invite is an invite, without the code that participants join with.
type Invite struct {
	ID      string    `json:"id"`
	Task    string    `json:"task"`
	Uses    uint32    `json:"uses" doc:"Participants that may join with it; 0: it was revoked"`
	Used    uint32    `json:"used" doc:"Participants that have joined with it"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	State   string    `json:"state" enum:"valid,revoked,expired,used up"`
}

// InviteOrder asks for an invite.
type InviteOrder struct {
	Task    string  `json:"task" doc:"Name of the task to join"`
	Uses    uint32  `json:"uses" minimum:"1" doc:"Participants that may join with it"`
	Seconds float64 `json:"seconds" minimum:"60" maximum:"31622400" doc:"Time until it expires"`
}

// NewInvite is an invite that was made. Its code is told this once.
type NewInvite struct {
	ID   string `json:"id"`
	Code string `json:"code" doc:"That participants join with"`
	Page string `json:"page" doc:"Address of the page; empty: none is served"`
	Link
	Expires time.Time `json:"expires"`
}

// AuditEntry is an order of an organiser, carried out or refused, or a sign-in.
type AuditEntry struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	Who     string    `json:"who" doc:"Role, and by which way it came"`
	Address string    `json:"address" doc:"Empty: from the machine itself"`
	Action  string    `json:"action"`
	Subject string    `json:"subject" doc:"A run, a task or an invite"`
	Detail  string    `json:"detail"`
	Problem string    `json:"problem" doc:"Why it was refused; empty: it was done"`
}

// Server is the coordinator.
type Server struct {
	Build string   `json:"build"`
	Page  string   `json:"page" doc:"Address of the page for participants; empty: none is served"`
	Tasks []string `json:"tasks" doc:"Names of the tasks that are served"`
	Role  string   `json:"role" enum:"organiser,viewer" doc:"Of who asks"`
	Way   string   `json:"way" enum:"token,session,socket" doc:"By which the role was shown"`
}

// SignIn is what a session is begun with.
type SignIn struct {
	Token string `json:"token" maxLength:"200" doc:"The organiser's or the viewer's"`
}

// Page is a page of a list.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"The cursor of the next page; absent: this is the last"`
}

// CommittedRound is a round of a run's history.
type CommittedRound struct {
	api.Round
	Opened    time.Time `json:"opened"`
	Committed time.Time `json:"committed"`
	Hash      string    `json:"hash" doc:"SHA-256 of the version's parameters, hexadecimal"`
}

// Versions are those of a run whose models are kept.
type Versions struct {
	Run      string        `json:"run"`
	Versions []uint64      `json:"versions" doc:"Ascending. Version 0, the model before training, can be made anew always and is not among them"`
	Items    []KeptVersion `json:"items" doc:"The same versions with their figures"`
}
