package tab

// Which names a model that a worker has.
type Which string

// The models.
const (
	Newest    Which = "newest"   // version that has come from the coordinator
	OwnAnswer Which = "own"      // what the tab answered last, before it was combined
	Alone     Which = "alone"    // trained on the tab's own data alone
	Personal  Which = "personal" // a version, trained further on the tab's own data
)

// ModelTrouble is why a model cannot be had as a file.
type ModelTrouble string

// The troubles.
const (
	NotYet     ModelTrouble = "none"     // there is none, or not yet
	NoEncoding ModelTrouble = "encoding" // the task's names of classes, or how its rows become numbers, are not known
	NoFormat   ModelTrouble = "format"   // this program writes none in this format
	NoFile     ModelTrouble = "file"     // it cannot be written
)

// Model is a worker's message of type "model", the answer to one of the page: a model as a
// file. Its content is beside it, as "bytes".
type Model struct {
	Type    string       `json:"type"`
	Which   Which        `json:"which"`
	Format  string       `json:"format"`  // safetensors or onnx
	Version int          `json:"version"` // that it is, or was trained from; of Alone for how many answers' worth it was
	Name    string       `json:"name"`    // of the file
	Error   ModelTrouble `json:"error"`   // empty: there is a file
	Detail  string       `json:"detail"`  // more about the trouble, in English
}

// Confusion is a worker's message of type "confusion", the answer to one of the page: what
// a combined version takes for what on the tab's own hold-out.
type Confusion struct {
	Type     string   `json:"type"`
	Version  int      `json:"version"`
	Examples int      `json:"examples"` // of the hold-out; 0: there is none, or no version was evaluated on it
	Classes  []string `json:"classes"`  // names, by label
	Matrix   [][]int  `json:"matrix"`   // [of a class][are taken for another]
}

// Wall is a worker's message of type "wall", the answer to one of the page: pictures that
// the coordinator has handed to this tab. Their pixels are beside it, as "bytes": RGBA,
// one picture after the other.
type Wall struct {
	Type   string `json:"type"`
	Width  int    `json:"width"` // of a picture, in pixels; 0: the tab was given none
	Height int    `json:"height"`
	Labels []int  `json:"labels"` // classes
	Given  int    `json:"given"`  // examples in all
}
