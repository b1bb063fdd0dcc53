package records

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/coordinator/store"
	"fedtab/learn"
	"fedtab/run"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testRun makes a run with two rounds, of which the first is evaluated.
func testRun(t testing.TB) (*store.Store, store.Run) {
	t.Helper()
	s, err := store.Open(t.TempDir(), "test")
	must(t, err)
	t.Cleanup(func() { s.Close() })
	r := store.Run{ID: "digits-1", Task: "digits", Created: began}
	must(t, s.CreateRun(r))
	for round := uint64(1); round <= 2; round++ {
		at := began.Add(time.Duration(round) * time.Minute)
		must(t, s.OpenRound(r.ID, run.OpenRound{Round: round, Base: round - 1, Opened: at, Deadline: at}))
		c := run.Commit{
			Round: round, Base: round - 1, Params: make([]float32, 100), Participants: []uint32{2, 5}, Weight: 1.2e6, TrainLoss: .25 / float64(round), Rate: math.NaN(),
			Traffic: run.Traffic{Up: 250, Down: 3e9, ModelsUp: 2}, Committed: at.Add(1500 * time.Millisecond),
			Clients:       []run.ClientTraffic{{Participant: 5, Traffic: run.Traffic{Up: 250, ModelsUp: 2}}},
			Contributions: []run.Contribution{{Participant: 5, Order: 7, Weight: 600, Scale: .5, Counted: 300, Fingerprint: 255}},
		}
		c.Hash = zeroHash(len(c.Params))
		if round == 2 {
			c.Spent = &run.Spent{Releases: 3, Epsilon: 1.25, Delta: 1e-5}
		}
		must(t, s.Commit(r.ID, c))
	}
	must(t, s.Evaluate(r.ID, run.Evaluation{Version: 1, Figures: learn.Figures{Examples: 10000, Loss: .5, Accuracy: .75, BalancedAccuracy: .7, F1: .6, RMSE: math.NaN(), MAE: math.NaN(), R2: math.NaN()}}))
	return s, r
}

func writeTo(t testing.TB, s *store.Store, f File) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, f.Write(&b, s))
	return b.Bytes()
}

// CSV has a header, and each row what JSON Lines has under the same names.
func TestText(t *testing.T) {
	s, r := testRun(t)
	for _, c := range []struct{ table, csv string }{
		{"rounds", `run,round,opened,committed,seconds,participants,examples,train_loss,test_loss,test_accuracy,test_balanced_accuracy,test_f1,test_rmse,test_mae,test_r2,test_examples,validation_loss,validation_accuracy,validation_rmse,validation_examples,bytes_up,bytes_down,models_up,models_down,bits_up,bits_down,raw_ratio,rate,hash,releases,epsilon,delta
digits-1,1,2026-03-01T12:01:00.250Z,2026-03-01T12:01:01.750Z,1.5,2,1200000,0.25,0.5,0.75,0.7,0.6,,,,10000,,,,,250,3000000000,2,0,10,,2.666666444444463e-7,,HASH,,,
digits-1,2,2026-03-01T12:02:00.250Z,2026-03-01T12:02:01.750Z,1.5,2,1200000,0.125,,,,,,,,,,,,,250,3000000000,2,0,10,,2.666666444444463e-7,,HASH,3,1.25,0.00001
`},
		{"contributions", "run,round,participant,order,examples,scale,counted,fingerprint\ndigits-1,1,5,7,600,0.5,300,00000000000000ff\ndigits-1,2,5,7,600,0.5,300,00000000000000ff\n"},
		{"traffic", "run,round,participant,bytes_up,bytes_down,models_up,models_down\ndigits-1,1,5,250,0,2,0\ndigits-1,2,5,250,0,2,0\n"},
	} {
		t.Run(c.table, func(t *testing.T) {
			f := File{Run: r, Table: c.table, Format: "csv"}
			got := string(writeTo(t, s, f))
			if want := strings.ReplaceAll(c.csv, "HASH", fmt.Sprintf("%x", zeroHash(100))); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if f.Name() != "digits-1-"+c.table+".csv" {
				t.Errorf("its name is %s", f.Name())
			}
			cells, err := csv.NewReader(strings.NewReader(got)).ReadAll()
			must(t, err)
			f.Format = "jsonl"
			for i, line := range strings.Split(strings.TrimSpace(string(writeTo(t, s, f))), "\n") {
				d := json.NewDecoder(strings.NewReader(line))
				d.UseNumber()
				var object map[string]any
				must(t, d.Decode(&object))
				for j, name := range cells[0] {
					text := ""
					if object[name] != nil {
						text = fmt.Sprint(object[name])
					}
					if text != cells[1+i][j] {
						t.Errorf("%s is %q in JSON, %q in CSV", name, text, cells[1+i][j])
					}
				}
				if len(object) != len(cells[0]) {
					t.Errorf("%d fields in JSON, %d columns in CSV", len(object), len(cells[0]))
				}
			}
		})
	}
}

// eventDescriptor is as much of TensorBoard's event.proto and summary.proto as scalars need.
const eventDescriptor = `name: "event.proto" syntax: "proto3"
message_type { name: "Event"
	field { name: "wall_time" number: 1 type: TYPE_DOUBLE label: LABEL_OPTIONAL }
	field { name: "step" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL }
	field { name: "file_version" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL }
	field { name: "summary" number: 5 type: TYPE_MESSAGE type_name: ".Summary" label: LABEL_OPTIONAL } }
message_type { name: "Summary" field { name: "value" number: 1 type: TYPE_MESSAGE type_name: ".Value" label: LABEL_REPEATED } }
message_type { name: "Value"
	field { name: "tag" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
	field { name: "simple_value" number: 2 type: TYPE_FLOAT label: LABEL_OPTIONAL } }`

// Event files are TFRecords of Events, as protobuf's own decoder reads them.
func TestEvents(t *testing.T) {
	s, r := testRun(t)
	f := File{Run: r, Table: "rounds", Format: "tensorboard"}
	if want := fmt.Sprintf("events.out.tfevents.%d.digits-1", began.Unix()); f.Name() != want {
		t.Errorf("its name is %s, want %s", f.Name(), want)
	}
	file := writeTo(t, s, f)
	// So do TensorFlow's own begin: a record of 24 bytes, and the checksum of this length.
	if begins := "\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7fK\""; !bytes.HasPrefix(file, []byte(begins)) {
		t.Errorf("it begins with %x, want %x", file[:12], begins)
	}
	got := events(t, file)
	same := " bytes/up=250 bytes/down=3e+09 models/up=2 models/down=0 bits/up=10 raw/ratio=2.6666663e-07"
	want := []string{
		"1772366400.25 0 brain.Event:2",
		"1772366461.75 1 seconds=1.5 participants=2 examples=1.2e+06 train/loss=0.25 test/loss=0.5 test/accuracy=0.75 test/balanced_accuracy=0.7 test/f1=0.6 test/examples=10000" + same,
		"1772366521.75 2 seconds=1.5 participants=2 examples=1.2e+06 train/loss=0.125" + same + " releases=3 epsilon=1.25 delta=1e-05",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// events reads an event file, and writes each event as wall time, step and what it has.
func events(t *testing.T, file []byte) (all []string) {
	t.Helper()
	var d descriptorpb.FileDescriptorProto
	must(t, prototext.Unmarshal([]byte(eventDescriptor), &d))
	descriptor, err := protodesc.NewFile(&d, nil)
	must(t, err)
	field := func(m protoreflect.Message, name protoreflect.Name) protoreflect.Value {
		return m.Get(m.Descriptor().Fields().ByName(name))
	}
	for len(file) > 0 {
		n := binary.LittleEndian.Uint64(file)
		content := file[12 : 12+n]
		if a, b := binary.LittleEndian.Uint32(file[8:]), binary.LittleEndian.Uint32(file[12+n:]); a != maskedSum(file[:8]) || b != maskedSum(content) {
			t.Fatalf("checksums %x and %x of a record of %d bytes", a, b, n)
		}
		file = file[16+n:]
		m := dynamicpb.NewMessage(descriptor.Messages().ByName("Event"))
		must(t, proto.Unmarshal(content, m))
		if len(m.GetUnknown()) > 0 {
			t.Errorf("unknown fields %x", m.GetUnknown())
		}
		text := fmt.Sprintf("%.2f %d", field(m, "wall_time").Float(), field(m, "step").Int())
		if v := field(m, "file_version").String(); v != "" {
			text += " " + v
		}
		values := field(field(m, "summary").Message(), "value").List()
		for i := range values.Len() {
			v := values.Get(i).Message()
			text += fmt.Sprintf(" %s=%v", field(v, "tag").String(), float32(field(v, "simple_value").Float()))
		}
		all = append(all, text)
	}
	return all
}

// maskedSum is the checksum of a TFRecord, as TensorFlow's documentation has it.
func maskedSum(b []byte) uint32 {
	crc := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))
	return (crc>>15 | crc<<17) + 0xa282ead8
}

// What cannot be written is refused in a sentence.
func TestRefused(t *testing.T) {
	s, r := testRun(t)
	for _, c := range []struct{ table, format, want string }{
		{"rounds", "xlsx", `format: "xlsx", want csv, jsonl or tensorboard`},
		{"models", "csv", `table: "models", want rounds, contributions or traffic`},
		{"traffic", "tensorboard", `table: "traffic", want rounds in the format tensorboard, which has one value in a round`},
	} {
		var b bytes.Buffer
		if err := (File{Run: r, Table: c.table, Format: c.format}).Write(&b, s); err == nil || err.Error() != c.want || b.Len() > 0 {
			t.Errorf("%s as %s: %v and %d bytes, want %s", c.table, c.format, err, b.Len(), c.want)
		}
	}
	r.ID = "none"
	if err := (File{Run: r, Table: "rounds", Format: "csv"}).Write(io.Discard, s); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a run that does not exist: %v, want ErrNotFound", err)
	}
}

// Memory does not grow with the rounds.
func TestMemory(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(dir, "test")
	must(t, err)
	defer s.Close()
	peak := map[int]uint64{}
	for _, rounds := range []int{2_000, 12_000} {
		r := store.Run{ID: fmt.Sprint("long-", rounds), Task: "long", Created: began}
		must(t, s.CreateRun(r))
		fill(t, filepath.Join(dir, store.File), r.ID, rounds)
		for _, format := range Formats {
			w := &meter{every: rounds / 10}
			must(t, File{Run: r, Table: "rounds", Format: format}.Write(w, s))
			if w.bytes < 100*rounds {
				t.Fatalf("%d rounds as %s take %d bytes", rounds, format, w.bytes)
			}
			peak[rounds] = max(peak[rounds], w.peak)
		}
	}
	if more := int64(peak[12_000]) - int64(peak[2_000]); more > 1<<20 {
		t.Errorf("12,000 rounds take %d bytes more than 2,000, want no more", more)
	}
}

// meter measures the heap while it is written to.
type meter struct {
	every, bytes int
	writes       int
	peak         uint64
}

func (m *meter) Write(b []byte) (int, error) {
	if m.writes++; m.writes%m.every == 0 || m.writes == 1 {
		var now runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&now)
		m.peak = max(m.peak, now.HeapAlloc)
	}
	m.bytes += len(b)
	return len(b), nil
}

// fill gives a run evaluated rounds, quickly.
func fill(t *testing.T, path, id string, rounds int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	must(t, err)
	defer db.Close()
	for _, insert := range []string{
		`INSERT INTO rounds (run, round, order_number, base, opened_at, deadline_at, committed_at, participants, cohort, bytes_up, bytes_down, test_loss, test_examples)
			SELECT ?1, n, n, n - 1, ?3, ?3, ?3, 2, '[]', 10 * n, 20 * n, 1.0 / n, 100 FROM counted`,
		`INSERT INTO models (run, version, hash, length) SELECT ?1, n, printf('%064x', n), 10 FROM counted WHERE ?3 <> ''`,
	} {
		_, err := db.Exec(`WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?2) `+insert, id, rounds, timeText(began))
		must(t, err)
	}
}

func zeroHash(params int) [32]byte { return sha256.Sum256(make([]byte, 4*params)) } // of zeros
