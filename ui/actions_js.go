package ui

import (
	"strconv"
	"syscall/js"
)

// act does what a person asks for by a button: an action, with the value of the button,
// and what is in the fields of the page.
func act(page *Page, tab *worker, coordinator *coordinator, m js.Value) {
	value, fields := str(m.Get("value")), m.Get("fields")
	if m.Get("own").Truthy() {
		page.DataTrouble = ""
	}
	tell := func(kind string) { tab.tell(map[string]any{"type": kind}) }
	host := func(kind string) { tab.host.tell(map[string]any{"type": kind}) }
	switch str(m.Get("action")) {
	case "join":
		if page.ShowInvite() && !coordinator.invited(str(fields.Get("invite"))) {
			return
		}
		page.Several = str(fields.Get("several"))
		if !page.CanJoin() {
			return
		}
		n, _ := page.several()
		tab.memory.many(n)
		tab.join(page.Selected)
	case "pause":
		tab.pause(true)
	case "resume":
		tab.pause(false)
	case "fold":
		page.Fold(value)
	case "leave":
		tab.leave()
	case "try":
		tab.trying.open()
	case "try-newest":
		page.Try.Asked = 0
		tab.trying.get()
	case "try-compare":
		tab.trying.getOwn("alone", page.say("try.none"))
	case "code":
		if page.Fold(value); page.Open[value] {
			tab.trying.code()
		}
	case "copy":
		if i, err := strconv.Atoi(value); err == nil && i < len(page.Snippets) {
			tab.host.tell(map[string]any{"type": "copy", "text": page.Snippets[i].Code, "value": value})
		}
	case "copied":
		i, _ := strconv.Atoi(value)
		page.Copied = i + 1
		tab.host.tell(map[string]any{"type": "say", "text": page.say("keep.copied")})
	case "share":
		shareCard(page, tab.host)
	case "moved":
		page.MovedOpen = !page.MovedOpen
	case "moved-save":
		saveMoved(page, tab.host)
	case "reload":
		host("reload")
	case "camera":
		tab.camera(true)
	case "camera-off":
		tab.camera(false)
	case "own-take":
		host("take")
	case "draw":
		tab.host.tell(map[string]any{"type": "draw", "label": value})
	case "draw-clear":
		host("erase")
	case "own-cancel":
		tell("cancel")
	case "own-read", "own-skip":
		tab.tell(map[string]any{"type": "read", "skip": str(m.Get("action")) == "own-skip"})
	case "own-use":
		tab.tell(map[string]any{"type": "use", "id": value})
	case "own-delete":
		tab.tell(map[string]any{"type": "delete", "id": value})
	case "own-offer":
		page.AnswerOffer(value, false)
		tab.answer()
	case "own-offer-not":
		page.AnswerOffer(value, true)
		tab.answer()
	case "own-sample":
		tab.host.tell(map[string]any{"type": "sample", "address": sampleAddress(page, value), "name": value})
	case "personalise":
		tell("personalise")
	case "own-download":
		tab.tell(map[string]any{"type": "download", "format": value})
	case "own-forget":
		tab.forget()
	case "own-forget-not":
		page.Forgetting = false
	}
}

// answer takes in what a person sets in a field: settings, and what a file means.
func answer(page *Page, tab *worker, m js.Value) {
	value, checked := str(m.Get("value")), ""
	if value == "true" {
		checked = "yes"
	}
	switch str(m.Get("kind")) {
	case "several":
		page.Several = value
	case "effort":
		page.SetEffort(value)
		tab.memory.choose(keyEffort, value)
		tab.tell(map[string]any{"type": "effort", "percent": page.Effort})
	case "cores":
		page.SetCores(value)
		tab.memory.choose(keyCores, value)
	case "pause-hidden":
		page.PauseHidden = checked != ""
		tab.memory.choose(keyHidden, checked)
		tab.hold()
	case "pause-battery":
		page.PauseBattery = checked != ""
		tab.memory.choose(keyBattery, checked)
		tab.hold()
	case "try-version":
		if position, err := strconv.Atoi(value); err == nil && page.AskVersion(position) {
			tab.trying.get()
		}
	case "column":
		column, _ := strconv.Atoi(value)
		page.AnswerColumn(str(m.Get("name")), column)
		tab.answer()
	case "decimal":
		page.AnswerDecimal(value)
		tab.answer()
	case "layout":
		page.AnswerLayout(value)
		tab.answer()
	case "offer":
		page.AnswerText(str(m.Get("name")), str(m.Get("text")), value)
		tab.answer()
	}
}

// sampleAddress returns where a file is to try the shown task with, from the page.
func sampleAddress(page *Page, name string) string {
	return page.Root + "api/tasks/" + page.Selected + "/samples/" + name
}
