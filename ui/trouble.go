package ui

import "fedtab/tab"

// The words for what goes wrong around a tab, and what a person can do about it.

// NoData says whether the tab waits for examples that it cannot fetch. While it trains
// on others, the trouble is only an aside.
func (p *Page) NoData() bool {
	l := p.Local
	return p.Stage == StageRunning && l.Connection == tab.Joined && !p.Paused && l.DataFailures > 0 && (l.Activity == tab.Downloading || l.Examples == 0)
}

// stubborn is the number of failures in a row after which a person is asked to act.
const stubborn = 4

// dataAside says what to do about examples that cannot be fetched.
func (l *Local) dataAside() string {
	switch {
	case l.DataFailures < stubborn:
		return "The data is fetched again by itself: there is nothing to do."
	case l.DataStatus == 404 || l.DataStatus == 410:
		return "The coordinator does not have the data that it has assigned to this tab. Reload the page; if that does not help, tell the organiser."
	case l.DataStatus == 401 || l.DataStatus == 403:
		return "The coordinator, or a proxy before it, refuses this tab the data. Tell the organiser."
	case l.DataStatus == 429 || l.DataStatus == 503:
		return "The coordinator is busy. Keep the page open, or join later."
	case l.DataStatus >= 500:
		return "The coordinator fails to send the data. Tell the organiser if it stays so."
	case l.DataStatus > 0:
		return "Reload the page; if that does not help, tell the organiser."
	}
	return "Check the network of this computer. If other pages load, reload this one."
}

// turnedAway says why there is no connection, by the code of the refusal.
func turnedAway(code string) string {
	switch code {
	case "":
		return "Connection lost"
	case "address", "pace":
		return "Too many connections from your address"
	case "requests", "downloads":
		return "Too many requests from your address"
	case "proxy":
		return "The coordinator has no room for more behind one proxy"
	case "host", "origin":
		return "The coordinator does not know the address of this page"
	case "full":
		return "The coordinator is full"
	case "stopping":
		return "The coordinator is stopping"
	}
	return "The coordinator does not let this tab in"
}

// whenTurnedAway says what a participant can do about a refusal. What only the organiser
// can change is quoted.
func whenTurnedAway(code, detail string) string {
	const network = " If many people share your network, tell the organiser."
	switch code {
	case "address":
		return "Close other tabs that take part, or wait until there is room." + network
	case "pace":
		return "There is nothing to do: it passes within some seconds." + network
	case "requests", "downloads":
		return "Close other tabs of this page, and wait for a minute." + network
	case "proxy", "host", "origin":
		return "Please tell the organiser: " + detail
	case "full":
		return "Keep the page open, or come back later."
	case "stopping":
		return "Keep the page open: it goes on by itself when the coordinator is back."
	}
	return sentence(detail)
}

// unlinked says why the page has no events of the coordinator.
func (p *Page) unlinked() string {
	if p.Door.Code == "" {
		return "The coordinator cannot be reached"
	}
	return turnedAway(p.Door.Code)
}

// insecureWords says what it means that the page came without encryption.
const insecureWords = "This page is not encrypted: others on the network can read and change what this tab sends and gets. " +
	"Join only if that does not matter, or ask the organiser for an address that begins with https."
