package strategy

import (
	"fmt"
	"strings"
)

// Table returns the settings of the scheme as a Markdown table, for
// docs/schemes.md and `coordinator tasks --scheme`.
func (s Scheme) Table() string {
	var b strings.Builder
	b.WriteString("| setting | default | allowed | meaning |\n|---|---|---|---|\n")
	for _, t := range s.Settings {
		allowed := t.limits
		if t.Type == Choice {
			allowed = func() string { return strings.Join(quoted(t.Choices), ", ") }
		}
		text, meaning := t.DefaultText(), t.Help
		if t.Type == Choice {
			text = "`" + text + "`"
		}
		if t.When.Key != "" {
			meaning += fmt.Sprintf("; if `%s` is %s", t.When.Key, either(quoted(t.When.Values)))
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", t.Key, text, allowed(), meaning)
	}
	return b.String()
}

// Table returns the schemes as a Markdown table, for docs/schemes.md.
func (r Registry) Table() string {
	var b strings.Builder
	b.WriteString("| `kind` | in short | models per participant | choose it when |\n|---|---|---|---|\n")
	for _, s := range r {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s | %s |\n", s.Name, s.Name, s.Help, s.Models, s.Choose)
	}
	return b.String()
}

// quoted returns words in Markdown's quotes for code.
func quoted(words []string) []string {
	var all []string
	for _, w := range words {
		all = append(all, "`"+w+"`")
	}
	return all
}
