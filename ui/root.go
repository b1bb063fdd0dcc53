package ui

// Root is a task's page, which the program draws.
type Root struct {
	Page *Page
}

// look has the classes by which the style sheet knows the page, and the worker's stage.
func (p *Page) look() string {
	look := string(p.Kind)
	if p.schema() != nil {
		look += " own-data"
	}
	if p.Taking() || p.Over() {
		return look + " stage-in"
	}
	return look + " stage-out"
}
