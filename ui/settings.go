package ui

import "strconv"

// Settings are what a person chooses of how much of the device is used. They are kept
// for all tabs of the browser.
type Settings struct {
	Effort       int  // share of a core's time, percent
	Cores        int  // workers, each a participant of its own at least
	PauseHidden  bool // while the page is hidden
	PauseBattery bool // while the device runs on its battery

	MaxCores   int  // that the browser tells of
	HasBattery bool // the browser tells of one
}

// Bounds of the effort, percent.
const (
	minEffort = 10
	maxEffort = 100
)

// reset returns the settings of a person who has chosen nothing.
func (s Settings) reset() Settings {
	return Settings{Effort: maxEffort, Cores: 1, MaxCores: s.MaxCores, HasBattery: s.HasBattery}
}

// SetEffort takes in the share of a core's time as a field has it; what is none changes
// nothing.
func (s *Settings) SetEffort(text string) {
	if n, err := strconv.Atoi(text); err == nil {
		s.Effort = min(max(n, minEffort), maxEffort)
	}
}

// SetCores takes in the number of cores, as SetEffort does.
func (s *Settings) SetCores(text string) {
	if n, err := strconv.Atoi(text); err == nil {
		s.Cores = min(max(n, 1), max(1, min(s.MaxCores, maxCores)))
	}
}

// Held reports why the settings pause this tab now.
func (s *Settings) Held(hidden, battery bool) bool {
	return s.PauseHidden && hidden || s.PauseBattery && battery
}
