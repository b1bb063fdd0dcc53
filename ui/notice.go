package ui

import "fedtab/tab"

// Notice is a sentence above the page on the page itself: what of it works now. reload
// says that a reload helps.
func (p *Page) Notice() (text string, reload bool) {
	switch {
	case p.Offline:
		return p.say("notice.offline"), false
	case p.Gone:
		return p.say("notice.gone"), false
	case p.Outdated() && !p.Handing():
		return p.say("notice.outdated"), true
	}
	return "", false
}

// Outdated reports whether the coordinator serves another build of the page than this.
func (p *Page) Outdated() bool {
	return p.Build != "" && p.Task.Build != "" && p.Build != p.Task.Build
}

// Handing reports whether what was learned is on its way, which a reload would delay.
func (p *Page) Handing() bool {
	switch p.Local.Activity {
	case tab.Packing, tab.Sending, tab.Agreeing, tab.Summing: // the last two need keys that a reload loses
		return p.Working()
	}
	return false
}
