package ui

import (
	"slices"

	"fedtab/api"
	"fedtab/protocol/invite"
	"fedtab/tab"
)

// OnInvite takes in an invite that the person has opened or pasted: a link, or its
// code. It returns the task that the invite is for; empty if it is no invite, or not
// taken because the tab takes part already.
func (p *Page) OnInvite(text string) (task string) {
	if p.Taking() {
		p.LateInvite = true
		return ""
	}
	if p.Uninvited() {
		p.Stage = StageAbsent // that was another one, or none
	}
	code := invite.Code(text)
	i, err := invite.Read(code)
	if p.BadInvite = err != nil; p.BadInvite {
		return ""
	}
	p.Invite = code
	return i.Task
}

// InviteTo returns the code of the invite to a task; empty if the tab has none.
func (p *Page) InviteTo(task string) string {
	if i, err := invite.Read(p.Invite); err == nil && i.Task == task {
		return p.Invite
	}
	return ""
}

// StrayInvite reports whether the tab's invite is to a task that there is not.
func (p *Page) StrayInvite() bool {
	i, err := invite.Read(p.Invite)
	return err == nil && len(p.Tasks) > 0 && !slices.ContainsFunc(p.Tasks, func(t api.Card) bool { return t.Name == i.Task })
}

// Uninvited reports whether the coordinator has refused this tab for want of an invite
// that it accepts.
func (p *Page) Uninvited() bool {
	return p.Stage == StageRunning && p.Local.Connection == tab.Uninvited
}

// ShowInvite reports whether there is a field for an invite: the shown task needs one
// that this tab does not have, or the one that was opened is of no use.
func (p *Page) ShowInvite() bool {
	needed := p.Task.Join == api.Invited && p.InviteTo(p.Selected) == ""
	return p.ShowJoin() && p.Loaded && (needed || p.BadInvite || p.StrayInvite())
}

// withoutInvite says, after the words on an invite of no use, that the shown task can
// be joined all the same, if it is open.
func (p *Page) withoutInvite() string {
	if p.Task.Join == api.Invited {
		return ""
	}
	return p.say("invite.without")
}

// LeaveWords says what leaving costs a tab that has joined by invite; empty if nothing.
func (p *Page) LeaveWords() string {
	i, err := invite.Read(p.InviteTo(p.Selected))
	pause := p.say("leave.pause")
	if p.Paused {
		pause = ""
	}
	switch {
	case err != nil || !p.invited || !p.Taking() || p.Stage == StageLeaving:
		return ""
	case int(i.Uses) <= max(1, p.Local.Participants):
		return sentences(p.say("leave.usedup"), pause)
	}
	return sentences(p.say("leave.use"), pause)
}

// refusedWords says how many of this tab's participants take no part, and why; empty if
// none is refused.
func (p *Page) refusedWords() string {
	l := &p.Local
	switch {
	case l.Refused == 0:
		return ""
	case l.RefusedWhy == "":
		return p.say("refused", l.Refused, l.Participants)
	}
	return p.say("refused.why", l.Refused, l.Participants, p.phrase(l.RefusedWhy))
}
