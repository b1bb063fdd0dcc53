package organiser

// Root is the whole dashboard.
type Root struct {
	Board *Board
}

// who says who is signed in.
func (c *Root) who() string {
	if c.Board.Signed != SignedIn {
		return ""
	}
	return "Signed in as " + c.Board.Server.Role
}

func (c *Root) ask() *Ask {
	if a := c.Board.Ask; a != nil {
		return a
	}
	return &Ask{}
}

func (c *Root) yesClass() string {
	if c.ask().Danger {
		return "danger"
	}
	return "primary"
}
