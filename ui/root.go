package ui

// Root is the whole of what Vugu draws.
type Root struct {
	Page *Page
}

// look has the classes by which the style sheet knows the page, and the worker's stage.
func (p *Page) look() string {
	if p.Taking() {
		return string(p.Kind) + " stage-in"
	}
	return string(p.Kind) + " stage-out"
}
