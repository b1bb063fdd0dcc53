package compare

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// statement is what is expected of the results of a part: a comparison in the syntax of Go's
// expressions, such as
//
//	radon.final_accuracy >= 0.9 * central.final_accuracy
//	minibatch[1000].rounds_to_target > minibatch[10].rounds_to_target
//
// variant.measure is the mean over the seeds, least(x), most(x) and deviation(x) are others;
// in brackets are the values of the grid, in its order. Values that are neither numbers nor
// words are in quotes, all of them: radon["1, dirichlet 0.5"].
type statement struct {
	text string
	line int
	op   token.Token
	a, b ast.Expr
}

// statements are the lines below expect: a list of comparisons, or what is compared with how.
type statements []statement

// UnmarshalYAML implements yaml.Unmarshaler.
func (s *statements) UnmarshalYAML(n *yaml.Node) error {
	add := func(n *yaml.Node, text string) error {
		x, err := parseStatement(text)
		if err != nil {
			return fmt.Errorf("line %d: expect: %w", n.Line, err)
		}
		x.line = n.Line
		*s = append(*s, x)
		return nil
	}
	var err error
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			err = errors.Join(err, add(c, c.Value))
		}
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			err = errors.Join(err, add(n.Content[i], n.Content[i].Value+" "+n.Content[i+1].Value))
		}
	default:
		err = fmt.Errorf("line %d: expect: want comparisons, such as radon.final_accuracy: \">= 0.9\"", n.Line)
	}
	return err
}

var comparisons = []token.Token{token.GEQ, token.LEQ, token.GTR, token.LSS}

func parseStatement(text string) (s statement, err error) {
	x, err := parser.ParseExpr(text)
	if err != nil {
		hint := ""
		if strings.Contains(text, `"`) {
			hint = `; values of the grid that are neither numbers nor words go into one pair of quotes, all of them: radon["median, sign-flip"]`
		}
		return s, fmt.Errorf("%q is no comparison: %w%s", text, err, hint)
	}
	b, ok := x.(*ast.BinaryExpr)
	if ok && b.Op == token.LAND {
		return s, fmt.Errorf("%q is two statements, want a line for each", text)
	}
	if !ok || !slices.Contains(comparisons, b.Op) {
		return s, fmt.Errorf("%q is no comparison, want >=, <=, > or < between two expressions", text)
	}
	return statement{text: text, op: b.Op, a: b.X, b: b.Y}, nil
}

// Verdict is a statement with the figures that it compares.
type Verdict struct {
	Text  string
	Line  int
	Holds bool
	A, B  float64
	Why   string // it cannot be told whether it holds; empty: it can
}

// judge finds out whether a statement holds. of returns the values of a measure over the
// seeds.
func (s *statement) judge(of lookup) Verdict {
	v := Verdict{Text: s.text, Line: s.line}
	var errs [2]error
	v.A, errs[0] = evaluate(s.a, of)
	v.B, errs[1] = evaluate(s.b, of)
	if err := errors.Join(errs[:]...); err != nil {
		v.Why = strings.ReplaceAll(err.Error(), "\n", "; ")
		return v
	}
	for _, x := range []float64{v.A, v.B} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			v.Why = "a side is no finite number"
			return v
		}
	}
	switch s.op {
	case token.GEQ:
		v.Holds = v.A >= v.B
	case token.LEQ:
		v.Holds = v.A <= v.B
	case token.GTR:
		v.Holds = v.A > v.B
	case token.LSS:
		v.Holds = v.A < v.B
	}
	return v
}

// lookup returns the values of a measure of a variant at a point of the grid, over the seeds.
type lookup func(variant string, grid []string, measure string) ([]float64, error)

func evaluate(x ast.Expr, of lookup) (float64, error) {
	switch x := x.(type) {
	case *ast.BasicLit:
		if x.Kind == token.INT || x.Kind == token.FLOAT {
			return strconv.ParseFloat(x.Value, 64)
		}
	case *ast.ParenExpr:
		return evaluate(x.X, of)
	case *ast.UnaryExpr:
		if v, err := evaluate(x.X, of); x.Op == token.SUB {
			return -v, err
		}
	case *ast.BinaryExpr:
		a, errA := evaluate(x.X, of)
		b, errB := evaluate(x.Y, of)
		if err := errors.Join(errA, errB); err != nil {
			return 0, err
		}
		switch x.Op {
		case token.ADD:
			return a + b, nil
		case token.SUB:
			return a - b, nil
		case token.MUL:
			return a * b, nil
		case token.QUO:
			return a / b, nil
		}
	case *ast.SelectorExpr:
		return over(x, of, func(s Spread) float64 { return s.Mean })
	case *ast.CallExpr:
		f, ok := x.Fun.(*ast.Ident)
		if !ok {
			break
		}
		switch f.Name {
		case "least", "most", "deviation":
			if len(x.Args) != 1 {
				return 0, fmt.Errorf("%s takes one measure", f.Name)
			}
			return over(x.Args[0], of, map[string]func(Spread) float64{
				"least": func(s Spread) float64 { return s.Least }, "most": func(s Spread) float64 { return s.Most }, "deviation": func(s Spread) float64 { return s.Deviation },
			}[f.Name])
		case "min", "max", "abs":
			var all []float64
			for _, arg := range x.Args {
				v, err := evaluate(arg, of)
				if err != nil {
					return 0, err
				}
				all = append(all, v)
			}
			switch {
			case f.Name == "abs" && len(all) == 1:
				return math.Abs(all[0]), nil
			case f.Name == "min" && len(all) > 0:
				return slices.Min(all), nil
			case f.Name == "max" && len(all) > 0:
				return slices.Max(all), nil
			}
		}
	}
	return 0, fmt.Errorf("cannot be computed, want numbers, variant.measure, + - * /, least, most, deviation, min, max and abs")
}

// over returns a figure of a measure over the seeds. One that some seed lacks is not known.
func over(x ast.Expr, of lookup, figure func(Spread) float64) (float64, error) {
	variant, grid, measure, err := reference(x)
	if err != nil {
		return 0, err
	}
	values, err := of(variant, grid, measure)
	if err != nil {
		return 0, err
	}
	s := spreadOf(values)
	if s.Lacking > 0 || s.Seeds == 0 {
		return 0, fmt.Errorf("%s of %s is not known for %d of %d seeds", measure, variant, s.Lacking, s.Lacking+s.Seeds)
	}
	return figure(s), nil
}

// reference reads variant.measure or variant[values].measure.
func reference(x ast.Expr) (variant string, grid []string, measure string, err error) {
	s, ok := x.(*ast.SelectorExpr)
	if !ok {
		return "", nil, "", errors.New("want variant.measure")
	}
	of := s.X
	var values []ast.Expr
	switch i := of.(type) {
	case *ast.IndexExpr:
		of, values = i.X, []ast.Expr{i.Index}
	case *ast.IndexListExpr:
		of, values = i.X, i.Indices
	}
	id, ok := of.(*ast.Ident)
	if !ok {
		return "", nil, "", errors.New("want the name of a variant before the measure")
	}
	for _, v := range values {
		sign := ""
		if u, ok := v.(*ast.UnaryExpr); ok && u.Op == token.SUB {
			sign, v = "-", u.X
		}
		switch v := v.(type) {
		case *ast.BasicLit:
			if text, err := strconv.Unquote(v.Value); err == nil {
				grid = append(grid, splitValues(text)...)
			} else {
				grid = append(grid, sign+v.Value)
			}
		case *ast.Ident:
			grid = append(grid, v.Name)
		default:
			return "", nil, "", errors.New("want values of the grid in brackets, all in quotes if one is neither a number nor a word")
		}
	}
	return id.Name, grid, s.Sel.Name, nil
}

// splitValues parts values of the grid at commas, though not within a list or a section.
func splitValues(text string) (values []string) {
	depth, from := 0, 0
	for i, c := range text {
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				values = append(values, strings.TrimSpace(text[from:i]))
				from = i + 1
			}
		}
	}
	return append(values, strings.TrimSpace(text[from:]))
}

// checkStatements returns what is wrong with statements, before anything is computed.
func (p *Part) checkStatements() error {
	var all []error
	for i := range p.Expect {
		s := &p.Expect[i]
		v := s.judge(func(variant string, grid []string, measure string) ([]float64, error) {
			if err := p.has(variant, grid, measure); err != nil {
				return nil, err
			}
			return []float64{1}, nil
		})
		if v.Why != "" {
			all = append(all, fmt.Errorf("line %d: expect %q: %s", s.line, s.text, v.Why))
		}
	}
	return errors.Join(all...)
}

// has returns an error if the part has no such cell, or there is no such measure.
func (p *Part) has(variant string, grid []string, measure string) error {
	if !slices.Contains(p.Variants.Keys, variant) {
		return fmt.Errorf("there is no variant %s, want one of %s", variant, strings.Join(p.Variants.Keys, ", "))
	}
	if _, ok := measures[measure]; !ok {
		return fmt.Errorf("%s is no measure, want one of %s", measure, strings.Join(measureNames(), ", "))
	}
	if strings.HasSuffix(measure, "_target") && len(p.Target) == 0 {
		return fmt.Errorf("%s needs a target", measure)
	}
	paths := p.told()
	if len(paths) == 0 && len(grid) > 0 {
		return fmt.Errorf("%s takes no values in brackets, want %s.%s: there is no grid that is not searched", variant, variant, measure)
	}
	if len(grid) != len(paths) {
		var some []string
		for _, path := range paths {
			values, _ := p.Grid.Get(path)
			some = append(some, value(&values[0]))
		}
		return fmt.Errorf("%s needs the values of %s in brackets, such as %s[%s].%s", variant, strings.Join(paths, ", "), variant, bracketed(some), measure)
	}
	for i, path := range paths {
		values, _ := p.Grid.Get(path)
		found := false
		var names []string
		for k := range values {
			names = append(names, value(&values[k]))
			found = found || value(&values[k]) == grid[i]
		}
		if !found {
			return fmt.Errorf("%s has no value %s, want one of %s", path, grid[i], strings.Join(names, ", "))
		}
	}
	return nil
}

// bracketed writes values as a statement has them in brackets.
func bracketed(values []string) string {
	text := strings.Join(values, ", ")
	for _, v := range values {
		if _, err := strconv.ParseFloat(v, 64); err != nil && !token.IsIdentifier(v) {
			return strconv.Quote(text)
		}
	}
	return text
}

// told returns the paths of the grid that results are told by: not that of a search.
func (p *Part) told() (paths []string) {
	for _, path := range p.Grid.Keys {
		if p.Best == nil || p.Best.Over != path {
			paths = append(paths, path)
		}
	}
	return paths
}
