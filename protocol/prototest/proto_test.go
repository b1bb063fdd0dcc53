// Package prototest checks that fedtab.proto and the hand codec of package
// protocol agree: an independent implementation, protobuf's own, reads every
// test vector by the schema and writes the same bytes. It is a module of its
// own so that the parser of schemas is no dependency of fedtab.
//
// Run it with go test -count=1: the files that it reads are outside its module,
// so that go test would not notice that they changed.
package prototest

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// schema returns the descriptor of Frame.
func schema(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	c := protocompile.Compiler{Resolver: &protocompile.SourceResolver{ImportPaths: []string{".."}}}
	files, err := c.Compile(context.Background(), "fedtab.proto")
	if err != nil {
		t.Fatal(err)
	}
	frame := files[0].Messages().ByName("Frame")
	if frame == nil {
		t.Fatal("fedtab.proto has no Frame")
	}
	return frame
}

func TestVectors(t *testing.T) {
	frame := schema(t)
	paths, err := filepath.Glob("../testdata/vectors/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	seen := map[protoreflect.Name]bool{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.SplitN(string(b), "\n\n", 3)
		if len(parts) != 3 {
			t.Fatalf("%s: has %d paragraphs, want 3", path, len(parts))
		}
		fromText := dynamicpb.NewMessage(frame)
		if err := prototext.Unmarshal([]byte(parts[2]), fromText); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if which := fromText.WhichOneof(frame.Oneofs().ByName("message")); which != nil {
			seen[which.Name()] = true
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			want, err := hex.DecodeString(strings.ReplaceAll(parts[1], "\n", ""))
			if err != nil {
				t.Fatal(err)
			}
			fromBytes := dynamicpb.NewMessage(frame)
			if err := proto.Unmarshal(want, fromBytes); err != nil {
				t.Fatal(err)
			}
			if unknown := unknownFields(fromBytes); unknown > 0 {
				t.Errorf("the schema lacks %d fields of the frame", unknown)
			}
			if !proto.Equal(fromBytes, fromText) {
				t.Errorf("the frame says\n%v\nthe text\n%v", fromBytes, fromText)
			}
			got, err := proto.MarshalOptions{Deterministic: true}.Marshal(fromText)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("protobuf writes %x, the vector is %x", got, want)
			}
		})
	}
	members := frame.Oneofs().ByName("message").Fields()
	for i := range members.Len() {
		if name := members.Get(i).Name(); !seen[name] {
			t.Errorf("no vector of %s", name)
		}
	}
}

// unknownFields counts what the schema does not know, at any depth.
func unknownFields(m protoreflect.Message) int {
	n := 0
	if len(m.GetUnknown()) > 0 {
		n++
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				n += unknownFields(v.List().Get(i).Message())
			}
		default:
			n += unknownFields(v.Message())
		}
		return true
	})
	return n
}

// TestConformance reads the kit with the protobuf runtime: it decodes the frames
// that must be decoded to the message that the file has, and refuses those that
// are no protobuf messages.
func TestConformance(t *testing.T) {
	frame := schema(t)
	paths, err := filepath.Glob("../testdata/conformance/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	older, err := os.ReadFile("../testdata/conformance/CLASSES")
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		head, rest, _ := strings.Cut(string(b), "\n\n")
		_, class, _ := strings.Cut("\n"+head, "\nclass: ")
		if class == "" {
			_, class, _ = strings.Cut("\n"+string(older), "\n"+filepath.Base(path)+" ")
		}
		class, _, _ = strings.Cut(class, "\n")
		ok := strings.Contains("\n"+head+"\n", "\nexpect: ok\n")
		name, text, _ := strings.Cut(rest, "\n")
		frameText, message, hasMessage := strings.Cut(text, "\n\nmessage\n")
		decodes := ok && hasMessage
		if name != "frame" || !decodes && class != "broken-field" && class != "text" {
			continue // of a transfer, an order, or a limit of fedtab's
		}
		read++
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			got := dynamicpb.NewMessage(frame)
			err := proto.Unmarshal(unhex(t, frameText), got)
			if !decodes {
				if err == nil {
					t.Fatalf("the runtime takes it as %v, want an error (%s)", got, class)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := dynamicpb.NewMessage(frame)
			if err := prototext.Unmarshal([]byte(message), want); err != nil {
				t.Fatal(err)
			}
			discard(got)
			if !proto.Equal(got, want) {
				t.Errorf("the runtime reads\n%v\nthe file has\n%v", got, want)
			}
		})
	}
	if read < 60 {
		t.Errorf("%d cases are read, want at least 60", read)
	}
}

// discard drops unknown fields, at any depth, and messages within that are empty:
// fedtab does not tell them from those that are not there.
func discard(m protoreflect.Message) {
	m.SetUnknown(nil)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				discard(v.List().Get(i).Message())
			}
		default:
			discard(v.Message())
			if within := f.ContainingOneof() == nil; within && proto.Size(v.Message().Interface()) == 0 {
				m.Clear(f)
			}
		}
		return true
	})
}

// unhex reads words of hexadecimal, *n after one that comes n times.
func unhex(t *testing.T, text string) (b []byte) {
	t.Helper()
	for _, word := range strings.Fields(text) {
		digits, times, repeated := strings.Cut(word, "*")
		part, err := hex.DecodeString(digits)
		n := 1
		if repeated && err == nil {
			n, err = strconv.Atoi(times)
		}
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, bytes.Repeat(part, n)...)
	}
	return b
}
