package secagg

import "errors"

var (
	// ErrTerms says that the terms of secure aggregation are not possible.
	ErrTerms = errors.New("secure aggregation: terms")

	// ErrParameters says that there is no graph that withstands the risk.
	ErrParameters = errors.New("secure aggregation: no graph")

	// ErrShares says that shares do not reconstruct a secret.
	ErrShares = errors.New("secure aggregation: shares")

	// ErrMessage says that bytes are not the message that they should be.
	ErrMessage = errors.New("secure aggregation: message")

	// ErrAttempt says that a message belongs to another attempt, round, run or terms.
	ErrAttempt = errors.New("secure aggregation: of another attempt")

	// ErrPhase says that a message does not belong into the phase.
	ErrPhase = errors.New("secure aggregation: out of its phase")

	// ErrKeys says that public keys are of low order, not canonical, equal, not
	// signed by a member, or lack the client's own.
	ErrKeys = errors.New("secure aggregation: public keys")

	// ErrGraph says that the graph is not the one that the risk demands, or that a
	// client has fewer neighbours in it than the threshold.
	ErrGraph = errors.New("secure aggregation: graph")

	// ErrSurvivors says that a set of survivors would reveal too much.
	ErrSurvivors = errors.New("secure aggregation: survivors")

	// ErrContradiction says that the server has sent two messages of one kind that differ,
	// such as two sets of survivors.
	ErrContradiction = errors.New("secure aggregation: contradiction")

	// ErrUsed says that an attempt has been begun before, or that an update was part of
	// an attempt before.
	ErrUsed = errors.New("secure aggregation: used before")

	// ErrTooFew says that too few clients are left.
	ErrTooFew = errors.New("secure aggregation: too few clients")
)
