package learn

import "errors"

var (
	// ErrSpec is wrapped by every problem that Spec.Validate reports.
	ErrSpec = errors.New("invalid model")
	// ErrConfig is wrapped when training is configured wrongly, or with
	// examples of a shape other than the model's input.
	ErrConfig = errors.New("invalid training configuration")
	// ErrDiverged is wrapped when a loss or a parameter is NaN or infinite.
	ErrDiverged = errors.New("training diverged")
)
