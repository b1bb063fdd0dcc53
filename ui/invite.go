package main

import (
	"slices"

	"fedtab/api"
	"fedtab/protocol/invite"
	"fedtab/tab"
)

// OnInvite takes in an invite that the person has opened or pasted: a link, or its
// code. It returns the task that the invite is for; empty if it is no invite.
func (p *Page) OnInvite(text string) (task string) {
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
	return err == nil && len(p.Tasks) > 0 && !slices.ContainsFunc(p.Tasks, func(t api.TaskName) bool { return t.Name == i.Task })
}

// Uninvited reports whether the coordinator has refused this tab for want of an invite
// that it accepts.
func (p *Page) Uninvited() bool {
	return p.Stage == StageRunning && p.Local.Connection == tab.Uninvited
}

// ShowInvite reports whether there is a field for an invite: the shown task needs one
// that this tab does not have.
func (p *Page) ShowInvite() bool {
	return p.ShowJoin() && p.Loaded && p.Task.Join == api.Invited && p.InviteTo(p.Selected) == ""
}
