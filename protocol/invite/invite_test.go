//go:build !js

package invite

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

var (
	key    = Key([]byte("secret"))
	now    = time.Unix(1_700_000_000, 0)
	sample = Invite{ID: ID{1, 2, 3, 4, 5, 6, 7, 8}, Task: "mnist-2nn", Uses: 10, Expires: now.Add(time.Hour)}
)

func TestSignAndCheck(t *testing.T) {
	code := Sign(key, sample)
	if got, err := Check(key, code, now); err != nil || got != sample {
		t.Errorf("Check = %+v, %v, want %+v", got, err, sample)
	}
	if got, err := Read(code); err != nil || got != sample {
		t.Errorf("Read = %+v, %v, want %+v", got, err, sample)
	}
	if len(code) > 64 {
		t.Errorf("%d characters, want at most 64: a QR code of it is large", len(code))
	}
	for _, test := range []struct {
		name string
		key  []byte
		at   time.Time
		want error
	}{
		{"the last second", key, sample.Expires.Add(-time.Nanosecond), nil},
		{"expired", key, sample.Expires, ErrExpired},
		{"another key", Key([]byte("public")), now, ErrInvalid},
		{"another key, and expired", Key([]byte("public")), sample.Expires, ErrInvalid},
	} {
		if _, err := Check(test.key, code, test.at); err != test.want {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
}

// Every bit of a code counts.
func TestForged(t *testing.T) {
	b, err := base64.RawURLEncoding.DecodeString(Sign(key, sample))
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if got, err := Check(key, base64.RawURLEncoding.EncodeToString(b), now); !errors.Is(err, ErrInvalid) {
				t.Errorf("bit %d of byte %d: %+v, %v, want %v", bit, i, got, err, ErrInvalid)
			}
			b[i] ^= 1 << bit
		}
	}
}

func TestInvalidCodes(t *testing.T) {
	code := Sign(key, sample)
	loose := Sign(key, Invite{Task: "a", Uses: 1, Expires: now.Add(time.Hour)}) // its last character has bits to spare
	for name, text := range map[string]string{
		"empty":                    "",
		"no base64":                "an invite",
		"cut":                      code[:len(code)-4],
		"padded":                   code + "=",
		"longer":                   code + "AAAA",
		"a line end":               code[:8] + "\n" + code[8:],
		"no task":                  Sign(key, Invite{Uses: 1, Expires: now.Add(time.Hour)}),
		"no uses":                  Sign(key, Invite{Task: "a", Expires: now.Add(time.Hour)}),
		"too many uses":            Sign(key, Invite{Task: "a", Uses: MaxUses + 1, Expires: now.Add(time.Hour)}),
		"a task of 64 characters":  Sign(key, Invite{Task: strings.Repeat("a", 64), Uses: 1, Expires: now.Add(time.Hour)}),
		"bits after the last byte": loose[:len(loose)-1] + string(loose[len(loose)-1]+1),
	} {
		if got, err := Check(key, text, now); err != ErrInvalid {
			t.Errorf("%s: %+v, %v, want %v", name, got, err, ErrInvalid)
		}
	}
	longest := Invite{Task: strings.Repeat("a", maxTask), Uses: MaxUses, Expires: time.Unix(1<<32-1, 0)}
	if got, err := Check(key, Sign(key, longest), now); err != nil || got != longest {
		t.Errorf("the longest: %+v, %v", got, err)
	}
}

func TestValidate(t *testing.T) {
	err := Invite{Uses: MaxUses + 1, Expires: time.Unix(1<<32, 0)}.Validate()
	want := "task: 0 bytes, want 1 to 63\nuses: 1000001, want 1 to 1000000\nexpires: 2106-02-07 06:28:16 +0000 UTC, want a time from 1970 to 2106"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestLinks(t *testing.T) {
	code := Sign(key, sample)
	link := Link("https://example.org/fedtab/", "mnist-2nn", code)
	if want := "https://example.org/fedtab/t/mnist-2nn#invite=" + code; link != want {
		t.Errorf("Link = %s, want %s", link, want)
	}
	for _, text := range []string{link, code, " " + link + "\n", "#invite=" + code, "https://example.org/#invite=" + code, "https://example.org/t/mnist-2nn?invite=" + code} {
		if got := Code(text); got != code {
			t.Errorf("Code(%q) = %s, want %s", text, got, code)
		}
	}
	if got := Code("mnist-2nn"); got != "mnist-2nn" {
		t.Errorf("Code = %q", got)
	}
}

func TestCut(t *testing.T) {
	for _, test := range []struct{ link, code, rest string }{
		{"/t/a#invite=X", "X", "/t/a"},
		{"/t/a?lang=de#invite=X", "X", "/t/a?lang=de"},
		{"/t/a?invite=X", "X", "/t/a"},
		{"/t/a?lang=de&invite=X&x=1#top", "X", "/t/a?lang=de&x=1#top"},
		{"/t/a?invite=Y#invite=X", "X", "/t/a?invite=Y"},
		{"#invite=", "", ""},
		{"/t/a?reinvite=X#top", "", "/t/a?reinvite=X#top"},
		{"/invite=X", "", "/invite=X"},
		{"", "", ""},
	} {
		code, rest, ok := Cut(test.link)
		if code != test.code || rest != test.rest || ok != (rest != test.link) {
			t.Errorf("Cut(%q) = %q, %q, %v, want %q, %q", test.link, code, rest, ok, test.code, test.rest)
		}
	}
}

func TestID(t *testing.T) {
	if id, err := ParseID(sample.ID.String()); err != nil || id != sample.ID {
		t.Errorf("ParseID = %v, %v, want %v", id, err, sample.ID)
	}
	for _, text := range []string{"", "0102", "010203040506070x", "010203040506070809"} {
		if id, err := ParseID(text); err == nil {
			t.Errorf("ParseID(%q) = %v", text, id)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(Sign(key, sample))
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, code string) {
		i, err := Read(code)
		if err != nil {
			return
		}
		again := Sign(key, i)
		if len(again) != len(code) {
			t.Fatalf("%q reads as %+v, whose code is %q", code, i, again)
		}
		if _, err := Check(key, code, now); err == nil && again != code {
			t.Fatalf("%q is taken, and %+v signed is %q", code, i, again)
		}
	})
}
