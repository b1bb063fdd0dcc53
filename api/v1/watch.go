package v1

// History is that of a run, at some of its rounds, as columns of equal length. What is
// not known or not defined is null.
type History struct {
	Run                string     `json:"run"`
	Rounds             int        `json:"rounds" doc:"That are committed in all"`
	Round              []uint64   `json:"round" doc:"Ascending"`
	At                 []float64  `json:"at" doc:"Of its commit, seconds since the run was created"`
	Examples           []float64  `json:"examples" doc:"Behind the contributions to it and to all rounds before, each round's counted"`
	Bytes              []int64    `json:"bytes" doc:"That have travelled in it and in all rounds before, both ways"`
	Participants       []int      `json:"participants" doc:"Whose contributions are in it"`
	TrainLoss          []*float64 `json:"train_loss" doc:"Mean"`
	TestLoss           []*float64 `json:"test_loss" doc:"Mean"`
	TestAccuracy       []*float64 `json:"test_accuracy" doc:"0 to 1; null where numbers are predicted"`
	TestRMSE           []*float64 `json:"test_rmse" doc:"In the unit of the target; null where classes are predicted"`
	ValidationLoss     []*float64 `json:"validation_loss" doc:"Mean on the validation set; null without one"`
	ValidationAccuracy []*float64 `json:"validation_accuracy" doc:"0 to 1, on the validation set"`
	ValidationRMSE     []*float64 `json:"validation_rmse" doc:"On the validation set"`
	Rate               []*float64 `json:"rate" doc:"Effective learning rate"`
	BytesUp            []int64    `json:"bytes_up" doc:"Of the round"`
	BytesDown          []int64    `json:"bytes_down" doc:"Of the round"`
	RawRatio           []*float64 `json:"raw_ratio" doc:"The round's models as raw float32, by the bytes that travelled"`
	Seconds            []float64  `json:"seconds" doc:"From opening to commit"`
	Waiting            []*float64 `json:"waiting" doc:"Seconds of the time since the commit before that are none of the following four: until the order went out whose contribution came last; where those are null, until the round opened"`
	Download           []*float64 `json:"download" doc:"Seconds from that order until its participant told that it trains; null where it did not, and then part of training"`
	Training           []*float64 `json:"training" doc:"Seconds until its contribution began to come"`
	Upload             []*float64 `json:"upload" doc:"Seconds until it was there; 0 for one of a single message"`
	Commit             []*float64 `json:"commit" doc:"Seconds until the version was made, without the time of the disk"`
	NormMin            []*float64 `json:"norm_min" doc:"Smallest Euclidean norm of a contribution"`
	NormMedian         []*float64 `json:"norm_median" doc:"Median of them"`
	NormMax            []*float64 `json:"norm_max" doc:"Largest of them"`
	Epsilon            []*float64 `json:"epsilon" doc:"Upper bound on what the versions up to it tell of a participant, add-remove adjacency; null without noise"`
}

// Crew is how many participants do what. Those in quarantine are among the others.
type Crew struct {
	Waiting     int `json:"waiting" doc:"Have no order, or have answered it; of a run with noise all who are connected and not paused"`
	Downloading int `json:"downloading" doc:"Have an order, and have not told that they train"`
	Training    int `json:"training" doc:"Have told so"`
	Uploading   int `json:"uploading" doc:"Their contribution is coming"`
	Paused      int `json:"paused" doc:"By the person, or frozen by the browser"`
	Away        int `json:"away" doc:"Have lost their connection, and may resume"`
	Quarantined int `json:"quarantined" doc:"Of all these: their contributions are judged before they count again"`
}

// Shape is how often participants came how far with an order.
type Shape struct {
	Shape string  `json:"shape" doc:"- order given, v model downloaded, [ training begun, ] completed, + upload begun, ^ completed, # refused, ! interrupted, * error" example:"-v[]+^"`
	Words string  `json:"words" example:"contributed"`
	Count int64   `json:"count" doc:"Orders that have ended so"`
	Share float64 `json:"share" doc:"Of total, 0 to 1"`
}

// SessionShape is how far participants came with their orders.
type SessionShape struct {
	Items []Shape `json:"items" doc:"All shapes, those first that came furthest"`
	Total int64   `json:"total" doc:"Orders that have ended, since a version of fedtab serves the run that counts them"`
}

// KeptVersion is a version whose parameters are kept.
type KeptVersion struct {
	Version            uint64   `json:"version" doc:"Also the number of the round that made it"`
	Participants       int      `json:"participants" doc:"Whose contributions are in it"`
	TestLoss           *float64 `json:"test_loss" doc:"Mean; null: it was not evaluated"`
	TestAccuracy       *float64 `json:"test_accuracy" doc:"0 to 1"`
	ValidationLoss     *float64 `json:"validation_loss" doc:"Mean on the validation set; null without one"`
	ValidationAccuracy *float64 `json:"validation_accuracy" doc:"0 to 1, on the validation set"`
	Bytes              int64    `json:"bytes" doc:"Of its parameters"`
	Pinned             bool     `json:"pinned" doc:"Its parameters are kept whatever is committed"`
}

// Pinned says whether the parameters of a version are kept whatever is committed.
type Pinned struct {
	Run     string `json:"run" doc:"Identity of the run"`
	Version uint64 `json:"version"`
	Pinned  bool   `json:"pinned"`
}
