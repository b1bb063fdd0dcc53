package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// The vectors are frozen with v1: the flag makes files that are not there and
// leaves the others as they are, and a test that fails shows an incompatible
// change.
var update = flag.Bool("update", false, "make the files that testdata/vectors lacks")

// frozen is what sha256sum says of testdata/vectors. A new vector adds its
// line; no other line changes while v1 lasts.
const frozen = `
04521c00440d29c120a0bd86fa6cadb6ba8be85db476851b4e7e85757b456f93  ack-late.txt
99a2e380130de1c972380ad19af472ea191e3c7f373c9aa33135e1c47324ec2e  ack-round.txt
e7a5fbbbca853d430ff6f70f5eaf4ada2dc4b6f3e7cbf016196168170568f3f0  ack.txt
6d1287d328f38b02ae30afe394ff60670f6ad05b4ac5c7a20f26b2abad8646f5  bye.txt
75b0616f3933c3198110544323ef6ccb7fe1b44199166dcf4880f251f594d8d3  chunk.txt
85141b1e23db0fbf75b1fff171104831740b2989e13f61bb480d96146f84912e  constants-means.txt
7cc0f33e111729ac6a8b8e5da3d1edf1c6ae73872832e2f8528d99f49a092f3a  constants.txt
27a570a72836a3006a9fdefa30c95aea23d6c98371868ac2226a32960addd159  contribution-announced.txt
cce23bd0983bd6fad02e66fda10ea0c1264e25b03a10f0e100509fa2a2956445  contribution-metrics.txt
0f4e53eb944add4e85f1b7bc623ee07f0c6d090d1da3fff1a21c4e4729f84849  contribution-payloads-announced.txt
d451acb8324bbad639fe4b00a2cca9db675a6fc317ffa0caad03196d5529fc7f  contribution-payloads.txt
0d9b452de4b44a795d924ad87538a694be95384ddd1caa4feda58783e404e66f  contribution.txt
5b3c210b89d24048cc5b0ea21c364091133cc23664bdd32f2698f9771c8ae717  decline.txt
025174c19e0aac73904f258442c26e3dc613532a8af2b81ec9233fb56cbbe0e7  fetch.txt
480247fdf94d2f052476acabbaa7162db77012d0d44f24cdeca6f026bc84e625  hello-empty.txt
06127f5fab5e2a726d7b49f01942ede0e35cae7eda564d011d0fa2da0dca08d8  hello-invite.txt
5849d65fdeedd4767ad579b30ba7cc6dd999cc6b7c9788df694c082d432becd8  hello-payloads.txt
f5f296042e072380088431ee19b1cefd5002b9a34b020f4054770b263e7c4319  hello-resumed.txt
fa88bf60f89fcc260c5c26d61a370de79b17c94ed2e4b53aad41302b56f6f204  hello.txt
b28c28aa1ccd7ee6353937f8a2b3101ecaaa3ced878b58f176e72bf89d423dbb  model-announced.txt
156659bd60d29eae6efa31edeca7da23e473d99652ccd2ed2080affcc48795f3  model-delta.txt
688f7bccae4fa1e55034b28e7725cc2598f70749d0434a0e6d0bd1b5a124a432  model.txt
36179b390e8192f2c1e3631ac7c7caa0a07550b6f450d50792ac4ca44146946d  order-adam.txt
e9b076e41e47ed6955a6bb80ed332b0ad5318f758604361562326ebf86deced7  order-base.txt
44f5224674cc0197ff05bd8025cf1711c450f3a0573f57cb76fb78a6d5b2913f  order-evaluate.txt
2dee044ef1ea6499946d3365e192999f70aa1e1457b383616bde5110ca7a4f0e  order-monitor.txt
c0bb89648c80fe57f7fabf79fe923575eaabb9629fa7456598fd902489a34db0  order-packed.txt
084a3d20e4cdd851b19f91c66819be6eb6c44ad2340d0a2bc9fd2af3b3f27f79  order-payloads.txt
990efc9aa2d4006ac64b9d0109d51fb9e9f54fa7f06f3c9f4eacac8e37586830  order-reproducible.txt
b8cb5a087ff9bcab9b60eb97450a035f5269e0d21e901499e5942f32747a2aba  order-scaffold.txt
0e6815c1e4ab381938da0dfc5d75ef275b057e725840cdc78f4e926b766bec63  order-secure.txt
e1610f18581d410305a8252a6b8091c14977c5b2b794fa068517277f4d7eb981  order-unknown-kind.txt
680cdb8a2661baf95db7faca3a2ef135c21918c1ff5c5702b5bb9a875e61b08c  order.txt
b52b2cf5e7e2fecf09975a1ca2f49cc2c3cc08e2b92268329dbe144f469f6118  progress.txt
6ac5aa11d5a3879b73b4548fb65bfdb100abe4f68e3e04e95c568ad0e6b5d441  secure-announced.txt
801d61a16dc49691aadd191776490c49a17e25be8131738082ff2db74048a36d  secure.txt
b8bbe3f058dfe62af0d19feaaa3007eee6a65fd31a218cbdd191ce96892dec47  shards.txt
5b8ad79f0476f792aa16f3771848e5c9e8560d6bb3083ea7050019d6d907a807  status-finished.txt
97acf061e59820ae3e34603f99e340d24dc08218dcd199c146a190d9a4958f87  status-paused.txt
7186a03fcf442d75e769aab6737d17505c4f02b3b83f83bc1582d4c92b897504  status-token.txt
c7740ede42eed7402e44dcd326050771dc2fd30bfde622b7c875dc3796a7eece  status.txt
480e76e6315ff1efb7dd39972b6b6423b3b54b93207ec3c7af633410367b92e8  tab.txt
ec96a948c53271100e02a21d22866a3af391ea9379dbefa855332c9624127cba  want-version.txt
bf6920c27e5bfbcc8f9ade7f7c51b293770575ad90fd6c0b10d555c6b7e64c97  want.txt
368dc9c447053d00037d203af5278ccc2f802bea21b53a60481642af7d1cf185  welcome-class-weights.txt
a76528bd266e6075b466a0673b16659785459d94e91281dcfb0cd855ce1bb431  welcome-cnn.txt
1e6d6570fbbb81775ad5e82e426737805b948cd8d9fc93962565785247dd9779  welcome-secure-limits.txt
811851ecfcd2e53a3108274cc7ed36ad61e24c13372843fb6f0754a6fd3f1165  welcome-secure-noise.txt
4c3878fbce09c8ee344d200fd29e777ec79f68c6d0bd7f3ba386f57fca6c0961  welcome-secure.txt
7b4b52d0d8acbe2713fb4368d844777e90880239036e103466c053236b6ae240  welcome-unknown-layer.txt
70f62e389a37985da3f773e5a804266f37aa7d9deaf9803eb88248b5fc3990a5  welcome.txt
`

// ramp returns n bytes that count up from first.
func ramp(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// vectors are the messages of testdata/vectors, by file name.
var vectors = []struct {
	name string
	note string
	m    Message
}{
	{"hello", "A new participant.", &Hello{
		Protocol: Version, Task: "mnist-2nn", Client: "fedtab-tab/0.1 wasm simd", Codecs: []Codec{CodecFloat32}, TabState: TabVisible}},
	{"hello-resumed", "A participant that comes back, holds version 7, and knows codecs that we do not.", &Hello{
		Protocol: Version, Task: "mnist-2nn", ResumeToken: ramp(0xa0, 48), Client: "π/3", Codecs: []Codec{0, 1, 300},
		Held: 7, HeldHash: ramp(0, 32), TabState: TabHidden}},
	{"hello-invite", "A new participant with an invite.", &Hello{
		Protocol: Version, Task: "mnist-2nn", Codecs: []Codec{CodecFloat32}, TabState: TabVisible, Invite: "AQECAwQFBgcIAAAACmVT_xBtbmlzdC0ybm7jNgYqFrsMsVRI58CTnQTt"}},
	{"hello-empty", "Every field zero: two bytes.", &Hello{}},
	{"welcome", "MNIST on the network of the FedAvg paper.", &Welcome{
		Session: 1234, Participant: 3, ResumeToken: ramp(0xa0, 48), Run: "mnist-2nn-1-5f3a", Title: "Handwritten digits",
		Model: ModelSpec{Input: []uint32{28, 28}, Layers: []Layer{
			{Kind: LayerDense, Units: 200, Activation: ActivationReLU}, {Kind: LayerDense, Units: 200, Activation: ActivationReLU}, {Kind: LayerDense, Units: 10, Activation: ActivationIdentity}}},
		Seed: math.MaxUint64, InitialHash: ramp(0x20, 32), Parameters: 199210, Version: 12, PingInterval: 10}},
	{"welcome-class-weights", "A rare second class whose examples count ten times.", &Welcome{
		Participant: 3, Run: "rare-1", Model: ModelSpec{Input: []uint32{2}, Loss: LossLogistic, Layers: []Layer{{Kind: LayerDense, Units: 1}}, ClassWeights: []float32{0.5, 10}}}},
	{"welcome-unknown-layer", "A layer and an activation that we do not know: kept as numbers.", &Welcome{
		Model: ModelSpec{Input: []uint32{5}, Layers: []Layer{{Kind: LayerKind(9), Units: 4, Activation: Activation(12)}, {}}}}},
	{"welcome-cnn", "A network of convolutions with penalties, and random features in front.", &Welcome{
		Participant: 3, Run: "mnist-cnn-1", Model: ModelSpec{Input: []uint32{28, 28}, Loss: LossHinge, Epsilon: 0.5, L1: 0.25, L2: 0.125, Layers: []Layer{
			{Kind: LayerConv, Units: 32, Size: 5, Same: true, Activation: ActivationGELU}, {Kind: LayerMaxPool, Size: 3, Stride: 2},
			{Kind: LayerDropout, Rate: 0.5}, {Kind: LayerRBF, Units: 100, Gamma: 0.25, Seed: 7}, {Kind: LayerDense, Units: 10}}}}},
	{"shards", "Four of a hundred shards.", &Shards{
		Assignment: 5, Source: "/data/mnist/train", Shards: []uint32{0, 17, 64, 300}, Total: 600}},
	{"order", "One local epoch of federated averaging.", &Order{
		Order: 9, Kind: OrderFit, Round: 13, Base: 12, BaseHash: ramp(0x40, 32),
		Hyper: Hyper{Epochs: 1, Batch: 10, LR: 0.1}, Seed: 0xfedcba9876543210, Deadline: 60000}},
	{"order-adam", "Every setting of the optimiser.", &Order{
		Order: 9, Kind: OrderFit, Round: 13, Base: 12, BaseHash: ramp(0x40, 32),
		Hyper: Hyper{Epochs: 1, Batch: 10, LR: 0.1, Optimiser: OptimiserAdamW, Momentum: 0.75, Beta2: 0.5, Epsilon: 0.125, WeightDecay: 0.25,
			Clip: 5, Schedule: ScheduleCosine, Every: 100, Factor: 0.0625, Warmup: 20}}},
	{"order-monitor", "Dynamic averaging: train on from a balanced model, report when the squared distance exceeds 0.75.", &Order{
		Order: 11, Kind: OrderMonitor, Round: 13, Base: 12, BaseHash: ramp(0x40, 32), Seed: 5, Start: ramp(0x50, 32),
		Hyper: Hyper{Steps: 8, Batch: 10, LR: 0.1, Stream: true, Delta: 0.75}}},
	{"order-scaffold", "Control variates and a proximal term.", &Order{
		Order: 12, Kind: OrderFit, Round: 13, Base: 12, BaseHash: ramp(0x40, 32),
		Hyper: Hyper{Epochs: 5, Batch: 10, LR: 0.1, Prox: 0.125, Control: true}}},
	{"order-packed", "An answer of half a bit per parameter, with error feedback.", &Order{
		Order: 12, Kind: OrderFit, Round: 13, Base: 12, BaseHash: ramp(0x40, 32),
		Hyper: Hyper{Epochs: 1, Batch: 10, LR: 0.1, Codec: CodecDeadzone, Bits: 0.5, Feedback: true}}},
	{"order-reproducible", "Arithmetic that rounds alike in every browser.", &Order{
		Order: 12, Kind: OrderFit, Round: 13, Base: 12, BaseHash: ramp(0x40, 32),
		Hyper: Hyper{Epochs: 1, Batch: 10, LR: 0.1, Reproducible: true}}},
	{"order-base", "Ten base models for the Radon machine.", &Order{
		Order: 1, Kind: OrderBase, Round: 1, BaseHash: ramp(0x40, 32), Hyper: Hyper{Epochs: 20, Batch: 1, LR: 0.1, Parts: 10}}},
	{"order-payloads", "Nothing to train: sums modulo 2^40, and a sealed message of at most 100 bytes.", &Order{
		Order: 13, Kind: OrderReport, Round: 13, Base: 12, BaseHash: ramp(0x40, 32), Payloads: []Payload{
			{Kind: PayloadIntegers, Name: "sums", Bits: 40, Count: 3}, {Kind: PayloadBytes, Name: "sealed", MaxBytes: 100}}}},
	{"hello-payloads", "A client that can send integers and bytes.", &Hello{
		Protocol: Version, Task: "mnist-2nn", Codecs: []Codec{CodecFloat32}, TabState: TabVisible, Payloads: []PayloadKind{PayloadIntegers, PayloadBytes}}},
	{"contribution-payloads", "The answer to order-payloads: 1, 2^40 - 1 and 0x123456789a, and five bytes.", &Contribution{
		Order: 13, Round: 13, Weight: 600, Vectors: []Vector{
			{Kind: PayloadIntegers, Name: "sums", Bits: 40, Count: 3, Block: []byte{1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x9a, 0x78, 0x56, 0x34, 0x12}},
			{Kind: PayloadBytes, Name: "sealed", Block: ramp(1, 5)}}}},
	{"contribution-payloads-announced", "Integers that follow in chunks after a delta.", &Contribution{
		Transfer: 1, Order: 9, Round: 13, Weight: 600, Vectors: []Vector{
			{Role: RoleDelta, BaseHash: ramp(0x40, 32), Size: 796840},
			{Kind: PayloadIntegers, Name: "sums", Bits: 64, Count: 10000, Size: 80000}}}},
	{"order-unknown-kind", "A kind of order that we do not know: kept, and declined.", &Order{
		Order: 10, Kind: OrderKind(77), Round: 14, Hyper: Hyper{Steps: 1 << 31, LR: float32(math.Copysign(0, -1)), Codec: 5}}},
	{"model", "Three parameters, inline.", &Model{
		Version: 12, Hash: ramp(0x60, 32), Vectors: []Vector{
			{Role: RoleModel, Block: []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf, 0, 0, 0, 0}}}}},
	{"model-announced", "A full model of 199,210 parameters whose 796,840 bytes follow in 13 chunks.", &Model{
		Transfer: 12, Version: 12, Hash: ramp(0x60, 32), Vectors: []Vector{{Role: RoleModel, Size: 796840}}}},
	{"model-delta", "A difference from version 10.", &Model{
		Version: 12, Hash: ramp(0x60, 32), Base: 10, Vectors: []Vector{
			{Role: RoleDelta, BaseHash: ramp(0x80, 32), Codec: CodecGrid, Block: ramp(1, 9)}}}},
	{"contribution", "A delta and a control variate, inline.", &Contribution{
		Order: 9, Round: 13, Weight: 600,
		Metrics: Metrics{Examples: 600, Steps: 60, LossSum: 812.5, Correct: 431, Millis: 57},
		Vectors: []Vector{
			{Role: RoleDelta, BaseHash: ramp(0x40, 32), Block: ramp(1, 8)},
			{Role: RoleControl, Block: ramp(9, 8)}}}},
	{"contribution-announced", "Two blocks that follow in chunks, the second empty.", &Contribution{
		Transfer: 1, Order: 9, Round: 13, Weight: 600, Vectors: []Vector{
			{Role: RoleDelta, BaseHash: ramp(0x40, 32), Size: 796840}, {Role: RoleControl}}}},
	{"contribution-metrics", "The answer to an evaluation: no vectors, and a loss that is not finite.", &Contribution{
		Order: 11, Round: 14, Weight: 100, Metrics: Metrics{Examples: 100, LossSum: math.Inf(1)}}},
	{"ack", "Accepted is 0 and therefore not in the bytes.", &Ack{Order: 9}},
	{"ack-round", "Accepted for a round that the order had left open.", &Ack{Order: 9, Round: 14}},
	{"ack-late", "A refusal.", &Ack{Order: 9, Reason: ReasonLate, Detail: "round 13 closed"}},
	{"decline", "A client that cannot do what it is asked for.", &Decline{Order: 10, Reason: ReasonUnsupported, Detail: "order kind 77"}},
	{"want", "The newest model, in full.", &Want{Full: true}},
	{"want-version", "A certain version, in any form.", &Want{Version: 11}},
	{"fetch", "The present local model, please.", &Fetch{Order: 12, Codec: 3}},
	{"progress", "Training has begun.", &Progress{Order: 9, Examples: 600}},
	{"tab", "The tab is about to be frozen.", &Tab{State: TabFrozen}},
	{"status", "Round 14 is open.", &Status{
		Phase: PhaseTraining, Round: 14, Version: 13, Participants: 4, Evaluated: 12, TestLoss: 0.25, TestAccuracy: 0.9321, Closed: 13}},
	{"status-finished", "The end.", &Status{
		Phase: PhaseFinished, Round: 40, Version: 40, Participants: 4, Evaluated: 40, TestLoss: 0.0625, TestAccuracy: 0.9803, Closed: 40,
		Reason: "accuracy 0.98 reached"}},
	{"status-paused", "A pause, and its reason.", &Status{
		Phase: PhasePaused, Round: 13, Version: 13, Participants: 4, Evaluated: 13, TestLoss: 0.25, TestAccuracy: 0.9321, Closed: 13,
		Reason: "the lesson goes on tomorrow"}},
	{"status-token", "A newer resume token.", &Status{
		Phase: PhaseTraining, Round: 14, Version: 13, Participants: 4, Closed: 13, ResumeToken: ramp(0xa0, 45)}},
	{"bye", "A newer socket has the same token.", &Bye{Code: CloseSuperseded, Detail: "this participant is active in another tab"}},
	{"order-evaluate", "An enquiry: evaluate version 12 on the holdout, and send the totals.", &Order{
		Order: EnquiryOrders + 3, Kind: OrderEvaluate, Base: 12, BaseHash: ramp(0x40, 32), Deadline: 30000, Payloads: []Payload{
			{Kind: PayloadBytes, Name: "evaluation", MaxBytes: 56}}}},
	{"constants", "Two features with their means and deviations.", &Constants{Mean: []float64{38.5, -0.25}, Deviation: []float64{12, 1}}},
	{"secure", "A message of secure aggregation.", &Secure{Transfer: 7, Order: 7, Vectors: []Vector{{Kind: PayloadBytes, Name: SecurePayload, Block: []byte{1, 2, 3}}}}},
	{"secure-announced", "The roster of many participants: its body follows in chunks.", &Secure{Transfer: 7, Order: 7, Vectors: []Vector{{Kind: PayloadBytes, Name: SecurePayload, Size: 64017}}}},
	{"welcome-secure", "A task with secure aggregation.", &Welcome{Participant: 3, Run: "mnist-secure-1", Parameters: 199210, Secure: SecureTerms{Min: 5, Max: 100, Dropout: .3, Corrupt: .2, Examples: 600, Bits: 12, Subset: .25}}},
	{"welcome-secure-noise", "A task whose participants add shares of noise.", &Welcome{Participant: 3, Run: "mnist-secure-dp-1", Parameters: 199210, Secure: SecureTerms{Min: 140, Max: 250, Dropout: .2, Corrupt: .1, Examples: 1, Bits: 16, Subset: 1, Noise: 2.15}}},
	{"welcome-secure-limits", "The same, with what its claim rests on.", &Welcome{Participant: 3, Run: "mnist-secure-dp-1", Parameters: 199210, Secure: SecureTerms{Min: 160, Max: 200, Dropout: .1, Corrupt: .1, Examples: 1, Bits: 16, Subset: 1, Noise: 2.14, Clip: 1, Participations: 11}}},
	{"order-secure", "An order whose answer is masked.", &Order{Order: 7, Kind: OrderFit, Round: 7, Hyper: Hyper{Epochs: 1, Batch: 10, LR: .1, Bound: 1.5}, Payloads: []Payload{{Kind: PayloadMasked, Name: SecurePayload, MaxBytes: 298843}}}},
	{"constants-means", "The means alone: sums of squares about them follow.", &Constants{Mean: []float64{38.5, -0.25}}},
	{"chunk", "The second chunk of a transfer, cut short.", &Chunk{Transfer: 12, Offset: 65536, Data: ramp(0xf0, 32)}},
}

func TestVectors(t *testing.T) {
	files, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !*update && len(files) != len(vectors) {
		t.Errorf("testdata/vectors has %d files, want %d", len(files), len(vectors))
	}
	covered := map[Kind]bool{}
	for _, v := range vectors {
		covered[KindOf(v.m)] = true
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", "vectors", v.name+".txt")
			if _, err := os.Stat(path); *update && errors.Is(err, fs.ErrNotExist) {
				if err := os.WriteFile(path, []byte(vectorFile(v.note, v.m)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			frame, text := readVector(t, path)
			if got := Append(nil, v.m); !bytes.Equal(got, frame) {
				t.Errorf("Append = %x, want %x", got, frame)
			}
			if got := Size(v.m); got != len(frame) {
				t.Errorf("Size = %d, want %d", got, len(frame))
			}
			got, err := Decode(frame)
			if err != nil {
				t.Fatalf("Decode: %v", err)
			}
			if !equal(got, v.m) {
				t.Errorf("Decode = %s, want %s", render(got), render(v.m))
			}
			if got := render(got); got != text {
				t.Errorf("decoded message is\n%s\nwant\n%s", got, text)
			}
		})
	}
	for k := Kind(1); k <= Kinds; k++ {
		if !k.known() {
			continue
		}
		if !covered[k] {
			t.Errorf("no vector of kind %v", k)
		}
	}
}

func TestVectorsAreFrozen(t *testing.T) {
	files, err := filepath.Glob("testdata/vectors/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	left := frozen
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("\n%x  %s\n", sha256.Sum256(b), filepath.Base(path))
		if !strings.Contains(left, line) {
			t.Errorf("frozen lacks%s", line)
		}
		left = strings.Replace(left, line, "\n", 1)
	}
	if left != "\n" {
		t.Errorf("no file is, or is any more, as in%s", left)
	}
}

// vectorFile returns a file of testdata/vectors.
func vectorFile(note string, m Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", note)
	for row := range slices.Chunk(Append(nil, m), 32) {
		fmt.Fprintf(&b, "%x\n", row)
	}
	b.WriteString("\n" + render(m))
	return b.String()
}

// readVector returns the frame of a vector file, and the message in
// protobuf's text format.
func readVector(t testing.TB, path string) (frame []byte, text string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(b), "\n\n", 3)
	if len(parts) != 3 {
		t.Fatalf("%s: has %d paragraphs, want a note, the frame in hexadecimal and the message", path, len(parts))
	}
	frame, err = hex.DecodeString(strings.ReplaceAll(parts[1], "\n", ""))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return frame, parts[2]
}

// equal compares messages, floats by their bits.
func equal(a, b Message) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && render(a) == render(b) && bytes.Equal(Append(nil, a), Append(nil, b))
}

// render returns m in protobuf's text format, as a Frame.
func render(m Message) string {
	var b strings.Builder
	renderMessage(&b, "", KindOf(m).String(), reflect.ValueOf(m).Elem())
	return b.String()
}

func renderMessage(b *strings.Builder, indent, name string, v reflect.Value) {
	var fields strings.Builder
	for i := range v.NumField() {
		renderField(&fields, indent+"  ", snake(v.Type().Field(i).Name), v.Field(i))
	}
	if fields.Len() == 0 {
		fmt.Fprintf(b, "%s%s {}\n", indent, name)
		return
	}
	fmt.Fprintf(b, "%s%s {\n%s%s}\n", indent, name, fields.String(), indent)
}

func renderField(b *strings.Builder, indent, name string, v reflect.Value) {
	line := func(s string) { fmt.Fprintf(b, "%s%s: %s\n", indent, name, s) }
	if v.Kind() == reflect.Slice {
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if v.Len() > 0 {
				line(quote(v.Bytes()))
			}
			return
		}
		for i := range v.Len() {
			if e := v.Index(i); e.Kind() == reflect.Struct {
				renderMessage(b, indent, name, e)
			} else if e.CanFloat() {
				line(float(e.Float(), e.Type().Bits()))
			} else {
				line(number(e))
			}
		}
		return
	}
	if v.CanFloat() && math.Float64bits(v.Float()) != 0 { // -0 is IsZero
		line(float(v.Float(), v.Type().Bits()))
		return
	}
	if v.Kind() == reflect.Struct {
		var sub strings.Builder
		if renderMessage(&sub, indent, name, v); sub.String() != indent+name+" {}\n" {
			b.WriteString(sub.String())
		}
		return
	}
	if v.IsZero() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		line(quote([]byte(v.String())))
	case reflect.Bool:
		line("true")
	default:
		line(number(v))
	}
}

// number renders an integer, or an enumeration's value as in fedtab.proto.
func number(v reflect.Value) string {
	s, ok := v.Interface().(fmt.Stringer)
	if !ok || v.Type() == reflect.TypeFor[CloseCode]() {
		return strconv.FormatUint(v.Uint(), 10)
	}
	if words := s.String(); !strings.HasSuffix(words, " "+strconv.FormatUint(v.Uint(), 10)) {
		return strings.ToUpper(snake(v.Type().Name()) + "_" + strings.NewReplacer(" ", "_", "-", "_").Replace(words))
	}
	return strconv.FormatUint(v.Uint(), 10)
}

func float(v float64, bits int) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 1):
		return "inf"
	case math.IsInf(v, -1):
		return "-inf"
	}
	s := strconv.FormatFloat(v, 'g', -1, bits)
	if s == "-0" { // an integer to the text format, which has no negative zero
		s = "-0.0"
	}
	return s
}

func quote(s []byte) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		if c >= ' ' && c <= '~' && c != '"' && c != '\\' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// snake turns BaseHash into base_hash and LR into lr.
func snake(s string) string {
	var b strings.Builder
	small := false
	for _, c := range s {
		if unicode.IsUpper(c) && small {
			b.WriteByte('_')
		}
		small = unicode.IsLower(c)
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// broken are frames that Decode refuses.
var broken = []struct {
	name  string
	frame string // hexadecimal
	want  error
	path  string
}{
	{"empty", "", ErrMalformed, "frame"},
	{"broken tag", "ff", ErrMalformed, "frame"},
	{"field number 0", "0200", ErrMalformed, "frame"},
	{"truncated message", "0a05", ErrMalformed, "frame"},
	{"truncated field", "0a020a05", ErrMalformed, "hello"},
	{"trailing garbage", "0a00ff", ErrMalformed, "frame"},
	{"message as a number", "0801", ErrMalformed, "hello"},
	{"group", "0b0c", ErrMalformed, "frame"},
	{"wrong wire type", "0a020801", ErrMalformed, "hello.protocol"},
	{"float as a double", "22" + "0b" + "3209" + "21" + "0000000000000000", ErrMalformed, "order.hyper.lr"},
	{"two messages of one kind", "0a000a00", ErrMalformed, "hello"},
	{"two messages", "0a001200", ErrMalformed, "welcome"},
	{"field twice", "52" + "04" + "0801" + "0801", ErrMalformed, "fetch.order"},
	{"sub-message twice", "22" + "04" + "3200" + "3200", ErrMalformed, "order.hyper"},
	{"number of 11 bytes", "520c08ffffffffffffffffffff01", ErrMalformed, "fetch"},
	{"number over 32 bits", "1206" + "108080808010", ErrMalformed, "welcome.participant"},
	{"enumeration over 31 bits", "6206" + "088080808008", ErrMalformed, "tab.state"},
	{"bool of 2", "4a021002", ErrMalformed, "want.full"},
	{"text not UTF-8", "0a030a01ff", ErrMalformed, "hello.protocol"},
	{"hash of 1 byte", "0a033a01ff", ErrMalformed, "hello.held_hash"},
	{"packed number truncated", "0a032a0180", ErrMalformed, "hello.codecs"},
	{"packed number over 32 bits", "1a07" + "1a05" + "8080808010", ErrMalformed, "shards.shards"},
	{"vector's hash", "32" + "07" + "3200" + "3203" + "120100", ErrMalformed, "contribution.vectors[1].base_hash"},
	{"block inline and announced", "2a07" + "2a05" + "2a0100" + "3001", ErrMalformed, "model.vectors[0].size"},
	{"some blocks inline, some announced", "2a09" + "2a03" + "2a0100" + "2a02" + "3001", ErrMalformed, "model.vectors"},
	{"block larger than any model", "2a08" + "2a06" + "308080808002", ErrTooLarge, "model.vectors[0].size"},
	{"text too long", "0a8408" + "22" + "8108" + strings.Repeat("61", 1025), ErrTooLarge, "hello.client"},
	{"name too long", "0a8401" + "0a" + "8101" + strings.Repeat("61", 129), ErrTooLarge, "hello.protocol"},
	{"token too long", "0a8402" + "1a" + "8102" + strings.Repeat("61", 257), ErrTooLarge, "hello.resume_token"},
	{"invite too long", "0a8402" + "52" + "8102" + strings.Repeat("61", 257), ErrTooLarge, "hello.invite"},
	{"too many codecs", "0a43" + "2a41" + strings.Repeat("00", 65), ErrTooLarge, "hello.codecs"},
	{"too many codecs, unpacked", "0a8201" + strings.Repeat("2800", 65), ErrTooLarge, "hello.codecs"},
	{"too many vectors", "2a8204" + strings.Repeat("2a00", 257), ErrTooLarge, "model.vectors"},
	{"too many unknown fields", "0a8201" + strings.Repeat("7000", 65), ErrTooLarge, "hello"},
	{"unknown kind", "820100", ErrUnknownKind, ""},
	{"unknown kind as a number", "800105", ErrUnknownKind, ""},
	{"too many unknown kinds", strings.Repeat("820100", 65), ErrTooLarge, "frame"},
	{"frame too large", strings.Repeat("00", MaxFrame+1), ErrTooLarge, "frame"},
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range broken {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			frame, err := hex.DecodeString(c.frame)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Decode(frame)
			if m != nil || !errors.Is(err, c.want) {
				t.Fatalf("Decode = %v, %v, want error %v", m, err, c.want)
			}
			var f *FieldError
			if errors.As(err, &f) && f.Path != c.path || f == nil && c.path != "" {
				t.Errorf("error is %q, want path %q", err, c.path)
			}
		})
	}
}

func TestDecodeAccepts(t *testing.T) {
	for _, c := range []struct {
		name  string
		frame string
		want  Message
	}{
		{"zero values", "5204" + "0800" + "1000", &Fetch{}},
		{"fields in any order", "5204" + "1003" + "0801", &Fetch{Order: 1, Codec: 3}},
		{"a longer number than need be", "5203" + "088100", &Fetch{Order: 1}},
		{"list not packed", "0a04" + "2801" + "2802", &Hello{Codecs: []Codec{1, 2}}},
		{"list in pieces", "0a07" + "2a0101" + "2802" + "2a00", &Hello{Codecs: []Codec{1, 2}}},
		{"unknown field", "5205" + "7a0100" + "0801", &Fetch{Order: 1}},
		{"unknown field beside the message", "820100" + "52020801", &Fetch{Order: 1}},
		{"negative zero", "2207" + "3205" + "25" + "00000080", &Order{Hyper: Hyper{LR: float32(math.Copysign(0, -1))}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			frame, err := hex.DecodeString(c.frame)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(frame)
			if err != nil {
				t.Fatal(err)
			}
			if !equal(got, c.want) {
				t.Errorf("Decode = %s, want %s", render(got), render(c.want))
			}
		})
	}
}

// TestDecodeAliases pins what the doc comment of Decode promises.
func TestDecodeAliases(t *testing.T) {
	frame := Append(nil, &Contribution{Vectors: []Vector{{BaseHash: ramp(1, 32), Block: ramp(50, 8)}}})
	m, err := Decode(frame)
	if err != nil {
		t.Fatal(err)
	}
	clear(frame)
	v := m.(*Contribution).Vectors[0]
	if !bytes.Equal(v.BaseHash, ramp(1, 32)) {
		t.Error("a hash aliases the frame")
	}
	if !bytes.Equal(v.Block, make([]byte, 8)) {
		t.Error("a block does not alias the frame")
	}
	if cap(v.Block) != 8 {
		t.Errorf("cap(Block) = %d: appending to it would overwrite the frame", cap(v.Block))
	}
}
