package task

import (
	"bytes"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Edit applies sets, as those of Parse, to the text of a task file, and keeps its comments
// and its order. An empty value takes the field out. It returns the sets that it cannot
// apply: Parse says what is wrong with them.
func Edit(text []byte, sets []string) (edited []byte, left []string) {
	for _, s := range sets {
		next, ok := edit(text, s)
		if !ok {
			left = append(left, s)
			continue
		}
		text = next
	}
	return text, left
}

func edit(text []byte, set string) ([]byte, bool) {
	path, value, ok := strings.Cut(set, "=")
	top, known := mapping(text)
	if !ok || !known || len(set) > MaxFile || !editable.MatchString(path) {
		return nil, false
	}
	var to *yaml.Node // nil: the field is taken out
	if strings.TrimSpace(value) != "" {
		var doc yaml.Node
		if yaml.Unmarshal([]byte(value), &doc) != nil || len(doc.Content) != 1 || !plainTree(doc.Content[0]) {
			return nil, false
		}
		to = doc.Content[0]
	}
	keys := strings.Split(path, ".")
	lines := editLines(text, top, keys, to)
	if !change(top, keys, to) {
		return nil, false
	}
	want, err := encodeNode(top)
	if err != nil {
		return nil, false
	}
	if lines != nil && sameYAML(lines, want) {
		return lines, true
	}
	return want, true // comments stay, blank lines and the breaks of long texts do not
}

// editable are the paths of fields that are not within a list.
var editable = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)*$`)

// mapping returns the fields of a task file.
func mapping(text []byte) (*yaml.Node, bool) {
	var doc yaml.Node
	if len(text) > MaxFile || yaml.Unmarshal(text, &doc) != nil || len(doc.Content) != 1 {
		return nil, false
	}
	top := doc.Content[0]
	return top, top.Kind == yaml.MappingNode && len(top.Content) > 0 && plainTree(top)
}

// plainTree reports whether a node has no anchors, aliases and tags, which no task file may
// have.
func plainTree(n *yaml.Node) bool {
	return n.Kind != yaml.AliasNode && n.Anchor == "" && n.Style&yaml.TaggedStyle == 0 && !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !plainTree(c) })
}

// change sets the field at a path below a mapping, or takes it out. It returns false if the
// path leads through something that has no fields, or to no field that could be taken out.
func change(at *yaml.Node, path []string, to *yaml.Node) bool {
	if at.Kind != yaml.MappingNode {
		return false
	}
	i := find(at, path[0])
	switch {
	case i < 0 && to == nil:
		return false
	case i < 0:
		at.Content = append(at.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}, nested(path[1:], to))
		return true
	case len(path) > 1:
		if !change(at.Content[i+1], path[1:], to) {
			return false
		}
		if to == nil && len(at.Content[i+1].Content) == 0 {
			at.Content = slices.Delete(at.Content, i, i+2)
		}
		return true
	case to == nil:
		at.Content = slices.Delete(at.Content, i, i+2)
		return true
	}
	to.LineComment = at.Content[i+1].LineComment
	at.Content[i+1] = to
	return true
}

// nested returns a value within the sections of a path.
func nested(path []string, to *yaml.Node) *yaml.Node {
	for _, key := range slices.Backward(path) {
		to = &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: key}, to}}
	}
	return to
}

// find returns the index of a key of a mapping, -1 if it is missing.
func find(at *yaml.Node, key string) int {
	for i := 0; i+1 < len(at.Content); i += 2 {
		if at.Content[i].Value == key {
			return i
		}
	}
	return -1
}

func encodeNode(n *yaml.Node) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := e.Encode(n)
	return b.Bytes(), err
}

// sameYAML reports whether two texts say the same.
func sameYAML(a, b []byte) bool {
	var x, y any
	return yaml.Unmarshal(a, &x) == nil && yaml.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// editLines is edit that leaves every other byte of the text as it is; nil where the text
// is written in a way that it does not know.
func editLines(text []byte, at *yaml.Node, path []string, to *yaml.Node) []byte {
	flow := at.Style&yaml.FlowStyle != 0
	i := find(at, path[0])
	if i >= 0 && len(path) > 1 {
		below := at.Content[i+1]
		only := len(below.Content) == 2 && find(below, path[1]) == 0
		if below.Kind == yaml.MappingNode && len(below.Content) > 0 && !(to == nil && only) {
			return editLines(text, below, path[1:], to)
		}
		if to == nil && only && len(path) > 2 {
			return nil
		}
		path = path[:1]
	}
	if i < 0 && to == nil {
		return nil
	}
	field := ""
	if to != nil {
		field = path[0] + ": " + flowText(nested(path[1:], to))
	}
	switch {
	case flow && i >= 0:
		return replaceFlow(text, at.Content[i], at.Content[i+1], field)
	case flow:
		return insertFlow(text, at, field)
	case i >= 0:
		return replaceBlock(text, at.Content[i], at.Content[i+1], to, field)
	}
	return insertBlock(text, at.Content[0], field)
}

// offset returns where in the text a node begins.
func offset(text []byte, n *yaml.Node) int {
	at := 0
	for range n.Line - 1 {
		at += bytes.IndexByte(text[at:], '\n') + 1
	}
	for range n.Column - 1 { // of characters
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
}

// end returns where a scalar that is written on one line, or a flow collection, ends; -1 if
// that is unknown.
func end(text []byte, n *yaml.Node) int {
	at := offset(text, n)
	switch {
	case n.Kind == yaml.ScalarNode && n.Style == 0:
		if bytes.HasPrefix(text[at:], []byte(n.Value)) {
			return at + len(n.Value)
		}
		return -1
	case n.Kind == yaml.ScalarNode && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		return skipQuoted(text, at)
	case n.Style&yaml.FlowStyle != 0:
		return skipFlow(text, at)
	}
	return -1
}

// skipQuoted returns the end of a quoted text that begins at an offset, -1 if there is none.
func skipQuoted(text []byte, at int) int {
	quote := text[at]
	for i := at + 1; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote == '"':
			i++
		case text[i] == quote && quote == '\'' && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return -1
}

// skipFlow returns the end of a flow collection that begins at an offset, -1 if there is
// none.
func skipFlow(text []byte, at int) int {
	depth := 0
	for i := at; i < len(text); i++ {
		switch c := text[i]; c {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"', '\'':
			if i = skipQuoted(text, i) - 1; i < 0 {
				return -1
			}
		case '#':
			return -1 // a comment, or a text with one: let the encoder do it
		}
	}
	return -1
}

func splice(text []byte, from, to int, with string) []byte {
	return slices.Concat(text[:from], []byte(with), text[to:])
}

// replaceFlow replaces a field of a flow mapping, or takes it out with a comma beside it.
func replaceFlow(text []byte, key, value *yaml.Node, field string) []byte {
	from, to := offset(text, key), end(text, value)
	if to < 0 {
		return nil
	}
	if field != "" {
		return splice(text, from, to, field)
	}
	if rest := text[to:]; bytes.HasPrefix(bytes.TrimLeft(rest, " "), []byte(",")) {
		after := to + bytes.IndexByte(rest, ',') + 1
		return splice(text, from, after+len(text[after:])-len(bytes.TrimLeft(text[after:], " ")), "")
	}
	return splice(text, len(bytes.TrimRight(text[:from], " ,")), to, "")
}

// insertFlow adds a field at the end of a flow mapping.
func insertFlow(text []byte, at *yaml.Node, field string) []byte {
	to := end(text, at)
	if to < 0 {
		return nil
	}
	last := len(bytes.TrimRight(text[:to-1], " "))
	return splice(text, last, last, ", "+field)
}

// replaceBlock replaces a field of a block mapping, or takes its lines out.
func replaceBlock(text []byte, key, value, to *yaml.Node, field string) []byte {
	from := offset(text, key)
	if till := end(text, value); till >= 0 && to != nil {
		return splice(text, from, till, field)
	}
	if field != "" {
		field += "\n"
	}
	begin := bytes.LastIndexByte(text[:from], '\n') + 1
	indent := string(text[begin:from])
	if strings.TrimSpace(indent) != "" {
		return nil // it stands behind the dash of a list
	}
	if field != "" {
		field = indent + field
	}
	return splice(text, begin, sectionEnd(text, from, len(indent)), field)
}

// insertBlock adds a field at the end of the block mapping with a first key.
func insertBlock(text []byte, first *yaml.Node, field string) []byte {
	from := offset(text, first)
	indent := text[bytes.LastIndexByte(text[:from], '\n')+1 : from]
	if len(bytes.TrimSpace(indent)) > 0 {
		return nil
	}
	at := sectionEnd(text, from, len(indent)-1)
	if at > 0 && text[at-1] != '\n' {
		field = "\n" + string(indent) + field
	} else {
		field = string(indent) + field + "\n"
	}
	return splice(text, at, at, field)
}

// sectionEnd returns where the lines that are indented by more than a number of spaces end,
// which begin with the line of an offset. Blank lines and comments behind them are not of
// them.
func sectionEnd(text []byte, from, indent int) int {
	at := from + len(text[from:])
	if i := bytes.IndexByte(text[from:], '\n'); i >= 0 {
		at = from + i + 1
	}
	last := at
	for line := range bytes.Lines(text[at:]) {
		at += len(line)
		body := bytes.TrimLeft(line, " ")
		blank := len(bytes.TrimSpace(body)) == 0 || body[0] == '#'
		if !blank && len(line)-len(body) <= indent {
			break
		}
		if !blank {
			last = at
		}
	}
	return last
}

// flowText writes a node on one line, for the inside of a flow collection too.
func flowText(n *yaml.Node) string {
	var all []string
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			all = append(all, flowText(c))
		}
		return "[" + strings.Join(all, ", ") + "]"
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			all = append(all, flowText(n.Content[i])+": "+flowText(n.Content[i+1]))
		}
		return "{" + strings.Join(all, ", ") + "}"
	}
	if n.ShortTag() == "!!str" {
		return plainText(n.Value)
	}
	return n.Value
}

// plainText writes a text as YAML reads it, without quotes where none are needed.
func plainText(s string) string {
	var doc yaml.Node
	if !strings.ContainsAny(s, "\n,[]{}#&*!|>'\"%@`:?") && yaml.Unmarshal([]byte(s), &doc) == nil && len(doc.Content) == 1 {
		if n := doc.Content[0]; n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && n.Value == s {
			return s
		}
	}
	return strconv.QuoteToGraphic(s)
}
