package records

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// eventEncoder writes TensorBoard's event file: a sequence of TFRecords, each with a message
// Event of event.proto in package tensorboard. The first one has the version of the format,
// each other one a Summary with the numbers of a round, whose step is the round and whose
// wall time is its commit.
type eventEncoder struct {
	w               io.Writer
	tags            []string // of each column
	step, wall      int      // columns
	summary, record []byte
}

// newEvents writes the first record. The columns round and committed are the steps and their
// times.
func newEvents(w io.Writer, names []string, began time.Time) (*eventEncoder, error) {
	e := &eventEncoder{w: w, step: slices.Index(names, "round"), wall: slices.Index(names, "committed")}
	for _, name := range names {
		e.tags = append(e.tags, tag(name))
	}
	return e, e.write(eventHead(began, 0), fileVersionField, []byte("brain.Event:2"))
}

// tag returns the tag of a column. TensorBoard groups tags by what comes before a slash.
func tag(name string) string { return strings.Replace(name, "_", "/", 1) }

// Fields of event.proto and summary.proto.
const (
	wallTimeField    = 1
	stepField        = 2
	fileVersionField = 3
	summaryField     = 5

	valueField       = 1 // of Summary
	tagField         = 1 // of Summary.Value
	simpleValueField = 2
)

func (e *eventEncoder) row(values []any) error {
	e.summary = e.summary[:0]
	for i, v := range values {
		if x, ok := scalar(v); ok && i != e.step {
			e.summary = appendValue(e.summary, e.tags[i], x)
		}
	}
	return e.write(eventHead(values[e.wall].(time.Time), values[e.step].(uint64)), summaryField, e.summary)
}

// scalar returns a value as TensorBoard's scalars are, and false of what is no number.
func scalar(value any) (float32, bool) {
	switch v := value.(type) {
	case int64:
		return float32(v), true
	case uint64:
		return float32(v), true
	case float64:
		return float32(v), true
	}
	return 0, false
}

// appendValue appends a Summary.Value to a Summary.
func appendValue(summary []byte, tag string, x float32) []byte {
	var v []byte
	v = protowire.AppendTag(v, tagField, protowire.BytesType)
	v = protowire.AppendString(v, tag)
	v = protowire.AppendTag(v, simpleValueField, protowire.Fixed32Type)
	v = protowire.AppendFixed32(v, math.Float32bits(x))
	summary = protowire.AppendTag(summary, valueField, protowire.BytesType)
	return protowire.AppendBytes(summary, v)
}

// eventHead returns the beginning of an Event: wall time, in seconds, and step, which is left
// out where it is 0, as in all of proto3.
func eventHead(at time.Time, step uint64) (b []byte) {
	b = protowire.AppendTag(b, wallTimeField, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(float64(at.UnixMilli())/1000))
	if step > 0 {
		b = protowire.AppendTag(b, stepField, protowire.VarintType)
		b = protowire.AppendVarint(b, step)
	}
	return b
}

// write writes an Event with a field of bytes as a TFRecord: length, its checksum, content,
// its checksum, little-endian.
func (e *eventEncoder) write(event []byte, field protowire.Number, content []byte) error {
	event = protowire.AppendTag(event, field, protowire.BytesType)
	event = protowire.AppendBytes(event, content)
	r := binary.LittleEndian.AppendUint64(e.record[:0], uint64(len(event)))
	r = binary.LittleEndian.AppendUint32(r, masked(r))
	r = append(r, event...)
	e.record = binary.LittleEndian.AppendUint32(r, masked(event))
	_, err := e.w.Write(e.record)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked returns the CRC-32C of b as TFRecords have it, which is masked since the checksum of
// what has a checksum in it would be weak.
func masked(b []byte) uint32 {
	crc := crc32.Checksum(b, castagnoli)
	return (crc>>15 | crc<<17) + 0xa282ead8
}
