package ui

import "fedtab/tab"

// The words for what goes wrong around a tab, and what a person can do about it.

// phrase returns a sentence that comes from elsewhere, in English, in the page's
// language.
func (p *Page) phrase(english string) string { return p.Lang.Phrase(english) }

// NoData says whether the tab waits for examples that it cannot fetch. While it trains
// on others, the trouble is only an aside.
func (p *Page) NoData() bool {
	l := p.Local
	return p.Stage == StageRunning && l.Connection == tab.Joined && !p.Paused && l.DataFailures > 0 && (l.Activity == tab.Downloading || l.Examples == 0)
}

// stubborn is the number of failures in a row after which a person is asked to act.
const stubborn = 4

// dataAside says what to do about examples that cannot be fetched.
func (p *Page) dataAside() string {
	l := &p.Local
	switch {
	case l.DataFailures < stubborn:
		return p.say("data.again")
	case l.DataStatus == 404 || l.DataStatus == 410:
		return p.say("data.gone")
	case l.DataStatus == 401 || l.DataStatus == 403:
		return p.say("data.forbidden")
	case l.DataStatus == 429 || l.DataStatus == 503:
		return p.say("data.busy")
	case l.DataStatus >= 500:
		return p.say("data.broken")
	case l.DataStatus > 0:
		return p.say("data.status")
	}
	return p.say("data.network")
}

// turnedAway says why there is no connection, by the code of the refusal.
func (p *Page) turnedAway(code string) string {
	switch code {
	case "":
		return p.say("away.lost")
	case "address", "pace":
		return p.say("away.connections")
	case "requests", "downloads":
		return p.say("away.requests")
	case "proxy":
		return p.say("away.proxy")
	case "host", "origin":
		return p.say("away.host")
	case "full":
		return p.say("away.full")
	case "stopping":
		return p.say("away.stopping")
	case tab.Offline:
		return p.say("away.offline")
	case tab.Unreachable:
		return p.say("away.unreachable")
	case tab.Blocked:
		return p.say("away.blocked")
	}
	return p.say("away.other")
}

// whenTurnedAway says what a participant can do about a refusal. What only the organiser
// can change is quoted.
func (p *Page) whenTurnedAway(code, detail string) string {
	switch code {
	case "address":
		return sentences(p.say("do.connections"), p.say("do.network"))
	case "pace":
		return sentences(p.say("do.pace"), p.say("do.network"))
	case "requests", "downloads":
		return sentences(p.say("do.requests"), p.say("do.network"))
	case "proxy", "host", "origin":
		return p.say("do.tell", p.phrase(detail))
	case "full":
		return p.say("do.full")
	case "stopping":
		return p.say("do.stopping")
	case tab.Offline, tab.Unreachable:
		return p.say("do.unreachable")
	case tab.Blocked:
		return p.say("do.blocked")
	}
	return sentence(p.phrase(detail))
}

// unlinked says why the page has no events of the coordinator.
func (p *Page) unlinked() string {
	if p.Door.Code == "" {
		return p.say("away.unreachable")
	}
	return p.turnedAway(p.Door.Code)
}
