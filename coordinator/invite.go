package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"fedtab/api/v1"
	"fedtab/coordinator/admin"
	"fedtab/coordinator/qrcode"
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
	var o v1.InviteOrder
	expires := defaultExpires
	fs.StringVar(&o.Task, "task", "", "task to join")
	uses := fs.Uint64("uses", 1, "participants that may join with the invite; a person who opens it in another browser is another one")
	fs.Var((*span)(&expires), "expires", "time after which the invite admits nobody, such as 90m, 36h or 2d")
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
		o.Uses, o.Seconds = uint32(*uses), expires.Seconds()
		page, err := pageAddress(*public)
		if err != nil {
			return usageError("invite: --public-url: " + err.Error())
		}
		switch {
		case *list:
			return listInvites(ctx, *dir, *asJSON, stdout)
		case *revoke != "":
			return revokeInvite(ctx, *dir, id, stdout)
		}
		var made v1.NewInvite
		if err := ask(*dir, func(c *admin.Client) error { return c.Do(ctx, http.MethodPost, "/invites", o, &made) }); err != nil {
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

// Invite implements admin.Backend. A task that is open demands none: to make one would look as
// if the task were closed.
func (d *backend) Invite(o v1.InviteOrder) (made v1.NewInvite, err error) {
	t, err := d.taskOf(o.Task)
	if err != nil {
		return made, err
	}
	if t.Join != task.Invited {
		return made, admin.Refuse(http.StatusConflict, "task: %s has join: %s, want a task that demands invites: set join: %s in its task file and start the coordinator with it", t.Name, t.Join, task.Invited)
	}
	if t.Persons() && o.Uses != 1 {
		return made, admin.Refuse(http.StatusConflict, "uses: %d, want 1: the privacy of task %s rests on what each person takes part in, and an invite is a person there: make one for each", o.Uses, t.Name)
	}
	now := time.Now()
	i := invite.Invite{Task: t.Name, Uses: o.Uses, Expires: now.Add(time.Duration(o.Seconds * float64(time.Second))).Truncate(time.Second)}
	rand.Read(i.ID[:])
	if err := i.Validate(); err != nil {
		return made, admin.Refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	if err := d.store.AddInvite(i, now); err != nil {
		return made, err
	}
	made = v1.NewInvite{ID: i.ID.String(), Code: invite.Sign(invite.Key(d.store.Secret()), i), Expires: i.Expires, Page: d.Page()}
	made.Link, err = d.link(t.Name, made.Code)
	return made, err
}

// taskOf returns the task that is served under a name, or that of its newest run if none is
// served.
func (d *backend) taskOf(name string) (*task.Task, error) {
	if d.server != nil {
		if st := d.served(name); st != nil {
			return st.Task, nil
		}
		return nil, d.unserved(name)
	}
	last, ok, err := d.store.LatestRun(name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, admin.Refuse(http.StatusNotFound, "task: %q, want a task of which %s has a run", name, d.dir)
	}
	return task.Parse("the task of run "+last.ID, last.Spec)
}

// Revoke implements admin.Backend.
func (d *backend) Revoke(id invite.ID) error { return d.store.RevokeInvite(id) }

// listInvites prints a table of the invites.
func listInvites(ctx context.Context, dir string, asJSON bool, out io.Writer) error {
	all := []v1.Invite{}
	if err := ask(dir, func(c *admin.Client) error { return c.Do(ctx, http.MethodGet, "/invites", nil, &all) }); err != nil {
		return err
	}
	if asJSON {
		return printJSON(out, all)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "id\ttask\tused\texpires\tstate")
	for _, i := range all {
		used := fmt.Sprintf("%d of %d", i.Used, i.Uses)
		if i.Uses == 0 {
			used = strconv.FormatUint(uint64(i.Used), 10)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", i.ID, i.Task, used, i.Expires.Local().Format("2006-01-02 15:04"), i.State)
	}
	return w.Flush()
}

// revokeInvite makes an invite admit no further participant.
func revokeInvite(ctx context.Context, dir string, id invite.ID, out io.Writer) error {
	if err := ask(dir, func(c *admin.Client) error {
		return c.Do(ctx, http.MethodDelete, "/invites/"+id.String(), nil, nil)
	}); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "invite %s admits no further participant; those that have joined stay\n", id)
	return err
}
