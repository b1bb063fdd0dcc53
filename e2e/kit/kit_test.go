package kit

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestHex(t *testing.T) {
	long := append(append([]byte{1, 2}, bytes.Repeat([]byte{0xff}, 33)...), 3)
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", []byte{}, ""},
		{"a run", long, "0102\nff*33\n03\n"},
		{"no run", bytes.Repeat([]byte{7}, 32), strings.Repeat("07", 32) + "\n"},
	} {
		if got := Hex(c.b); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if b, err := ParseHex("0102*3 ff"); err != nil || !bytes.Equal(b, []byte{1, 2, 1, 2, 1, 2, 0xff}) {
		t.Errorf("a word of two bytes that comes three times is read as %x, %v", b, err)
	}
	for _, text := range []string{"0", "xx", "00*", "00*x"} {
		if b, err := ParseHex(text); err == nil {
			t.Errorf("%q is read as %x", text, b)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var b []byte
		for range rapid.IntRange(0, 6).Draw(t, "runs") {
			b = append(b, bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.IntRange(1, 90).Draw(t, "length"))...)
		}
		if got, err := ParseHex(Hex(b)); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%x is read again as %x, %v", b, got, err)
		}
	})
}

func TestFile(t *testing.T) {
	f := File{
		Header:     [][2]string{{"expect", "ok"}, {"comment", "Two words: and a colon."}},
		Paragraphs: [][2]string{{"frame", ""}, {"frame", "00\n"}, {"message", "a {\n}\n"}},
	}
	text := "expect: ok\ncomment: Two words: and a colon.\n\nframe\n\nframe\n00\n\nmessage\na {\n}\n"
	if got := f.String(); got != text {
		t.Errorf("got %q, want %q", got, text)
	}
	again, err := Parse(text)
	if err != nil || !slices.Equal(again.Header, f.Header) || len(again.Paragraphs) != 3 || again.String() != text {
		t.Errorf("read again as %+v, %v", again, err)
	}
	if _, err := Parse("expect ok\n\nframe\n"); err == nil {
		t.Error("a header without a colon is read")
	}
}

func TestClass(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	classes := map[string]error{"a": a, "b": b, "c": errors.New("c")}
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "ok"}, {fmt.Errorf("x: %w", a), "a"}, {errors.Join(a, b), "a, b"}, {errors.New("x"), ""},
	} {
		if got := Class(c.err, classes); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
