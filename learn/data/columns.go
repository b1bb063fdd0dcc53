package data

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// header sets the names of the columns, and reports whether the first row holds
// them.
func (c *csvReader) header(row []string, sample []byte) bool {
	present := c.cfg.Header == HeaderPresent
	c.unnamed = "header: absent is set"
	if c.cfg.Header == DetectHeader {
		i := value(row, firstRows(sample, c.cfg.Separator))
		if present = i < 0; !present {
			c.unnamed = fmt.Sprintf("no header was recognised, because line %d has %s in column %d (header: present takes that line for one)",
				c.line, clip(strings.TrimSpace(row[i])), i+1)
		}
	}
	if present {
		c.unnamed = ""
	}
	c.names = make([]string, len(row))
	for i, s := range row {
		if s = strings.Join(strings.Fields(s), " "); !present || s == "" { // spreadsheets break long names into lines
			s = strconv.Itoa(i + 1)
		}
		c.names[i] = s
	}
	return present
}

// value returns the first field of a table's first row that cannot be the name of
// a column: a number, or a mark of a missing value. It returns -1 if the row is a
// header. Fields may be empty, as pandas writes its index; then a text that its
// column has again in the first rows is a value too.
func value(row []string, rows [][]string) int {
	texts, empty := 0, 0
	for i, s := range row {
		s = strings.TrimSpace(s)
		_, point := parseNumber(s, '.')
		_, comma := parseNumber(s, ',')
		switch {
		case s == "":
			empty++
		case point || comma || missing(s):
			return i
		default:
			texts++
		}
	}
	if texts == 0 {
		return 0
	}
	if empty > 0 && len(rows) > 0 {
		for _, below := range rows[1:] {
			for i, s := range below[:min(len(below), len(row))] {
				if s = strings.TrimSpace(s); s != "" && s == strings.TrimSpace(row[i]) {
					return i
				}
			}
		}
	}
	return -1
}

// named checks the names of the columns.
func (c *csvReader) named() error {
	if n := len(c.names); n > c.cfg.Limits.Columns {
		return fmt.Errorf("data: %s:%d: %d columns, want at most %d: %w", c.name, c.line, n, c.cfg.Limits.Columns, ErrTooLarge)
	}
	c.at = make(map[string]int, len(c.names))
	for i, s := range c.names {
		if !utf8.ValidString(s) {
			return c.refuse("the name of column %d is %s, want text in UTF-8", i+1, clip(s))
		}
		if !ValidText(s) {
			return c.refuse("the name of column %d is %s, want at most %d bytes without control characters", i+1, clip(s), MaxText)
		}
		if j, twice := c.at[s]; twice {
			return c.refuse("columns %d and %d are both called %s, want different names", j+1, i+1, clip(s))
		}
		c.at[s] = i
	}
	return nil
}

// resolve finds the columns of the settings.
func (c *csvReader) resolve() error {
	if err := c.named(); err != nil {
		return err
	}
	c.columns = make([]column, len(c.names))
	find := func(name, what string, r role) (int, error) {
		i, ok := c.at[name]
		if !ok {
			k, err := strconv.Atoi(name)
			i = k - 1
			switch known := err == nil && k >= 1 && k <= len(c.names); {
			case !known && c.unnamed != "":
				return 0, fmt.Errorf("data: %s: there is no column %s for %s, want a number from 1 to %d: %s: %w",
					c.name, clip(name), what, len(c.names), c.unnamed, ErrFormat)
			case !known:
				return 0, fmt.Errorf("data: %s: there is no column %s for %s, want one of %s, or a number from 1 to %d: %w",
					c.name, clip(name), what, firstNames(c.names), len(c.names), ErrFormat)
			}
		}
		if c.columns[i].role != number {
			return 0, fmt.Errorf("data: %s: %s is given for %s and for another use, want one use: %w", c.name, c.column(i), what, ErrFormat)
		}
		c.columns[i].role = r
		return i, nil
	}
	var err error
	if c.target, err = find(c.cfg.Target, "the target", target); err != nil {
		return err
	}
	if !c.cfg.Values {
		if err = c.allow(c.target, c.cfg.Classes); err != nil {
			return err
		}
	}
	for _, name := range c.cfg.Ignore {
		if _, err := find(name, "ignore", ignored); err != nil {
			return err
		}
	}
	for _, cat := range c.cfg.Categorical {
		i, err := find(cat.Column, "categories", category)
		if err != nil {
			return err
		}
		if err := c.allow(i, cat.Values); err != nil {
			return err
		}
	}
	if c.cfg.Group != "" {
		if _, err := find(c.cfg.Group, "groups", group); err != nil {
			return err
		}
		c.groups = map[string]string{}
	}
	c.table = &Table{name: c.name, missing: c.cfg.Missing, Target: c.names[c.target]}
	for i, col := range c.columns {
		if col.role == number || col.role == category {
			c.table.Columns = append(c.table.Columns, Column{Name: c.names[i]})
		}
	}
	c.table.cells = newGrid(len(c.table.Columns))
	c.cells = make([]float64, 0, len(c.table.Columns))
	if len(c.table.Columns) == 0 {
		return fmt.Errorf("data: %s: no column is left beside the target %s (the separator is taken to be %q): %w",
			c.name, clip(c.table.Target), c.cfg.Separator, ErrFormat)
	}
	return nil
}

// allow makes column i hold texts: the given ones, or any if none is given.
func (c *csvReader) allow(i int, texts []string) error {
	if wrong := c.columns[i].allow(texts); wrong != "" {
		return fmt.Errorf("data: %s: %s is to hold %s: %w", c.name, c.column(i), wrong, ErrFormat)
	}
	return nil
}

// allow makes the column hold texts. It returns what is wrong with them.
func (col *column) allow(texts []string) (wrong string) {
	col.fixed = len(texts) > 0
	col.codes = map[string]int{}
	for _, s := range texts {
		if _, twice := col.codes[s]; twice {
			return clip(s) + " twice, want each value once"
		}
		col.codes[s] = len(col.texts)
		col.texts = append(col.texts, s)
	}
	if len(texts) > maxCategories {
		return fmt.Sprintf("%d values, want at most %d", len(texts), maxCategories)
	}
	return ""
}
