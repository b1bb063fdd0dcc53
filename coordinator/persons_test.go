package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fedtab/coordinator/task"
	"fedtab/protocol"
	"fedtab/protocol/invite"
	"fedtab/strategy"
)

// limitedTask has noise of a tree, and limits what each person takes part in.
const limitedTask = `name: limited
model: {kind: softmax}
data: {source: own, images: {width: 4, height: 4, channels: 1, classes: [a, b]}, examples: {min: 10}}
join: invited
evaluate: {on: none}
strategy: {kind: fedavg, fraction: 1, lr: 0.5, min_clients: 2, deadline: 1s}
privacy: {noise: 2, clip: 0.5, population: 60, participations: 3, delta: 1e-3}
stop: {rounds: 30}
`

func writeTask(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Of a task that limits what each person takes part in an invite has one use, and admits its
// person again, over a restart too. The claim says on whom it is.
func TestPersons(t *testing.T) {
	dir, file := t.TempDir(), writeTask(t, "limited", limitedTask)
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	var out, errs bytes.Buffer
	const want = "uses: 3, want 1: the privacy of task limited rests on what each person takes part in, and an invite is a person there: make one for each"
	if code := Main(t.Context(), []string{"invite", "--data", dir, "--task", "limited", "--uses", "3"}, &out, &errs); code == 0 || !strings.Contains(errs.String(), want) {
		t.Errorf("an invite with three uses: %s%s; want %q", &out, &errs, want)
	}
	link, _, _ := strings.Cut(printed(t, 0, "invite", "--data", dir, "--task", "limited"), "\n")
	hello := func(h *protocol.Hello) {
		h.Task, h.Invite, h.Payloads = "limited", invite.Code(link), []protocol.PayloadKind{protocol.PayloadBytes}
	}
	first, code, why := s.knock(t, hello)
	if code != 0 {
		t.Fatalf("closed with %v (%s)", code, why)
	}
	first.Send(&protocol.Bye{Code: protocol.CloseNormal})
	first.Closed()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = serveTest(t, Config{Data: dir, Tasks: []string{file}})
	again, code, why := s.knock(t, hello)
	if code != 0 {
		t.Fatalf("joining again after leaving: closed with %v (%s)", code, why)
	}
	tokens := s.tokens(s.studies()[0].Run())
	_, one, err := tokens.Check(first.Welcome.ResumeToken, time.Now())
	_, other, err2 := tokens.Check(again.Welcome.ResumeToken, time.Now())
	if err != nil || err2 != nil || one == 0 || one != other || first.Welcome.Participant == again.Welcome.Participant {
		t.Errorf("participants %d and %d are persons %d and %d (%v, %v), want two numbers of one person", first.Welcome.Participant, again.Welcome.Participant, one, other, err, err2)
	}
	shown := printed(t, 0, "tasks", "--show", file)
	if !strings.Contains(shown, "each person (whom an invite with one use tells, or a member's key) is in 3 rounds at most") {
		t.Errorf("tasks --show: %s", shown)
	}
	numbers := writeTask(t, "numbers", strings.NewReplacer("join: invited\n", "", "participations: 3", "participations: 3, limits: number").Replace(limitedTask))
	if shown = printed(t, 0, "tasks", "--show", numbers); !strings.Contains(shown, "each number of the run (somebody who joins anew has another, and counts anew) is in 3 rounds at most") {
		t.Errorf("tasks --show: %s", shown)
	}
}

// In an open task for members a key is a person: its owner joins with a code that it has signed, and
// nobody else does.
func TestMemberPersons(t *testing.T) {
	dir := t.TempDir()
	var list strings.Builder
	var keys []string
	for _, name := range []string{"ada", "bob", "cid"} {
		key, line := memberOfStudy(t, dir, name)
		keys = append(keys, key)
		list.WriteString(line)
	}
	stranger, _ := memberOfStudy(t, dir, "stranger")
	members := filepath.Join(dir, "members.txt")
	if err := os.WriteFile(members, []byte(list.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	file := writeTask(t, "shares", strings.Replace(sharesTask, "limits: number", "members: "+members, 1))
	data := t.TempDir()
	s := serveTest(t, Config{Data: data, Tasks: []string{file}})
	as := func(path string) func(h *protocol.Hello) {
		key, err := readIdentity(path)
		if err != nil {
			t.Fatal(err)
		}
		return func(h *protocol.Hello) {
			h.Task, h.Invite = "shares", task.MemberCode("shares", key)
			h.Payloads = []protocol.PayloadKind{protocol.PayloadBytes, protocol.PayloadMasked, protocol.PayloadSigned}
		}
	}
	person := func(hello func(h *protocol.Hello)) (uint32, strategy.Person) {
		t.Helper()
		p, code, why := s.knock(t, hello)
		if code != 0 {
			t.Fatalf("closed with %v (%s)", code, why)
		}
		number, who, err := s.tokens(s.studies()[0].Run()).Check(p.Welcome.ResumeToken, time.Now())
		if err != nil || who == 0 {
			t.Fatalf("its token names person %d, %v", who, err)
		}
		p.Send(&protocol.Bye{Code: protocol.CloseNormal})
		p.Closed()
		return number, who
	}
	first, ada := person(as(keys[0]))
	_, bob := person(as(keys[1]))
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = serveTest(t, Config{Data: data, Tasks: []string{file}})
	if again, who := person(as(keys[0])); again == first || who != ada || who == bob {
		t.Errorf("a member comes back as %d, person %d; want another number than %d, and person %d", again, who, first, ada)
	}
	const want = "the code is of no member of this task: run coordinator client --members FILE --identity FILE"
	for name, hello := range map[string]func(*protocol.Hello){
		"a stranger": as(stranger), "no code": func(h *protocol.Hello) { as(keys[0])(h); h.Invite = "" },
	} {
		if _, code, why := s.knock(t, hello); code != protocol.CloseCapability || why != want {
			t.Errorf("%s: closed with %v (%s), want %v (%s)", name, code, why, protocol.CloseCapability, want)
		}
	}
}
