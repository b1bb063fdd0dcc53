package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"fedtab/coordinator/qrcode"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/coordinator/web"
	"fedtab/protocol/invite"

	"github.com/spf13/cobra"
)

// Bounds of how long an invite is valid.
const (
	minExpires     = time.Minute
	maxExpires     = 366 * 24 * time.Hour
	defaultExpires = 2 * 24 * time.Hour
)

func inviteCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "invite", Short: "make a link by which participants join a task with join: invited, also while it is served; list or revoke such links",
		Example: examples("coordinator invite --task study --uses 30 --expires 7d --public-url https://study.example/", "coordinator invite --list", "coordinator invite --revoke 3f2a..."),
	}
	fs := c.Flags()
	o := inviteOrder{Expires: defaultExpires}
	fs.StringVar(&o.Task, "task", "", "task to join")
	uses := fs.Uint64("uses", 1, "participants that may join with the invite; a person who opens it in another browser is another one")
	fs.Var((*span)(&o.Expires), "expires", "time after which the invite admits nobody, such as 90m, 36h or 2d")
	public := fs.String("public-url", "", "address of the page, such as https://example.org/fedtab/ (default: that of the coordinator that serves the data)")
	dir := fs.String("data", "fedtab-data", "directory of the database")
	list := fs.Bool("list", false, "list the invites, and how often each was used")
	revoke := fs.String("revoke", "", "id of an invite that is to admit no further participant")
	qr := fs.Bool("qr", false, "print a QR code also where the output is no terminal")
	noQR := fs.Bool("no-qr", false, "print no QR code")
	asJSON := jsonFlag(fs)
	c.RunE = action(func(ctx context.Context, stdout, stderr io.Writer) error {
		asked := 0
		for _, given := range []bool{o.Task != "", *list, *revoke != ""} {
			if given {
				asked++
			}
		}
		if asked != 1 {
			return usageError("invite: want one of --task T, --list and --revoke ID")
		}
		if *asJSON && !*list {
			return usageError("invite: --json is given without --list, want them together")
		}
		if *qr && *noQR {
			return usageError("invite: --qr and --no-qr are both given, want one of them")
		}
		var id invite.ID
		var err error
		if *revoke != "" {
			if id, err = invite.ParseID(*revoke); err != nil {
				return usageError("invite: --revoke: " + err.Error() + ", as invite --list prints it")
			}
		}
		if *uses < 1 || *uses > invite.MaxUses {
			return usageError(fmt.Sprintf("invite: --uses is %d, want 1 to %d", *uses, invite.MaxUses))
		}
		o.Uses = uint32(*uses)
		page, err := pageAddress(*public)
		if err != nil {
			return usageError("invite: --public-url: " + err.Error())
		}
		if _, err := os.Stat(filepath.Join(*dir, store.File)); err != nil {
			return fmt.Errorf("--data %s: %w: want the directory of a coordinator that has been started", *dir, err)
		}
		switch {
		case *list:
			return listInvites(ctx, *dir, *asJSON, stdout)
		case *revoke != "":
			return revokeInvite(ctx, *dir, id, stdout)
		}
		made, err := makeInvite(ctx, *dir, o)
		if err != nil {
			return err
		}
		text := made.Code
		if page = cmp.Or(page, made.Page); page != "" {
			text = invite.Link(page, o.Task, made.Code)
		} else {
			fmt.Fprintln(stderr, "no coordinator serves the data, so this is the code alone: --public-url makes a link of it")
		}
		fmt.Fprintf(stdout, "%s\n\ninvite %s to %s: %s, until %s\n", text, made.ID, o.Task, participants(o.Uses), made.Expires.Local().Format(time.RFC1123Z))
		if terminal := isTerminal(stdout); (terminal || *qr) && !*noQR {
			fmt.Fprintln(stdout)
			return qrcode.Write(stdout, text, terminal)
		}
		return nil
	})
	return c
}

func participants(n uint32) string {
	if n == 1 {
		return "1 participant"
	}
	return strconv.FormatUint(uint64(n), 10) + " participants"
}

// span is a flag for a duration with days, from minExpires to maxExpires.
type span time.Duration

func (s *span) String() string { return time.Duration(*s).String() }
func (s *span) Type() string   { return "time" }

func (s *span) Set(text string) error {
	var d time.Duration
	var err error
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		if n, err = strconv.ParseFloat(days, 64); n >= 0 && n <= 1000 {
			d = time.Duration(n * float64(24*time.Hour))
		}
	} else {
		d, err = time.ParseDuration(text)
	}
	if err != nil || d < minExpires || d > maxExpires {
		return fmt.Errorf("want %v to %dd, such as 90m, 36h or 2d", minExpires, maxExpires/(24*time.Hour))
	}
	*s = span(d)
	return nil
}

// pageAddress returns the address of the page with a slash at its end; it is empty for
// an empty text.
func pageAddress(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := web.PublicURL(text)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(u.String(), "/") + "/", nil
}

// inviteOrder asks for an invite.
type inviteOrder struct {
	Task    string        `json:"task"`
	Uses    uint32        `json:"uses"`
	Expires time.Duration `json:"expires"` // from now on, in nanoseconds
}

// madeInvite is the answer.
type madeInvite struct {
	ID      string    `json:"id"`
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
	Page    string    `json:"page"` // address of the page; empty: it is not served
}

// makeInvite asks the coordinator that serves the directory for an invite, or makes it
// if there is none.
func makeInvite(ctx context.Context, dir string, o inviteOrder) (made madeInvite, err error) {
	err = order(ctx, dir, http.MethodPost, "/invites", o, &made)
	if !unserved(err) {
		return made, err
	}
	return made, alone(dir, func(s *store.Store) error {
		last, ok, err := s.LatestRun(o.Task)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("--task: %q, want a task of which %s has a run", o.Task, dir)
		}
		t, err := task.Parse("the task of run "+last.ID, last.Spec)
		if err != nil {
			return err
		}
		made, err = signInvite(s, t, o)
		return err
	})
}

// alone calls f with the database of a directory that no coordinator serves.
func alone(dir string, f func(*store.Store) error) error {
	s, err := store.Open(dir, build())
	if err != nil {
		return err
	}
	err = f(s)
	return errors.Join(err, s.Close())
}

// signInvite makes an invite and records it. A task that is open demands none: to make
// one would look as if the task were closed.
func signInvite(s *store.Store, t *task.Task, o inviteOrder) (made madeInvite, err error) {
	if t.Join != task.Invited {
		return made, fmt.Errorf("--task: %s has join: %s, want a task that demands invites: set join: %s in its task file and start the coordinator with it", t.Name, t.Join, task.Invited)
	}
	now := time.Now()
	i := invite.Invite{Task: t.Name, Uses: o.Uses, Expires: now.Add(o.Expires).Truncate(time.Second)}
	rand.Read(i.ID[:])
	if err := i.Validate(); err != nil {
		return made, err
	}
	if err := s.AddInvite(i, now); err != nil {
		return made, err
	}
	return madeInvite{ID: i.ID.String(), Code: invite.Sign(invite.Key(s.Secret()), i), Expires: i.Expires}, nil
}

// serveInvite answers an order for an invite.
func (s *Server) serveInvite(w http.ResponseWriter, r *http.Request) {
	var o inviteOrder
	var made madeInvite
	err := json.NewDecoder(r.Body).Decode(&o)
	if err == nil {
		made, err = s.invite(o)
	}
	answerOrder(w, made, err)
}

func (s *Server) invite(o inviteOrder) (made madeInvite, err error) {
	var names []string
	for _, st := range s.studies {
		if st.Task.Name == o.Task {
			made, err = signInvite(s.store, st.Task, o)
			made.Page = s.page() + "/"
			return made, err
		}
		names = append(names, st.Task.Name)
	}
	return made, fmt.Errorf("--task: %q, want a task that is served: %s", o.Task, strings.Join(names, ", "))
}

func (s *Server) serveInvites(w http.ResponseWriter, _ *http.Request) {
	all, err := s.store.Invites()
	answerOrder(w, all, err)
}

func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request) {
	id, err := invite.ParseID(r.PathValue("id"))
	if err == nil {
		err = s.store.RevokeInvite(id)
	}
	answerOrder(w, struct{}{}, err)
}

// listInvites prints a table of the invites.
func listInvites(ctx context.Context, dir string, asJSON bool, out io.Writer) error {
	var all []store.Invite
	err := order(ctx, dir, http.MethodGet, "/invites", nil, &all)
	if unserved(err) {
		err = alone(dir, func(s *store.Store) error {
			all, err = s.Invites()
			return err
		})
	}
	if err != nil {
		return err
	}
	type listed struct {
		ID      string    `json:"id"`
		Task    string    `json:"task"`
		Used    uint32    `json:"used"`
		Uses    uint32    `json:"uses"` // 0: revoked
		Expires time.Time `json:"expires"`
		State   string    `json:"state"` // valid, revoked, expired or used up
	}
	list := []listed{}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "id\ttask\tused\texpires\tstate")
	now := time.Now()
	for _, i := range all {
		state, used := "valid", fmt.Sprintf("%d of %d", i.Used, i.Uses)
		switch {
		case i.Uses == 0:
			state, used = "revoked", strconv.FormatUint(uint64(i.Used), 10)
		case !now.Before(i.Expires):
			state = "expired"
		case i.Used >= i.Uses:
			state = "used up"
		}
		list = append(list, listed{i.ID.String(), i.Task, i.Used, i.Uses, i.Expires.UTC(), state})
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", i.ID, i.Task, used, i.Expires.Local().Format("2006-01-02 15:04"), state)
	}
	if asJSON {
		return printJSON(out, list)
	}
	return w.Flush()
}

// revokeInvite makes an invite admit no further participant.
func revokeInvite(ctx context.Context, dir string, id invite.ID, out io.Writer) error {
	err := order(ctx, dir, http.MethodPost, "/invites/"+id.String()+"/revoke", nil, &struct{}{})
	if unserved(err) {
		err = alone(dir, func(s *store.Store) error { return s.RevokeInvite(id) })
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "invite %s admits no further participant; those that have joined stay\n", id)
	return err
}
