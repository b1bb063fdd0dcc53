package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/swarm"
	"fedtab/protocol"
	"fedtab/protocol/invite"
)

// printed runs the program and returns what it prints, on both outputs together.
func printed(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out, errors bytes.Buffer
	if got := Main(t.Context(), args, &out, &errors); got != code {
		t.Fatalf("%v: exit code %d, want %d\n%s%s", args, got, code, &out, &errors)
	}
	return out.String() + errors.String()
}

// knock joins with an invite or a resume token, and returns how that was refused.
func (s *testServer) knock(t *testing.T, edit func(*protocol.Hello)) (*hubtest.Peer, protocol.CloseCode, string) {
	t.Helper()
	p := hubtest.Connect(t, nil, s.socket())
	h := hubtest.Hello("small")
	edit(h)
	p.Send(h)
	for {
		switch m, err := p.Read(); m := m.(type) {
		case *protocol.Welcome:
			p.Welcome = m
			return p, 0, ""
		case *protocol.Bye:
			return p, m.Code, m.Detail
		default:
			t.Fatalf("%T (%v), want a welcome or a bye", m, err)
		}
	}
}

func with(code string) func(*protocol.Hello) { return func(h *protocol.Hello) { h.Invite = code } }

// An invite is made, used, counted over a restart and revoked, while the coordinator
// runs and while it does not.
func TestInvite(t *testing.T) {
	dir := t.TempDir()
	file := smallTask(t, "name: small", "name: small\njoin: invited", "rounds: 3", "rounds: 100000")
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	refused := func(what, code, want string) {
		t.Helper()
		if _, got, why := s.knock(t, with(code)); got != protocol.CloseInvite || why != want {
			t.Errorf("%s: closed with %v (%s), want %v (%s)", what, got, why, protocol.CloseInvite, want)
		}
	}
	joins := func(what, code string) *hubtest.Peer {
		t.Helper()
		p, got, why := s.knock(t, with(code))
		if got != 0 {
			t.Fatalf("%s: closed with %v (%s)", what, got, why)
		}
		return p
	}

	text := printed(t, 0, "invite", "--data", dir, "--task", "small", "--uses", "3", "--expires", "2d")
	link, rest, _ := strings.Cut(text, "\n")
	code := invite.Code(link)
	if want := "http://" + s.Addr() + "/t/small#invite=" + code; link != want {
		t.Errorf("it prints %q, want %q", link, want)
	}
	made, err := invite.Read(code)
	if err != nil || made.Task != "small" || made.Uses != 3 || time.Until(made.Expires) < 47*time.Hour || time.Until(made.Expires) > 48*time.Hour {
		t.Errorf("the invite is %+v, %v", made, err)
	}
	if want := fmt.Sprintf("\ninvite %s to small: 3 participants, until ", made.ID); !strings.HasPrefix(rest, want) || strings.Contains(rest, "█") {
		t.Errorf("it prints %q, want %q and no QR code", rest, want)
	}
	refused("no invite", "", "this task needs an invite")
	refused("a forged invite", invite.Sign(invite.Key([]byte("guess")), made), "the invite is not valid")
	first := joins("the first use", code)
	joins("the second use", code)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if got := printed(t, 0, "invite", "--data", dir, "--list"); !strings.Contains(got, made.ID.String()+"  small  2 of 3  ") || !strings.HasSuffix(got, "valid\n") {
		t.Errorf("--list: %s", got)
	}
	alone := printed(t, 0, "invite", "--data", dir, "--task", "small", "--public-url", "https://example.org/fedtab")
	link, _, _ = strings.Cut(alone, "\n")
	other := invite.Code(link)
	if !strings.HasPrefix(link, "https://example.org/fedtab/t/small#invite=") {
		t.Errorf("alone it prints %q, want a link below --public-url", link)
	}

	s = serveTest(t, Config{Data: dir, Tasks: []string{file}})
	joins("the last use, after a restart", code)
	refused("one use too many", code, "the invite is used up")
	if p, got, why := s.knock(t, func(h *protocol.Hello) { h.ResumeToken = first.Welcome.ResumeToken }); got != 0 || p.Welcome.Participant != first.Welcome.Participant {
		t.Errorf("a participant that comes back: closed with %v (%s)", got, why)
	}
	id, err := invite.Read(other)
	if err != nil {
		t.Fatal(err)
	}
	printed(t, 0, "invite", "--data", dir, "--revoke", id.ID.String())
	refused("an invite that was revoked", other, "the invite is used up")
	got := printed(t, 0, "invite", "--data", dir, "--list")
	for _, want := range []string{"3 of 3", "used up\n", "revoked\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("--list: %q is not in\n%s", want, got)
		}
	}
}

// A participant that has left cannot come back with its token, over a restart either.
func TestTokenEndsWithLeave(t *testing.T) {
	dir := t.TempDir()
	file := smallTask(t)
	s := serveTest(t, Config{Data: dir, Tasks: []string{file}})
	p, _, _ := s.knock(t, with(""))
	p.Send(&protocol.Bye{Code: protocol.CloseNormal})
	p.Closed()
	const want = "the participant of this resume token has left: join anew"
	back := func() {
		t.Helper()
		if _, got, why := s.knock(t, func(h *protocol.Hello) { h.ResumeToken = p.Welcome.ResumeToken }); got != protocol.CloseBadToken || why != want {
			t.Errorf("closed with %v (%s), want %v (%s)", got, why, protocol.CloseBadToken, want)
		}
	}
	back()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	s = serveTest(t, Config{Data: dir, Tasks: []string{file}})
	back()
}

// A swarm joins with a link.
func TestSwarmWithInvite(t *testing.T) {
	dir := t.TempDir()
	s := serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t, "name: small", "name: small\njoin: invited")}})
	var ce *protocol.CloseError
	if _, err := swarm.Run(t.Context(), swarm.Options{URL: s.socket(), Task: "small", Clients: 1}); !errors.As(err, &ce) || ce.Code != protocol.CloseInvite {
		t.Errorf("without an invite: %v, want close code %v", err, protocol.CloseInvite)
	}
	link, _, _ := strings.Cut(printed(t, 0, "invite", "--data", dir, "--task", "small", "--uses", "3"), "\n")
	printed(t, 0, "swarm", "--url", s.socket(), "--task", "small", "--clients", "3", "--invite", link)
	if v := s.api(t, "/api/tasks/small"); v.Version != 3 {
		t.Errorf("version %d, want 3", v.Version)
	}
}

func TestInviteArguments(t *testing.T) {
	dir := t.TempDir()
	invited := smallTask(t, "name: small", "name: small\njoin: invited")
	s := serveTest(t, Config{Data: dir, Tasks: []string{invited, smallTask(t, "name: small", "name: public")}})
	const open = "task: public has join: open, want a task that demands invites: set join: invited in its task file and start the coordinator with it"
	for _, test := range []struct {
		code int
		args string
		want string
	}{
		{2, "", "want one of --task T, --list and --revoke ID"},
		{2, "--task small --list", "want one of --task T, --list and --revoke ID"},
		{2, "--task small --uses 0", "--uses is 0, want 1 to 1000000"},
		{2, "--task small --expires 5", "want 1m0s to 366d, such as 90m, 36h or 2d"},
		{2, "--task small --expires -2d", "want 1m0s to 366d, such as 90m, 36h or 2d"},
		{2, "--task small --expires NaNd", "want 1m0s to 366d, such as 90m, 36h or 2d"},
		{2, "--task small --public-url example.org", `--public-url: "example.org", want http(s)://HOST[:PORT][/PREFIX]`},
		{2, "--task small --qr --no-qr", "--qr and --no-qr are both given, want one of them"},
		{2, "--revoke 12", `--revoke: id: "12", want 16 hexadecimal digits, as invite --list prints it`},
		{1, "--revoke 0123456789abcdef", "invite 0123456789abcdef: it is not found"},
		{1, "--task large", `task: "large", want a task that is served: small, public`},
		{1, "--task small --data " + t.TempDir(), "want the directory of a coordinator that has been started"},
		{1, "--task public", open},
		{0, "--task small --expires 1.5d", "\ninvite "},
	} {
		if got := printed(t, test.code, append([]string{"invite", "--data", dir}, strings.Fields(test.args)...)...); !strings.Contains(got, test.want) {
			t.Errorf("invite %s: prints %q, want %q in it", test.args, got, test.want)
		}
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if got := printed(t, 1, "invite", "--data", dir, "--task", "public"); !strings.Contains(got, open) {
		t.Errorf("alone: prints %q, want %q in it", got, open)
	}
}

// A run goes on when join has changed, with a warning when it has, and invites follow
// the task as it was served last.
func TestJoinChanges(t *testing.T) {
	dir := t.TempDir()
	started := func(join string) (log, lines string) {
		t.Helper()
		var b bytes.Buffer
		s := serveTest(t, Config{Data: dir, Tasks: []string{smallTask(t, "name: small", "name: small\n"+join)}, Log: slog.New(slog.NewTextHandler(&b, nil))})
		var text strings.Builder
		s.describe(&text)
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		return b.String(), text.String()
	}
	for _, test := range []struct {
		join, warning, line string
		code                int // of an invite
	}{
		{"join: invited", "", "join: invited (coordinator invite --task small makes an invite)", 0},
		{"join: invited", "", "join: invited (", 0},
		{"", "level=WARN msg=\"join has changed, and the run goes on\" task=small", "join: open (any participant may join, without an invite)", 1},
		{"", "", "join: open (", 1},
		{"join: invited", "join=invited was=open", "join: invited (", 0},
	} {
		log, lines := started(test.join)
		if !strings.Contains(log, test.warning) || strings.Contains(log, "join has changed") != (test.warning != "") {
			t.Errorf("%q: the log says %q, want %q", test.join, log, test.warning)
		}
		if !strings.Contains(lines, test.line) {
			t.Errorf("%q: it prints\n%s, want %q in it", test.join, lines, test.line)
		}
		printed(t, test.code, "invite", "--data", dir, "--task", "small")
	}
}
