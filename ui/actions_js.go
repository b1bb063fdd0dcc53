package ui

import (
	"strconv"
	"syscall/js"
)

// maxParticipants is how many a tab may have; the worker has the same bound.
const maxParticipants = 16

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
		tab.memory.many(several(str(fields.Get("several"))))
		tab.join(page.Selected)
	case "pause":
		tab.pause(true)
	case "resume":
		tab.pause(false)
	case "leave":
		tab.leave()
	case "understand":
		page.Unfolded = !page.Unfolded
	case "try":
		tab.trying.open()
	case "try-newest":
		page.Try.Asked = 0
		tab.trying.get()
	case "try-compare":
		tab.trying.getOwn("alone", page.say("try.none"))
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

// answer takes in what a person says of a file.
func answer(page *Page, tab *worker, m js.Value) {
	name, of, value := str(m.Get("name")), str(m.Get("text")), str(m.Get("value"))
	switch str(m.Get("kind")) {
	case "try-version":
		if position, err := strconv.Atoi(value); err == nil && page.AskVersion(position) {
			tab.trying.get()
		}
		return
	case "column":
		column, _ := strconv.Atoi(value)
		page.AnswerColumn(name, column)
	case "decimal":
		page.AnswerDecimal(value)
	case "layout":
		page.AnswerLayout(value)
	case "offer":
		page.AnswerText(name, of, value)
	default:
		return
	}
	tab.answer()
}

// sampleAddress returns where a file is to try the shown task with, from the page.
func sampleAddress(page *Page, name string) string {
	return page.Root + "api/tasks/" + page.Selected + "/samples/" + name
}

// several returns as how many participants the person wants to take part.
func several(value string) int {
	n, err := strconv.Atoi(value)
	if err != nil {
		return 1
	}
	return min(max(n, 1), maxParticipants)
}
