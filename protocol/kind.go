package protocol

import "strconv"

// Kind numbers the messages: it is the field number of the message in the
// Frame of fedtab.proto.
type Kind uint32

// The kinds of message.
const (
	KindHello        Kind = 1
	KindWelcome      Kind = 2
	KindShards       Kind = 3
	KindOrder        Kind = 4
	KindModel        Kind = 5
	KindContribution Kind = 6
	KindAck          Kind = 7
	KindDecline      Kind = 8
	KindWant         Kind = 9
	KindFetch        Kind = 10
	KindProgress     Kind = 11
	KindTab          Kind = 12
	KindStatus       Kind = 13
	KindBye          Kind = 14
	KindChunk        Kind = 15
	KindConstants    Kind = 18 // 16 and 17 stand for unknown kinds in the conformance kit
	KindSecure       Kind = 19
)

// Kinds is the largest kind.
const Kinds = 19

// known reports whether this package has messages of kind k.
func (k Kind) known() bool {
	return k >= KindHello && k <= KindChunk || k == KindConstants || k == KindSecure
}

// KindOf returns the kind of m, which must not be nil.
func KindOf(m Message) Kind { return m.kind() }

func (*Hello) kind() Kind        { return KindHello }
func (*Welcome) kind() Kind      { return KindWelcome }
func (*Shards) kind() Kind       { return KindShards }
func (*Order) kind() Kind        { return KindOrder }
func (*Model) kind() Kind        { return KindModel }
func (*Contribution) kind() Kind { return KindContribution }
func (*Ack) kind() Kind          { return KindAck }
func (*Decline) kind() Kind      { return KindDecline }
func (*Want) kind() Kind         { return KindWant }
func (*Fetch) kind() Kind        { return KindFetch }
func (*Progress) kind() Kind     { return KindProgress }
func (*Tab) kind() Kind          { return KindTab }
func (*Status) kind() Kind       { return KindStatus }
func (*Bye) kind() Kind          { return KindBye }
func (*Chunk) kind() Kind        { return KindChunk }
func (*Constants) kind() Kind    { return KindConstants }
func (*Secure) kind() Kind       { return KindSecure }

// word returns names[v], or what and the number if v has no name.
func word(names []string, v uint32, what string) string {
	if uint64(v) < uint64(len(names)) && names[v] != "" {
		return names[v]
	}
	return what + " " + strconv.FormatUint(uint64(v), 10)
}

// String returns the message's name in fedtab.proto, or "kind 16" for a
// number that this package does not know.
func (k Kind) String() string {
	return word([]string{
		KindHello: "hello", KindWelcome: "welcome", KindShards: "shards",
		KindOrder: "order", KindModel: "model", KindContribution: "contribution",
		KindAck: "ack", KindDecline: "decline", KindWant: "want",
		KindFetch: "fetch", KindProgress: "progress", KindTab: "tab",
		KindStatus: "status", KindBye: "bye", KindChunk: "chunk", KindConstants: "constants",
		KindSecure: "secure",
	}, uint32(k), "kind")
}

// String returns the kind in words.
func (k LayerKind) String() string {
	return word([]string{
		LayerDense: "dense", LayerConv: "conv", LayerMaxPool: "maxpool", LayerAveragePool: "avgpool",
		LayerDropout: "dropout", LayerRBF: "rbf",
	}, uint32(k), "layer kind")
}

// String returns the activation in words.
func (a Activation) String() string {
	return word([]string{
		ActivationIdentity: "identity", ActivationReLU: "relu", ActivationTanh: "tanh",
		ActivationSigmoid: "sigmoid", ActivationGELU: "gelu",
	}, uint32(a), "activation")
}

// String returns the loss in words.
func (l Loss) String() string {
	return word([]string{
		LossSoftmax: "softmax", LossLogistic: "logistic", LossHinge: "hinge", LossSquared: "squared",
		LossAbsolute: "absolute", LossEpsilonInsensitive: "epsilon-insensitive",
	}, uint32(l), "loss")
}

// String returns the optimiser's name.
func (o Optimiser) String() string {
	return word([]string{
		OptimiserSGD: "sgd", OptimiserMomentum: "momentum", OptimiserNesterov: "nesterov",
		OptimiserAdam: "adam", OptimiserAdamW: "adamw",
	}, uint32(o), "optimiser")
}

// String returns the schedule's name.
func (s Schedule) String() string {
	return word([]string{
		ScheduleConstant: "constant", ScheduleStep: "step", ScheduleExponential: "exponential",
		ScheduleCosine: "cosine", ScheduleInverse: "inverse",
	}, uint32(s), "schedule")
}

// String returns the kind in words.
func (k OrderKind) String() string {
	return word([]string{
		OrderFit: "fit", OrderGradient: "gradient", OrderMonitor: "monitor",
		OrderEvaluate: "evaluate", OrderBase: "base", OrderReport: "report",
	}, uint32(k), "order kind")
}

// String returns the role in words.
func (r Role) String() string {
	return word([]string{
		RoleDelta: "delta", RoleGradient: "gradient", RoleModel: "model", RoleControl: "control",
	}, uint32(r), "role")
}

// String returns the kind of payload in words.
func (k PayloadKind) String() string {
	return word([]string{PayloadFloat32: "float32", PayloadIntegers: "integers", PayloadBytes: "bytes", PayloadMasked: "masked", PayloadSigned: "signed"}, uint32(k), "payload kind")
}

// String returns the codec's name.
func (c Codec) String() string {
	return word([]string{
		CodecFloat32: "float32", CodecPlanes: "float32-planes", CodecFloat16: "float16",
		CodecDeadzone: "deadzone", CodecDither: "dither", CodecGrid: "grid",
	}, uint32(c), "codec")
}

// String returns the reason in words.
func (r Reason) String() string {
	return word([]string{
		ReasonAccepted: "accepted", ReasonLate: "late", ReasonUnordered: "unordered",
		ReasonDuplicate: "duplicate", ReasonWrongBase: "wrong base", ReasonWrongShape: "wrong shape",
		ReasonNotFinite: "not finite", ReasonOutOfBounds: "out of bounds", ReasonCodec: "codec",
		ReasonBusy: "busy", ReasonUnsupported: "unsupported", ReasonDiverged: "diverged",
		ReasonPaused: "paused", ReasonNoData: "no data", ReasonAbandoned: "abandoned",
	}, uint32(r), "reason")
}

// String returns the state in words.
func (s TabState) String() string {
	return word([]string{
		TabVisible: "visible", TabHidden: "hidden", TabFrozen: "frozen", TabPaused: "paused",
	}, uint32(s), "tab state")
}

// String returns the phase in words.
func (p Phase) String() string {
	return word([]string{
		PhaseWaiting: "waiting", PhaseTraining: "training",
		PhaseCommitting: "committing", PhaseFinished: "finished", PhasePaused: "paused",
	}, uint32(p), "phase")
}
