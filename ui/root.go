package ui

// Root is the whole of what Vugu draws.
type Root struct {
	Page *Page
}

// stageName is the class by which the style sheet knows the worker's stage.
func (p *Page) stageName() string {
	if p.Taking() {
		return "in"
	}
	return "out"
}
