package v1

// Schemes are what a form of a task is made from.
type Schemes struct {
	Schemes []Scheme `json:"schemes"`
	Options []Option `json:"options" doc:"Of all schemes, and of the other sections of a task"`
}

// Scheme is a way to combine models.
type Scheme struct {
	Name    string   `json:"name" doc:"In strategy.kind"`
	Title   string   `json:"title" doc:"For people"`
	Summary string   `json:"summary" doc:"What it does, in a few words"`
	Help    string   `json:"help" doc:"When to choose it"`
	Options []string `json:"options" doc:"Keys of the options that it has"`
}

// Option is a setting of a task.
type Option struct {
	Key     string   `json:"key" doc:"Its path in a task file" example:"strategy.fraction"`
	Group   string   `json:"group" doc:"Its section; task: none"`
	Help    string   `json:"help" doc:"What it means"`
	Type    string   `json:"type" enum:"number,integer,text,choice,flag" doc:"text: also a list or a duration, as YAML"`
	Choices []string `json:"choices,omitempty" doc:"Of a choice"`
	Default string   `json:"default" doc:"YAML on one line; empty: there is none, or it depends on other settings"`
	Range   string   `json:"range" doc:"What is allowed, in words; empty: all of the type"`
	Schemes []string `json:"schemes,omitempty" doc:"That have it; absent: it does not depend on the scheme"`
}

// Presets are the tasks that ship.
type Presets struct {
	Items []Preset `json:"items"`
}

// Preset is a task that ships and can be served.
type Preset struct {
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"`
	YAML        string `json:"yaml" doc:"The task file"`
}

// CheckOrder asks what a task would be.
type CheckOrder struct {
	YAML string   `json:"yaml" maxLength:"1048576" doc:"The task file"`
	Set  []string `json:"set,omitempty" maxItems:"1000" doc:"Changes to make first: KEY=VALUE, of which VALUE is YAML; an empty one takes the setting out" example:"[\"strategy.fraction=0.2\"]"`
}

// Checked says what a task would be.
type Checked struct {
	YAML     string            `json:"yaml" doc:"The task file with the changes; its comments and its order are kept"`
	Values   map[string]string `json:"values" doc:"Every setting, given or by default, as YAML on one line"`
	Problems []TaskProblem     `json:"problems" doc:"All that is wrong; empty: it can be served"`
	Name     string            `json:"name"`
	Title    string            `json:"title"`
	Own      bool              `json:"own" doc:"Participants bring the data"`
	Columns  []string          `json:"columns" doc:"Of a table of theirs, without the one that is predicted"`
	Target   string            `json:"target" doc:"The predicted column of that table"`
	Served   bool              `json:"served" doc:"A task of this name is served"`
	Estimate *Estimate         `json:"estimate" doc:"null while there are problems"`
}

// TaskProblem is something that is wrong with a task.
type TaskProblem struct {
	Key  string `json:"key" doc:"Of the setting; empty: of none"`
	Line int    `json:"line" doc:"Of the task file with the changes, from 1; 0: none, or it is of a change that cannot be made"`
	Text string `json:"text" doc:"What is wrong, and what would be right"`
}

// Estimate says what a run would cost.
type Estimate struct {
	Parameters        int     `json:"parameters" doc:"Length of the parameter vector"`
	Fewest            int     `json:"fewest" doc:"Participants without whom no round opens"`
	BytesUp           int64   `json:"bytes_up" doc:"That a participant sends in a round"`
	BytesDown         int64   `json:"bytes_down" doc:"That a participant is sent in a round"`
	Rounds            int     `json:"rounds" doc:"Of the run; 0: unknown"`
	Bytes             int64   `json:"bytes" doc:"Of a participant that is in every round, both ways; 0: unknown"`
	Examples          int64   `json:"examples" doc:"That a participant trains on in a round, each pass counted, with the fewest participants; 0: unknown"`
	Seconds           float64 `json:"seconds" doc:"Of training on them, in the browser that docs/performance.md was measured with; 0: unknown"`
	TabMemory         int64   `json:"tab_memory" doc:"Bytes that training takes in a tab, without the examples"`
	CoordinatorMemory int64   `json:"coordinator_memory" doc:"Bytes that contributions in flight may take in the coordinator"`
}

// TaskText is a task file.
type TaskText struct {
	YAML string `json:"yaml" maxLength:"1048576" doc:"The task file"`
}

// Served says what serving a task has led to.
type Served struct {
	Run     string `json:"run" doc:"Identity of its run"`
	Version uint64 `json:"version" doc:"The newest of the run"`
	Task    string `json:"task" doc:"Its name"`
}

// Link is the address of a task's page.
type Link struct {
	Link string `json:"link" doc:"Empty: no page is served"`
	QR   string `json:"qr" doc:"The same as a QR code, SVG; empty: no page is served"`
}
