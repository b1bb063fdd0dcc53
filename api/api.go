// Package api declares the JSON of the coordinator's HTTP API, as
// coordinator/web writes it and ui reads it. A figure that is undefined, not
// finite or not known yet is null.
package api

import "fedtab/learn/data"

// Card is one entry of /api/tasks: a task as a person chooses it.
type Card struct {
	Name         string                 `json:"name"`
	Title        string                 `json:"title"`
	Description  string                 `json:"description"`
	Translations map[string]Translation `json:"translations,omitempty"` // by language
	Join         string                 `json:"join"`
	Phase        string                 `json:"phase"`
	Participants int                    `json:"participants"`
	Fewest       int                    `json:"fewest"` // participants without whom no round opens
	Round        int                    `json:"round"`
	Version      int                    `json:"version"`
	Stop         Stop                   `json:"stop"`
	Progress     *float64               `json:"progress"`     // as in Task
	SecondsLeft  *float64               `json:"seconds_left"` // as in Task
	TestAccuracy *float64               `json:"test_accuracy"`
	TestRMSE     *float64               `json:"test_rmse"` // in the unit of the target
	Model        Model                  `json:"model"`
	Data         CardData               `json:"data"`
	Cost         Cost                   `json:"cost"`
	Download     bool                   `json:"download"` // the model is handed out
}

// Translation has the texts of a task in another language than that of its title; a
// text that is empty is not translated.
type Translation struct {
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
}

// CardData is what is learned from.
type CardData struct {
	Summary    string   `json:"summary"`               // in words
	Public     bool     `json:"public"`                // the coordinator hands it out
	Own        bool     `json:"own"`                   // participants bring it
	Columns    []string `json:"columns,omitempty"`     // the first MaxShown features of a table
	ClassNames []string `json:"class_names,omitempty"` // the first MaxShown of a classification, by label
	Picture    bool     `json:"picture,omitempty"`     // there is a picture.png
}

// MaxShown is the max number of columns and classes that a Card names.
const MaxShown = 12

// Cost is what a participant pays. Figures are estimates until the run has rounds.
type Cost struct {
	DataBytes    int64    `json:"data_bytes"`    // public examples that a new participant fetches
	BytesUp      int64    `json:"bytes_up"`      // of a participant in a round
	BytesDown    int64    `json:"bytes_down"`    // of a participant in a round
	RoundSeconds *float64 `json:"round_seconds"` // of a round; null before the first
}

// Door is /api/door: whether a WebSocket handshake and a new participant's hello, or a
// stream of events, would be taken now.
type Door struct {
	Open         bool    `json:"open"`
	Code         string  `json:"code,omitempty"`  // why not, for programs
	Error        string  `json:"error,omitempty"` // why not, and what to do, for people
	RetrySeconds float64 `json:"retry_seconds,omitempty"`
}

// Task is /api/tasks/NAME, and, without Fixed, FixedData, Rounds and Curve, a "state"
// event.
type Task struct {
	Fixed
	Name         string     `json:"name"`
	Title        string     `json:"title"`
	Description  string     `json:"description"`
	Join         string     `json:"join"` // Open, or Invited: a new participant needs an invite
	Run          string     `json:"run"`
	Strategy     Strategy   `json:"strategy"`
	Model        Model      `json:"model"`
	Data         Data       `json:"data"`
	Packing      Packing    `json:"packing"`
	Stop         Stop       `json:"stop"`
	Claim        *Claim     `json:"claim,omitempty"` // of versions with noise
	Phase        string     `json:"phase"`           // waiting, training, committing, paused or finished
	Round        int        `json:"round"`
	Version      int        `json:"version"`
	Participants int        `json:"participants"`
	Progress     *float64   `json:"progress"`     // share of the run's rounds or time, 0 to 1; null without such a bound
	SecondsLeft  *float64   `json:"seconds_left"` // at most, as a goal may end the run earlier; null while unknown
	Cost         Cost       `json:"cost"`
	Awaited      int        `json:"awaited,omitempty"`       // after a restart: participants of the open round that may still reconnect
	AwaitedUntil string     `json:"awaited_until,omitempty"` // until when, RFC 3339
	Abandoned    *Abandoned `json:"abandoned,omitempty"`     // the newest attempt at the next version, if it was given up
	Survey       *Survey    `json:"survey,omitempty"`        // while the constants of own data are being made
	Evaluated    int        `json:"evaluated"`               // the version that TestLoss and TestAccuracy belong to
	TestLoss     *float64   `json:"test_loss"`
	TestAccuracy *float64   `json:"test_accuracy"`

	Evaluation *Evaluation `json:"evaluation,omitempty"` // newest
	Traffic
	RolledBack int64   `json:"rolled_back"` // versions that were not made
	Finished   string  `json:"finished"`    // why the run ended, empty while it goes on
	Paused     string  `json:"paused"`      // why the organiser has paused the run, empty while it is not
	Problem    string  `json:"problem"`     // why the run makes no progress, empty while it can
	Rounds     []Round `json:"rounds,omitempty"`
	Curve      *Curve  `json:"curve,omitempty"`
}

// Versions is /api/tasks/NAME/versions: those whose model files can be had.
type Versions struct {
	Run      string    `json:"run"`      // whose they are
	Versions []Version `json:"versions"` // newest first
	Snippets []Snippet `json:"snippets"` // load the newest; none before the first version
}

// Snippet is code that loads a model's file and predicts with it.
type Snippet struct {
	Language string `json:"language"` // Python or JavaScript
	Library  string `json:"library"`  // beyond the language's own: numpy, onnxruntime or onnxruntime-web
	Format   string `json:"format"`   // of the file: safetensors or onnx
	Code     string `json:"code"`
}

// Version is a version with its figures.
type Version struct {
	Version      int `json:"version"` // also the number of the round that made it
	Participants int `json:"participants"`
	Test
}

// Fixed is what events leave out of a Task, because it does not change.
type Fixed struct {
	Translations map[string]Translation `json:"translations,omitempty"` // by language
	Download     bool                   `json:"download,omitempty"`     // the model is handed out
	Build        string                 `json:"build,omitempty"`        // identity of the page's files that are served
	Privacy      Privacy                `json:"privacy,omitzero"`
}

// Abandoned is why an attempt at a round was given up. Another follows.
type Abandoned struct {
	Round   int     `json:"round"`
	Times   int     `json:"times"`   // attempts at it that were given up, this one included
	Seconds float64 `json:"seconds"` // that the attempt took
	Reason  string  `json:"reason"`
	Answers int     `json:"answers"` // contributions that came; 0, with Needed, if it was not for want of them
	Asked   int     `json:"asked"`   // participants that were asked
	Needed  int     `json:"needed"`
	TimeUp  bool    `json:"time_up"` // others were still awaited at the deadline
}

// Strategy is how contributions are combined.
type Strategy struct {
	Kind     string  `json:"kind"`
	Summary  string  `json:"summary"` // in words
	Fraction float64 `json:"fraction"`
	Epochs   int     `json:"epochs"`
	Batch    int     `json:"batch"`
	Split    int     `json:"split"` // parts of a participant's data that are trained side by side; 0: it is not divided
	LR       float64 `json:"lr"`
	ServerLR float64 `json:"server_lr"`
	Fewest   int     `json:"fewest"` // participants without whom no round opens
}

// Model is what is trained.
type Model struct {
	Summary    string `json:"summary"` // in words: "784-200-200-10, ReLU, softmax"
	Parameters int    `json:"parameters"`
}

// Data is what is learned from.
type Data struct {
	Summary string `json:"summary"` // in words: "MNIST: 60,000 handwritten digits"
	Public  bool   `json:"public"`  // the coordinator hands it out
	Classes int    `json:"classes"`
	Shards  int    `json:"shards"`

	FixedData
}

// FixedData is what events leave out of a Task's Data, because it does not change.
type FixedData struct {
	Samples    []string       `json:"samples,omitempty"`     // names of files to try a task with own data with, below /api/tasks/NAME/samples/
	Columns    []string       `json:"columns,omitempty"`     // features of a table
	ClassNames []string       `json:"class_names,omitempty"` // of a classification, by label
	Picture    bool           `json:"picture,omitempty"`     // there is a picture.png
	Encoding   *data.Encoding `json:"encoding,omitempty"`    // of the rows of a public table
	Own        *data.Schema   `json:"own,omitempty"`         // what participants bring; absent if the coordinator has the data
}

// Packing names the codecs.
type Packing struct {
	Up   string  `json:"up"`
	Bits float64 `json:"bits"` // for a parameter, asked of the codec up; 0 if that has no choice
	Down string  `json:"down"`
}

// Privacy is what the coordinator learns of single participants (docs/privacy.md). Zero fields
// do not apply.
type Privacy struct {
	Aggregation string  `json:"aggregation"`       // Plain or Secure
	Min         int     `json:"min,omitempty"`     // participants of a sum
	Max         int     `json:"max,omitempty"`     // participants of a round
	Dropout     float64 `json:"dropout,omitempty"` // share of a round's participants that may drop out
	Corrupt     float64 `json:"corrupt,omitempty"` // share of them that may collude with the coordinator
	Bits        int     `json:"bits,omitempty"`    // of a number that is summed
	Subset      float64 `json:"subset,omitempty"`  // share of the parameters that a round sends
	Members     bool    `json:"members,omitempty"` // only those on a list may take part, with coordinator client
	Groups      int     `json:"groups,omitempty"`  // participants of a group at least, whose sum is one of several; absent: a round has one sum
}

// The values of Privacy.Aggregation.
const (
	Plain  = "plain"  // the coordinator sees each contribution
	Secure = "secure" // it sees sums of several
)

// Stop is when the run ends; zero fields set no limit.
type Stop struct {
	Rounds  int     `json:"rounds"`
	Seconds float64 `json:"seconds"`
	Goals   []Goal  `json:"goals"` // any of them ends the run
}

// Claim is what the versions of a run tell of each of its participants: they are
// (Epsilon, Delta) differentially private, as to whether a participant takes part.
type Claim struct {
	Epsilon    *float64 `json:"epsilon"` // upper bound, of all versions so far; null: there is none
	Delta      float64  `json:"delta"`
	Releases   int      `json:"releases"` // versions that are charged, with noise of a tree its steps
	Budget     float64  `json:"budget"`   // epsilon that the task's runs together do not exceed; 0: there is none
	Noise      float64  `json:"noise"`    // standard deviation, in multiples of the bound on a contribution
	Clip       float64  `json:"clip"`     // that bound, or the first where it adapts
	Adapt      bool     `json:"adapt"`
	Rate       float64  `json:"rate"` // probability with which each member takes part in a round; 1: nothing is claimed of it
	Population int      `json:"population"`

	Participations int  `json:"participations"` // rounds in which one takes part at most, with noise of a tree or of participants; 0: any number
	Persons        bool `json:"persons"`        // Participations is of a person, whom an invite or a member's key tells; false: of a number of the run, and who joins anew has another

	Distributed bool `json:"distributed"` // participants add the noise, inside secure sums: hidden is what one contributes, not that it does
	Colluding   int  `json:"colluding"`   // participants of a round whose shares of that noise do not count, as they may collude with the coordinator

	Together *Together `json:"together,omitempty"` // with what earlier runs of the task have told; absent: the database knows of none with noise
}

// Mixed is the adjacency of a sum of several.
const Mixed = "mixed"

// Together is what a run and the earlier ones of its task tell of somebody who takes part in all
// of them, by basic composition.
type Together struct {
	Runs      int      `json:"runs"`      // earlier ones
	Epsilon   *float64 `json:"epsilon"`   // sum of all; null: there is no bound
	Delta     float64  `json:"delta"`     // likewise
	Adjacency string   `json:"adjacency"` // add-remove or zero-out; mixed: of one run the one, and of another the other
}

// Goal is a figure on the validation set, or else on the test set, that ends the run once it is
// reached.
type Goal struct {
	Metric string  `json:"metric"` // accuracy, balanced_accuracy, precision, recall, f1, loss, rmse, mae or r2
	Class  string  `json:"class,omitempty"`
	Words  string  `json:"words"` // test recall of ill
	Reach  float64 `json:"reach"`
	Falls  bool    `json:"falls,omitempty"` // at most Reach is wanted, not at least
}

// Traffic is a byte account (docs/protocol.md, "Counting bytes").
type Traffic struct {
	BytesUp    int64           `json:"bytes_up"`
	BytesDown  int64           `json:"bytes_down"`
	ModelsUp   int64           `json:"models_up"` // vectors as long as the model, however packed
	ModelsDown int64           `json:"models_down"`
	BitsUp     *float64        `json:"bits_up"` // for a parameter of a model that went up
	BitsDown   *float64        `json:"bits_down"`
	RawRatio   *float64        `json:"raw_ratio"` // the same models as raw float32, by the bytes that travelled
	Kinds      map[string]Kind `json:"kinds"`     // bytes by kind of message
}

// Kind is the bytes of one kind of message.
type Kind struct {
	Up   int64 `json:"up"`
	Down int64 `json:"down"`
}

// Round is a committed round, and a "round" event.
type Round struct {
	Round        int      `json:"round"`
	Participants int      `json:"participants"`
	TrainLoss    *float64 `json:"train_loss"`
	Test
	Traffic
	Rate    *float64 `json:"rate"`              // effective learning rate
	Seconds float64  `json:"seconds"`           // from opening to commit
	Epsilon *float64 `json:"epsilon,omitempty"` // what the versions so far tell of a participant; absent without noise
}

// Test has the figures of a version on the test set, and on the validation set if there is
// one. Those of a classification are null or absent in a regression, and the other way round.
type Test struct {
	TestLoss             *float64 `json:"test_loss"`     // mean
	TestAccuracy         *float64 `json:"test_accuracy"` // 0 to 1
	TestBalancedAccuracy *float64 `json:"test_balanced_accuracy,omitempty"`
	TestF1               *float64 `json:"test_f1,omitempty"`   // mean of the classes'
	TestRMSE             *float64 `json:"test_rmse,omitempty"` // in the unit of the target
	TestMAE              *float64 `json:"test_mae,omitempty"`
	TestR2               *float64 `json:"test_r2,omitempty"`

	ValidationLoss     *float64 `json:"validation_loss,omitempty"`
	ValidationAccuracy *float64 `json:"validation_accuracy,omitempty"`
	ValidationRMSE     *float64 `json:"validation_rmse,omitempty"`
}

// Evaluation has all figures of the version that was evaluated last.
type Evaluation struct {
	Version          int       `json:"version"`
	Participants     int       `json:"participants,omitempty"` // on whose holdouts; absent: the coordinator's test set
	Spread           *Spread   `json:"spread,omitempty"`       // between participants; absent below ten of them
	File             *File     `json:"file,omitempty"`         // on the organiser's test file, beside the holdouts
	Validation       *File     `json:"validation,omitempty"`   // on the validation set, beside the test set
	Examples         int       `json:"examples"`
	Loss             *float64  `json:"loss"`
	Accuracy         *float64  `json:"accuracy"`
	BalancedAccuracy *float64  `json:"balanced_accuracy,omitempty"`
	F1               *float64  `json:"f1,omitempty"`
	Classes          []Class   `json:"classes,omitempty"`   // by label
	Confusion        [][]int64 `json:"confusion,omitempty"` // Confusion[c][p] examples of class c are taken for p; absent above MaxConfusion classes
	Target           string    `json:"target,omitempty"`    // name of the predicted column of a regression
	RMSE             *float64  `json:"rmse,omitempty"`
	MAE              *float64  `json:"mae,omitempty"`
	R2               *float64  `json:"r2,omitempty"`
}

// Spread is how participants differ: in accuracy, or RMSE in a regression.
type Spread struct {
	Min    float64 `json:"min"`
	Lower  float64 `json:"lower"` // quartile
	Median float64 `json:"median"`
	Upper  float64 `json:"upper"` // quartile
	Max    float64 `json:"max"`
}

// File has the figures of a version on the organiser's test file, or on the validation set.
type File struct {
	Examples int      `json:"examples"`
	Loss     *float64 `json:"loss"`
	Accuracy *float64 `json:"accuracy,omitempty"`
	RMSE     *float64 `json:"rmse,omitempty"`
	R2       *float64 `json:"r2,omitempty"`
}

// Survey says what is missing before a run with own data can begin.
type Survey struct {
	Ready  int `json:"ready"`  // participants that can tell their totals
	Fewest int `json:"fewest"` // that are needed
}

// MaxConfusion is the max number of classes whose confusion is sent.
const MaxConfusion = 16

// Class has the figures of one class.
type Class struct {
	Name      string   `json:"name"`
	Examples  int64    `json:"examples"`
	Precision *float64 `json:"precision"` // share of its predictions that are right
	Recall    *float64 `json:"recall"`    // share of its examples that are found
	F1        *float64 `json:"f1"`
}

// Curve is a learning curve of some of the rounds that were evaluated, as columns.
type Curve struct {
	Round        []int      `json:"round"`
	TestLoss     []*float64 `json:"test_loss"`
	TestAccuracy []*float64 `json:"test_accuracy"`
	TestRMSE     []*float64 `json:"test_rmse,omitempty"` // of a regression
}

// The phases of a Task, from protocol.Phase.
const (
	Waiting    = "waiting"
	Training   = "training"
	Committing = "committing"
	Paused     = "paused"
	Finished   = "finished"
)

// The values of Task.Join, from task.Open and task.Invited.
const (
	Open    = "open"
	Invited = "invited"
)

// Limits of /api/tasks/NAME.
const (
	DefaultRounds = 100  // rounds without ?limit
	MaxRounds     = 1000 // ?limit at most
	MaxPoints     = 1000 // ?points at most
	MaxVersions   = 100  // of /api/tasks/NAME/versions
)
