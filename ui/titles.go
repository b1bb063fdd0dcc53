package ui

import (
	"cmp"
	"slices"

	"fedtab/api"
)

// code returns the code of the page's language.
func (p *Page) code() string {
	if p.Lang == nil {
		return "en"
	}
	return p.Lang.Code
}

// title returns a task's title in the page's language, or as it is where it is not
// translated; for a task without one, its name.
func (p *Page) title(name, title string, in map[string]api.Translation) string {
	return cmp.Or(in[p.code()].Title, title, name)
}

// heading returns a task's title, with its name where another task has the same title.
func (p *Page) heading(name, title string, in map[string]api.Translation) string {
	shown := p.title(name, title, in)
	same := func(t api.Card) bool { return t.Name != name && p.title(t.Name, t.Title, t.Translations) == shown }
	if shown != name && slices.ContainsFunc(p.Tasks, same) {
		return shown + " (" + name + ")"
	}
	return shown
}

// TaskTitle returns the title of the shown task in the page's language.
func (p *Page) TaskTitle() string {
	t := &p.Task
	if t.Name == "" {
		return p.say("about.title")
	}
	return p.heading(t.Name, t.Title, t.Translations)
}

// TaskDescription returns the description of the shown task in the page's language.
func (p *Page) TaskDescription() string {
	return cmp.Or(p.Task.Translations[p.code()].Description, p.Task.Description)
}

// Description says what the page is for those who search, and for previews.
func (p *Page) Description() string { return cmp.Or(p.TaskDescription(), p.say("frame.lead")) }

// picture returns the address of samples of a task's data.
func (p *Page) picture(task string) string { return p.Root + "api/tasks/" + task + "/picture.png" }

// qr returns the address of a QR code that leads to the page of a task, or home.
func (p *Page) qr(task string) string {
	if task == "" {
		return p.Root + "qr.svg"
	}
	return p.Root + "qr.svg?path=t/" + task
}

// left says how much time is left, roughly; empty while it is unknown.
func (p *Page) left(seconds *float64) string {
	if seconds == nil {
		return ""
	}
	return p.say("left", p.about(*seconds))
}

// about says a time as people do.
func (p *Page) about(seconds float64) string {
	const minute, hour, day = 60, 60 * 60, 24 * 60 * 60
	round := func(unit float64) int { return int(seconds/unit + .5) }
	switch {
	case seconds < 50:
		return p.say("time.moment")
	case seconds < 50*minute:
		return p.say("time.minutes", round(minute))
	case seconds < 36*hour:
		return p.say("time.hours", round(hour))
	}
	return p.say("time.days", round(day))
}
