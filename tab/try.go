package tab

// Loaded is a message of type "loaded" of the worker that predicts: a slot has a model.
type Loaded struct {
	Type    string `json:"type"`
	Slot    string `json:"slot"`
	Task    string `json:"task"`
	Run     string `json:"run"`
	Version int    `json:"version"`
	What    string `json:"what"` // picture or table

	Classes       []string `json:"classes"`       // by label; empty: a number is predicted
	Probabilities bool     `json:"probabilities"` // answers have probabilities, otherwise scores of any size
	Target        string   `json:"target"`        // of a table: the column that is predicted

	Width    int `json:"width"` // of pictures, as the model sees them
	Height   int `json:"height"`
	Channels int `json:"channels"`

	Columns []TryColumn `json:"columns"` // of a table
}

// TryColumn is a column of a model's table.
type TryColumn struct {
	Name      string   `json:"name"`
	Kind      string   `json:"kind"`   // number or category
	Values    []string `json:"values"` // of a category
	Min       *float64 `json:"min"`    // of a number; nil: no bound is known
	Max       *float64 `json:"max"`
	Mean      float64  `json:"mean"` // of the numbers that the model has learned from; 0 and deviation 1: they are not known
	Deviation float64  `json:"deviation"`
	Optional  bool     `json:"optional"` // the model has a value that stands for a missing one
}

// Answer is a message of type "answer": what the model in a slot says of the picture or
// the row with a number.
type Answer struct {
	Type          string    `json:"type"`
	Slot          string    `json:"slot"`
	ID            int       `json:"id"` // of the question
	Class         int       `json:"class"`
	Classes       []string  `json:"classes"`
	Probabilities []float64 `json:"probabilities"` // by label; scores if Loaded.Probabilities is false; empty: a number is predicted
	Value         float64   `json:"value"`         // the number, in its unit
	Text          string    `json:"text"`          // the name of the class, or the number
	Problems      []Problem `json:"problems"`      // why there is no answer, by column
}

// Predictions is a message of type "predictions": what the model in a slot says of a
// table. With it comes blob, a CSV file of all rows.
type Predictions struct {
	Type string         `json:"type"`
	Slot string         `json:"slot"`
	ID   int            `json:"id"` // of the question
	Name string         `json:"name"`
	Rows []PredictedRow `json:"rows"` // the first

	Predicted   int       `json:"predicted"` // all rows with a prediction
	Rejected    int       `json:"rejected"`  // all rows without
	Problems    []Problem `json:"problems"`  // the first
	AllProblems int       `json:"allProblems"`

	Known            int      `json:"known"` // rows with a value in the column that is predicted; the figures are of them
	Accuracy         *float64 `json:"accuracy"`
	BalancedAccuracy *float64 `json:"balancedAccuracy"`
	Confusion        []int    `json:"confusion"` // [class, prediction], row-major
	RMSE             *float64 `json:"rmse"`      // in the unit of the target, as MAE
	MAE              *float64 `json:"mae"`
	R2               *float64 `json:"r2"`
}

// PredictedRow is a row of a table.
type PredictedRow struct {
	Line    int     `json:"line"`
	Text    string  `json:"text"`  // the name of the class, or the number; empty: there is a problem
	Share   float64 `json:"share"` // probability of the class, or its score; 0 if a number is predicted
	Problem string  `json:"problem"`
}

// TryError is a message of type "error": why a model is not loaded, or a question has no
// answer.
type TryError struct {
	Type   string  `json:"type"`
	Of     string  `json:"of"`   // type of the message that it answers
	Slot   string  `json:"slot"` // of a model; empty: all
	ID     int     `json:"id"`   // of the question
	Code   Trouble `json:"code"`
	Detail string  `json:"detail"` // more, as a sentence
}

// Trouble is a kind of TryError.
type Trouble string

// The kinds of trouble.
const (
	NoModel      Trouble = "no-model"      // of the kind that the question wants
	BadModel     Trouble = "bad-model"     // the file is no model that can be used
	BadPicture   Trouble = "bad-picture"   // the picture cannot be read
	EmptyDrawing Trouble = "empty-drawing" // there are no strokes in the drawing
	BadTable     Trouble = "bad-table"     // the table cannot be read
	AskDecimal   Trouble = "ask-decimal"   // the message must say decimal: no number of the table shows the sign
	BadMessage   Trouble = "bad-message"   // the page has asked for what there is not
)
