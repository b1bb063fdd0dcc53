// Command shorten rewrites what vugugen has generated in a folder, so that the page's
// program is smaller: nodes are made by calls (ui/draw) instead of literals, which
// WebAssembly fills field by field, and packages that a component does not use are not
// linked. It fails where a line is not as it knows vugugen's lines.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

var (
	text = regexp.MustCompile(`vgn = &vugu\.VGNode\{Type: vugu\.VGNodeType\(1\), Data: ("(?:[^"\\]|\\.)*")\}\n\s*vgparent\.AppendChild\(vgn\)`)
	// An element is the root of its component, or belongs to its parent.
	element   = regexp.MustCompile(`vgn = &vugu\.VGNode\{Type: vugu\.VGNodeType\(3\), Namespace: ("[^"]*"), Data: ("[^"]*"), Attr: \[\]vugu\.VGAttribute(\(nil\)|\{.*\})\}\n\s*(vgparent\.AppendChild\(vgn\)|vgout\.Out = append\(vgout\.Out, vgn\).*)`)
	attribute = regexp.MustCompile(`\{Namespace: "", Key: ("[^"]*"), Val: ("(?:[^"\\]|\\.)*")\}`)
	dynamic   = regexp.MustCompile(`vgn\.AddAttrInterface\(`)
	inner     = regexp.MustCompile(`vgn\.SetInnerHTML\(`)
	// Neither an attribute nor a content follows.
	last    = regexp.MustCompile(`vgn = draw\.Element\((vgparent.*)\)\n(\s*(?:vgn = |draw\.Text\(|\}))`)
	literal = regexp.MustCompile(`.*VGNodeType\(.*`)
	unused  = regexp.MustCompile(`\n// 'fix' unused imports\n(?:var _ .*\n)*`)
	imports = regexp.MustCompile(`(?m)^import (?:js )?"(.*)"\n`)
)

// shorten returns the shorter form of a component's source.
func shorten(source string) (string, error) {
	source = text.ReplaceAllString(source, "draw.Text(vgparent, $1)")
	var wrong error
	source = element.ReplaceAllStringFunc(source, func(found string) string {
		parts := element.FindStringSubmatch(found)
		attributes := ""
		for _, a := range attribute.FindAllStringSubmatch(parts[3], -1) {
			value, err := strconv.Unquote(a[2])
			if err != nil || strings.Contains(value, "\n") {
				wrong = fmt.Errorf("the attribute %s=%s has a line break", a[1], a[2])
			}
			attributes += a[1][1:len(a[1])-1] + "=" + value + "\n"
		}
		if wrong == nil && strings.Count(parts[3], "Key:") != strings.Count(attributes, "\n") {
			wrong = fmt.Errorf("unknown form of attributes: %s", parts[3])
		}
		in := "vgparent"
		if strings.HasPrefix(parts[4], "vgout") {
			in = "nil"
		}
		made := fmt.Sprintf("vgn = draw.Element(%s, %s, %s, %s)", in, parts[1], parts[2], strconv.Quote(strings.TrimSuffix(attributes, "\n")))
		if in == "nil" {
			made += "\n" + parts[4]
		}
		return made
	})
	if wrong != nil {
		return "", wrong
	}
	if left := literal.FindString(source); left != "" {
		return "", fmt.Errorf("a node of unknown form is left: %s", left)
	}
	source = dynamic.ReplaceAllString(source, "draw.Attribute(vgn, ")
	source = inner.ReplaceAllString(source, "draw.Content(vgn, ")
	source = last.ReplaceAllString(source, "draw.Element($1)\n$2")
	source = unused.ReplaceAllString(source, "")
	source = strings.Replace(source, "\nimport ", "\nimport \"fedtab/ui/draw\"\nimport ", 1)
	return imports.ReplaceAllStringFunc(source, func(found string) string {
		path := imports.FindStringSubmatch(found)[1]
		if strings.Contains(source, filepath.Base(path)+".") {
			return found
		}
		return ""
	}), nil
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: shorten FOLDER")
		os.Exit(2)
	}
	files, err := filepath.Glob(filepath.Join(os.Args[1], "*_gen.go"))
	for _, name := range files {
		var source []byte
		if source, err = os.ReadFile(name); err != nil {
			break
		}
		var shorter string
		if shorter, err = shorten(string(source)); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
			break
		}
		if err = os.WriteFile(name, []byte(shorter), 0o644); err != nil {
			break
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
