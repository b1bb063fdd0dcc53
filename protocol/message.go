package protocol

// Version names the protocol that this package speaks. A Hello carries it;
// a coordinator that speaks another answers with CloseProtocolVersion.
const Version = "fedtab.v1"

// Message is one message of the protocol: one of the pointer types below.
// Exactly one message travels in one binary WebSocket message.
type Message interface{ kind() Kind }

// Hello opens a session: the first message on every socket, from the client.
type Hello struct {
	Protocol    string        // Version
	Task        string        // name of the task to take part in
	ResumeToken []byte        // of an earlier Welcome; empty for a new participant
	Client      string        // free text for logs, "fedtab-tab/0.1 wasm simd"
	Codecs      []Codec       // codecs that the client can decode and encode
	Held        uint64        // version of the model that the client holds
	HeldHash    []byte        // its SHA-256, empty when it holds none
	TabState    TabState      // state at the time of the hello
	Payloads    []PayloadKind // that it can send beside float32 vectors
	Invite      string        // the code of an invite, for a new participant; empty: it has none
}

// Welcome answers a Hello.
type Welcome struct {
	Session      uint64 // number of this session, for logs and support
	Participant  uint32 // number of the participant within the run
	ResumeToken  []byte // for the Hello of the next socket
	Run          string // identity of the run
	Title        string // of the task, for people
	Model        ModelSpec
	Seed         uint64 // seed of the run: makes version 0
	InitialHash  []byte // SHA-256 of version 0
	Parameters   uint64 // length of the parameter vector
	Version      uint64 // newest committed version
	PingInterval uint32 // seconds between the coordinator's pings
	Secure       SecureTerms
}

// SecureTerms are those of secure aggregation, in which the coordinator learns the sums of
// contributions; zero: it sees each. Package privacy/secagg defines the protocol, and
// privacy/integers what is summed.
type SecureTerms struct {
	Min      uint32  // participants of a sum
	Max      uint32  // participants of a sum
	Dropout  float64 // share of them that may drop out
	Corrupt  float64 // share of them that may collude with the coordinator
	Examples uint32  // that count of one participant at most
	Bits     uint32  // width of a number that is summed
	Subset   float64 // share of the parameters that a round sends
	Members  []byte  // SHA-256 of the members' public keys, where only members may take part; empty: anyone may
	Noise    float64 // standard deviation of the noise in a sum of Min, as a multiple of what one participant changes; 0: none

	// With Noise, the norm to which each contribution is clipped, and the attempts in which one
	// participant takes part at most; 0: any number.
	Clip           float64
	Participations uint32
}

// ModelSpec describes the model that is trained: a chain of layers, and the loss
// of the last layer's output. Package learn defines what each part computes.
type ModelSpec struct {
	Input   []uint32 // dimensions of one example, for instance 28, 28
	Layers  []Layer
	Loss    Loss
	Epsilon float32 // of LossEpsilonInsensitive
	L1, L2  float32 // penalties

	ClassWeights []float32 // of the losses of each class's examples; none: all are 1
}

// Layer is one layer of a ModelSpec.
type Layer struct {
	Kind       LayerKind
	Units      uint32 // dense: length of the output; conv: its channels; rbf: features
	Activation Activation
	Size       uint32  // conv and pools: side of the window
	Stride     uint32  // of the window; 0 is 1 for conv and Size for pools
	Same       bool    // pad so that the output has ceil(input / stride) rows
	Rate       float32 // dropout
	Gamma      float32 // rbf
	Seed       uint64  // rbf
}

// LayerKind says what a Layer computes.
type LayerKind uint32

// The kinds of layer. A client that cannot build one says Bye with
// CloseCapability.
const (
	LayerDense       LayerKind = 1 // y = xW + b, W is [in, Units], row-major
	LayerConv        LayerKind = 2 // W is [Size, Size, channels, Units], row-major
	LayerMaxPool     LayerKind = 3
	LayerAveragePool LayerKind = 4
	LayerDropout     LayerKind = 5
	LayerRBF         LayerKind = 6 // random Fourier features
)

// Activation is the function applied to each output of a Layer.
type Activation uint32

// The activations.
const (
	ActivationIdentity Activation = 0
	ActivationReLU     Activation = 1 // max(x, 0)
	ActivationTanh     Activation = 2
	ActivationSigmoid  Activation = 3 // 1 / (1 + exp(-x))
	ActivationGELU     Activation = 4 // x Phi(x)
)

// Loss is the function that training minimises.
type Loss uint32

// The losses.
const (
	LossSoftmax            Loss = 0 // cross-entropy with the softmax
	LossLogistic           Loss = 1
	LossHinge              Loss = 2
	LossSquared            Loss = 3
	LossAbsolute           Loss = 4
	LossEpsilonInsensitive Loss = 5
)

// Shards tells a client which shards of a public data set it trains on.
// It replaces any earlier assignment. Pending orders continue with the data that
// they began with.
type Shards struct {
	Assignment uint64   // grows with every assignment of the run
	Source     string   // path prefix on the coordinator: GET Source/<shard>
	Shards     []uint32 // numbers of the shards, ascending
	Total      uint32   // number of shards of the data set
}

// OrderKind says what an Order asks for.
type OrderKind uint32

// The kinds of order. A client that lacks a kind answers with Decline and
// ReasonUnsupported.
const (
	OrderFit      OrderKind = 1 // train for some epochs, send the delta
	OrderGradient OrderKind = 2 // send the summed gradient of one mini-batch
	OrderMonitor  OrderKind = 3 // train on, report when a local condition breaks
	OrderEvaluate OrderKind = 4 // evaluate the model on the client's holdout, send the payload: totals
	OrderBase     OrderKind = 5 // train a base model from scratch (Radon machine)
	OrderReport   OrderKind = 6 // train nothing, send the payloads
)

// PayloadKind says what the values of a Vector are.
type PayloadKind uint32

// The kinds of payload. A client's Hello lists those that it can send beside
// PayloadFloat32.
const (
	PayloadFloat32  PayloadKind = 0 // float32, one for each parameter of the model
	PayloadIntegers PayloadKind = 1 // integers modulo 2^Bits
	PayloadBytes    PayloadKind = 2 // opaque bytes
	PayloadMasked   PayloadKind = 3 // a masked vector of secure aggregation
	PayloadSigned   PayloadKind = 4 // in a Hello alone: the client can sign as a member
)

// Payload declares one vector of an answer beside those of float32.
type Payload struct {
	Kind     PayloadKind
	Name     string
	Bits     uint32 // of integers: 1 to 64
	Count    uint64 // of integers: their number
	MaxBytes uint64 // of bytes and masked: max size of the block
}

// Order asks a client for work. The model of version Base has been sent
// before it on the same socket, unless the client holds it.
type Order struct {
	Order    uint64 // unique per participant within the run
	Kind     OrderKind
	Round    uint64 // number of the version that the round makes; 0: any later one
	Base     uint64 // version to start from
	BaseHash []byte // SHA-256 of version Base
	Hyper    Hyper
	Seed     uint64    // seed of the client's random choices in this order
	Deadline uint32    // milliseconds from now; 0 is none
	Start    []byte    // SHA-256 of the local model to start from, sent before; empty: base, or the client's own
	Payloads []Payload // that the answer carries after its float32 vectors, in this order
}

// Hyper holds the hyper-parameters of an Order. A field that a kind does not
// use is zero.
type Hyper struct {
	Epochs uint32  // passes over the local data
	Steps  uint32  // mini-batches; 0 means Epochs decides
	Batch  uint32  // examples per mini-batch; 0 is the whole of the local data
	LR     float32 // learning rate of the mean loss
	Codec  Codec   // how to pack the vectors of the answer

	Optimiser   Optimiser
	Momentum    float32 // or Adam's beta_1; 0 means 0.9
	Beta2       float32 // 0 means 0.999
	Epsilon     float32 // 0 means 1e-8
	WeightDecay float32
	Clip        float32 // max norm of a gradient; 0: no limit
	Schedule    Schedule
	Every       uint32  // steps, of the schedules that use it
	Factor      float32 // of the schedules that use it
	Warmup      uint32  // steps

	Prox    float32 // FedProx's mu: pulls towards the base
	Control bool    // SCAFFOLD: correct gradients by control variates, and send their change
	Stream  bool    // continue with the mini-batch after the last order's
	Delta   float64 // OrderMonitor: squared distance from the base from which it is reported
	Parts   uint32  // OrderBase: models to train, each on its own part of the local data; OrderFit: such models, of which the mean is sent

	Bits     float32 // of the answer's vectors, per parameter, where the codec has a choice
	Feedback bool    // add the residual of earlier answers (error feedback)

	Reproducible bool // use arithmetic that rounds alike in every browser

	Bound float64 // of secure aggregation: norm to which the answer is clipped
}

// Optimiser is the rule that computes a step from gradients.
type Optimiser uint32

// The optimisers.
const (
	OptimiserSGD      Optimiser = 0
	OptimiserMomentum Optimiser = 1
	OptimiserNesterov Optimiser = 2
	OptimiserAdam     Optimiser = 3
	OptimiserAdamW    Optimiser = 4
)

// Schedule is the rule by which the learning rate changes from step to step.
type Schedule uint32

// The schedules.
const (
	ScheduleConstant    Schedule = 0
	ScheduleStep        Schedule = 1
	ScheduleExponential Schedule = 2
	ScheduleCosine      Schedule = 3
	ScheduleInverse     Schedule = 4
)

// Role says what a Vector is.
type Role uint32

// The roles of a vector.
const (
	RoleDelta    Role = 1 // trained parameters minus the base
	RoleGradient Role = 2 // sum of gradients over the examples of the batch
	RoleModel    Role = 3 // parameters
	RoleControl  Role = 4 // control variate (SCAFFOLD)
)

// Codec names how a block is packed.
type Codec uint32

// The codecs.
const (
	CodecFloat32  Codec = 0 // raw little-endian IEEE 754 binary32
	CodecPlanes   Codec = 1 // float32 without loss: exponents entropy coded
	CodecFloat16  Codec = 2 // little-endian IEEE 754 binary16
	CodecDeadzone Codec = 3 // uniform quantiser with a dead zone, entropy coded
	CodecDither   Codec = 4 // the same without a dead zone, dithered: unbiased
	CodecGrid     Codec = 5 // integer differences between versions on a grid

	// CodecPrivate is the first of 16 numbers that no peer sends: a simulation numbers
	// by them the codecs that it alone has.
	CodecPrivate Codec = 112
)

// Vector is one packed vector of a body: float32 values, or the answer to a
// Payload.
type Vector struct {
	Role     Role
	BaseHash []byte // of the model that the vector is relative to, if any
	Part     uint32 // numbers several vectors of one role, from 0
	Codec    Codec
	Block    []byte // the packed values
	Size     uint64 // bytes of the block that follows in chunks; 0: Block is all

	// Of a vector that answers a Payload.
	Kind  PayloadKind
	Bits  uint32
	Count uint64
	Name  string
}

// Model carries parameters to a client: those of a version or, as a delta
// against the same version (Version = Base), a local model to start from, which
// has no version number.
type Model struct {
	Transfer uint64 // of the body's chunks, see Chunk
	Version  uint64
	Hash     []byte // SHA-256 of the parameters of Version, or of the local model
	Base     uint64 // version that a delta is relative to
	Vectors  []Vector
}

// Contribution answers an Order, or a Fetch.
type Contribution struct {
	Transfer uint64 // of the body's chunks, see Chunk
	Order    uint64
	Round    uint64
	Weight   uint64 // examples behind the contribution
	Metrics  Metrics
	Vectors  []Vector
}

// Metrics are what a client measured during an order. They are sums, so that the
// coordinator can combine them exactly.
type Metrics struct {
	Examples uint64  // examples seen, with repetition
	Steps    uint64  // mini-batches
	LossSum  float64 // sum of the examples' losses
	Correct  uint64  // examples seen that were classified correctly
	Millis   uint32  // time spent training, milliseconds
}

// Ack answers a Contribution. ReasonAccepted means received and valid, not
// yet durable: keep the contribution until the Status of its round.
type Ack struct {
	Order  uint64
	Reason Reason
	Detail string // for people
	Round  uint64 // that the contribution counts for, if its own Round was 0
}

// Reason is the typed answer to a contribution or an order.
type Reason uint32

// The reasons.
const (
	ReasonAccepted    Reason = 0
	ReasonLate        Reason = 1  // the round is closed
	ReasonUnordered   Reason = 2  // no such order for this participant
	ReasonDuplicate   Reason = 3  // the order has been answered before
	ReasonWrongBase   Reason = 4  // trained from another model than ordered
	ReasonWrongShape  Reason = 5  // vectors are not those that the order asks for
	ReasonNotFinite   Reason = 6  // a value is NaN or infinite
	ReasonOutOfBounds Reason = 7  // a norm, value or weight beyond its limit
	ReasonCodec       Reason = 8  // unknown codec or broken block
	ReasonBusy        Reason = 9  // try again later
	ReasonUnsupported Reason = 10 // this kind is not built
	ReasonDiverged    Reason = 11 // training diverged
	ReasonPaused      Reason = 12 // the person at the client paused it
	ReasonNoData      Reason = 13 // no examples at the client
	ReasonAbandoned   Reason = 14 // the round was abandoned; drop the work
)

// Reasons is the number of reasons, which count from 0.
const Reasons = 15

// Decline is a client's refusal of an Order or a Fetch.
type Decline struct {
	Order  uint64
	Reason Reason
	Detail string
}

// Want asks the coordinator for the newest version of the model.
type Want struct {
	Version uint64 // that the order rests on; 0: the client cannot make version 0 from the seed
	Full    bool   // send parameters, not a delta: the client's copy is wrong
}

// Fetch asks a client for its present local model (dynamic averaging).
// It is answered by a Contribution, or a Decline, with its Order.
type Fetch struct {
	Order uint64
	Codec Codec
}

// Progress is sent once per order, when training has begun: the model and
// the data are at hand.
type Progress struct {
	Order    uint64
	Examples uint64 // examples that will be seen in all
}

// TabState is the state of a tab in its browser.
type TabState uint32

// The tab states.
const (
	TabVisible TabState = 1
	TabHidden  TabState = 2
	TabFrozen  TabState = 3
	TabPaused  TabState = 4 // by the person
)

// Tab tells a change of the tab's state.
type Tab struct{ State TabState }

// Phase is the phase of a run.
type Phase uint32

// The phases of a run.
const (
	PhaseWaiting    Phase = 1 // for participants
	PhaseTraining   Phase = 2 // a round is open
	PhaseCommitting Phase = 3 // the round is being made durable
	PhaseFinished   Phase = 4
	PhasePaused     Phase = 5 // by the organiser: no order goes out
)

// Status tells every participant the state of the run. It is sent when a
// version is committed and published, when an evaluation ends, when a round
// is abandoned, and when the run is paused, goes on or finishes.
type Status struct {
	Phase        Phase
	Round        uint64 // the round that is open, or the last one
	Version      uint64 // newest committed version
	Participants uint32 // present
	Evaluated    uint64 // version that the two figures below belong to; 0 is none yet
	TestLoss     float64
	TestAccuracy float64
	Closed       uint64 // newest round that takes no more contributions
	Reason       string // why the run is paused or has finished, or a problem of the coordinator; empty otherwise
	ResumeToken  []byte // newer than the Welcome's, in whose place it is; empty: that holds
}

// Constants tells a client with data of its own how its numbers are standardised: those
// of the features in their order, and that of the target of a regression last. It comes
// after the Welcome if they are known, and to all clients once they are.
type Constants struct {
	Mean      []float64
	Deviation []float64 // empty: the sums of squares about Mean are asked for next
}

// Secure carries a message of secure aggregation between a client and the coordinator, in the
// attempt of an order. The masked vector is a Contribution instead.
type Secure struct {
	Transfer uint64 // of the body's chunks, see Chunk
	Order    uint64
	Vectors  []Vector // one, whose block is the message
}

// Bye announces that the sender closes the socket, and why.
type Bye struct {
	Code   CloseCode
	Detail string
}

// Chunk is a piece of the body of the Model or Contribution that was
// announced last on the same socket, in the same direction. The body is the
// concatenation of the blocks of its vectors.
type Chunk struct {
	Transfer uint64 // of the announcement
	Offset   uint64 // of Data in the body
	Data     []byte
}
