package ui

// Train is this tab's part in the training: its state, its buttons, its numbers.
// Every element is always there and hidden when not wanted: the renderer matches
// elements by position, and a button must not turn into another under a finger.
//
// What a button does is in its data-action, to which one listener for the whole
// page answers (actions_js.go), rather than in Vugu's @click: that copies every
// property of the event and of the button, with all its layout, into Go, which
// takes 40 to 65 ms the first time and shows as a long task.
type Train struct {
	Page *Page
}

func (c *Train) pauseAction() string {
	if c.Page.Paused {
		return "resume"
	}
	return "pause"
}

func (c *Train) participantTitle() string {
	if c.Page.Local.Participants > 1 {
		return c.Page.say("participant.several")
	}
	return c.Page.say("participant")
}

// done and total are the progress bar's value and maximum; the bar is empty
// outside of training.
func (c *Train) done() int {
	if c.Page.Stage != StageRunning {
		return 0
	}
	return min(c.Page.Local.Done, c.total())
}

func (c *Train) total() int { return max(1, c.Page.Local.Total) }
