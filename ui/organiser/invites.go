package organiser

import (
	"fmt"
	"strconv"
	"strings"

	"fedtab/api/v1"
)

// Invites is the page of links by which people join.
type Invites struct {
	Items []v1.Invite
	Task  string
	Uses  string
	Hours string
	Made  *v1.NewInvite
	Link  v1.Link // of a task that is open
}

// order returns what the form asks for, or what is wrong with it.
func (v *Invites) order() (v1.InviteOrder, string) {
	uses, err := strconv.ParseUint(strings.TrimSpace(v.Uses), 10, 32)
	if err != nil || uses < 1 {
		return v1.InviteOrder{}, fmt.Sprintf("people: %q, want a whole number from 1", v.Uses)
	}
	hours, err := strconv.ParseFloat(strings.TrimSpace(v.Hours), 64)
	if err != nil || !(hours > 0) || hours > 8784 {
		return v1.InviteOrder{}, fmt.Sprintf("hours: %q, want a number from 0.02 to 8,784 (a year)", v.Hours)
	}
	return v1.InviteOrder{Task: v.Task, Uses: uint32(uses), Seconds: hours * 3600}, ""
}

// Inviting is the page of invites.
type Inviting struct {
	Board *Board
}

func (c *Inviting) v() *Invites { return &c.Board.Invites }

// link returns the address to project, and its picture.
func (c *Inviting) link() (link, qr string) {
	if m := c.v().Made; m != nil {
		return m.Link.Link, m.QR
	}
	return c.v().Link.Link, c.v().Link.QR
}

func (c *Inviting) address() string { link, _ := c.link(); return link }
func (c *Inviting) qr() string      { _, qr := c.link(); return qr }

func (c *Inviting) words() string {
	m := c.v().Made
	switch {
	case m != nil && m.Link.Link == "":
		return "The invite is made. The coordinator knows no address of its page: " + m.Code
	case m != nil:
		return fmt.Sprintf("This link lets people in until %s. It is shown only now.", m.Expires.Local().Format("2 Jan, 15:04"))
	case c.v().Link.Link != "":
		return "Anybody with this address can join the task."
	}
	return ""
}

func (c *Inviting) used(i *v1.Invite) string { return fmt.Sprintf("%d of %d", i.Used, i.Uses) }

func (c *Inviting) revocable(i *v1.Invite) bool { return c.Board.May() && i.State == "valid" }
