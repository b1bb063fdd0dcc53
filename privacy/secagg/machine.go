package secagg

// Event is something that has happened to a machine.
type Event interface{ event() }

// Effect is something that a machine wants done, in the order given.
type Effect interface{ effect() }

// Events of both machines.
type (
	// Received says that a message has come.
	Received struct {
		From    uint64 // the client; 0 for a Client, whose messages are the server's
		Message []byte
	}

	// Computed answers a Compute.
	Computed struct{ Answer Answer }

	// Persisted says that a Persist or a Journal is durable.
	Persisted struct{}
)

// Events of a Client.
type (
	// Begin begins the attempt. A second one sends the keys again.
	Begin struct{}

	// Vector says what the client contributes. It may come at any time after Begin,
	// once.
	Vector struct {
		// Update numbers the training that the vector is of, from 1 on. Vectors
		// of one training have one number, however they are rounded, and later
		// trainings larger ones.
		Update uint64
		Values []uint32 // Terms.Length of them, modulo 2^Terms.Bits; the client keeps the slice
	}
)

// Events of a Server.
type (
	// Left says that a client is gone. It is not awaited, unless it is Resumed.
	Left struct{ From uint64 }

	// Resumed says that a client is back, with its keys: it gets the message of the phase again.
	Resumed struct{ From uint64 }

	// Deadline says that the phase ends with those that have answered.
	Deadline struct{}
)

func (Received) event()  {}
func (Computed) event()  {}
func (Persisted) event() {}
func (Begin) event()     {}
func (Vector) event()    {}
func (Left) event()      {}
func (Resumed) event()   {}
func (Deadline) event()  {}

// Effects of both machines.
type (
	// Send sends a message to a client, or to the server if a Client says it.
	Send struct {
		To      uint64
		Message []byte
	}

	// Compute executes a request. Computed answers it.
	Compute struct{ Request Request }

	// Ignored says that a message has been dropped, and why. The machine goes on.
	Ignored struct {
		From uint64
		Err  error
	}
)

// Effects of a Client.
type (
	// Persist writes a record down durably, in place of the run's earlier one. Persisted
	// answers it. If that is not possible the client must be dropped.
	Persist struct{ Record []byte }

	// Refused says that the client leaves the attempt, and why. Its secrets are gone.
	Refused struct{ Err error }
)

// Effects of a Server.
type (
	// Add adds a client's masked vector, which aliases its message, to the Sum of the attempt.
	Add struct {
		From   uint64
		Vector []byte
	}

	// Journal subtracts the masks from the sum and writes it down durably, before
	// it is used. Persisted answers it.
	Journal struct{ Masks []uint32 }

	// Finished says whose sum it is. Both are ascending.
	Finished struct {
		Survivors []uint64
		Dropped   []Dropout
	}

	// Failed says that the attempt has no sum, and who has not answered.
	Failed struct {
		Phase   string
		Err     error
		Dropped []Dropout
		Spoiled []uint64 // whose shares do not reconstruct, although enough neighbours have answered: theirs are garbage
	}
)

// Dropout is a client whose vector is not in the sum, or because of which there is none.
type Dropout struct {
	Client uint64
	Phase  string // that it has not answered
}

func (Send) effect()     {}
func (Compute) effect()  {}
func (Ignored) effect()  {}
func (Persist) effect()  {}
func (Refused) effect()  {}
func (Add) effect()      {}
func (Journal) effect()  {}
func (Finished) effect() {}
func (Failed) effect()   {}
