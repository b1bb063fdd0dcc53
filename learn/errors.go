package learn

import "errors"

var (
	// ErrSpec is wrapped by every problem that Spec.Validate reports.
	ErrSpec = errors.New("invalid model")
	// ErrConfig is wrapped when training is configured wrongly, or with
	// examples that do not fit the model.
	ErrConfig = errors.New("invalid training configuration")
	// ErrDiverged is wrapped when training has left the finite numbers.
	ErrDiverged = errors.New("training diverged")
)
