package dataset

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"fedtab/learn/data"
)

// shownClients and shownClasses bound the table that Describe writes: 26 classes
// are the letters of the alphabet. Of more clients it shows the first ones.
const (
	shownClients = 200
	shownClasses = 26
	firstClients = 20
)

// Describe writes what the data is and how it is divided among the clients of a
// simulation: the distribution of sizes and classes, and a line per client.
func (d *Dataset) Describe(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", d.Summary)
	if e := d.Encoding(); e != nil {
		fmt.Fprintf(&b, "features: %s\n", few(e.Features()))
	}
	if len(d.Classes) > 0 {
		fmt.Fprintf(&b, "classes: %s\n", few(d.Classes))
	}
	for _, note := range d.Notes {
		fmt.Fprintf(&b, "%s\n", note)
	}
	if len(d.Shards) > 0 { // own data need not be there
		labels := d.labels
		if d.Train != nil {
			labels = d.Train.Y
		}
		var counts [][]int
		if labels != nil {
			counts = data.Statistics(d.Shards, labels, d.Labels())
		}
		b.WriteString(skew(data.MeasureSkew(d.Shards, counts), d.Labels()))
		d.table(&b, counts)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func skew(s data.Skew, classes int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d clients: %d to %d examples, median %s", s.Clients, s.SmallestSize, s.LargestSize, strconv.FormatFloat(s.MedianSize, 'f', -1, 64))
	if s.SmallestSize != s.LargestSize {
		fmt.Fprintf(&b, " (as uneven as %.1f clients of equal size)", s.EffectiveClients)
	}
	b.WriteString("\n")
	if classes > 0 {
		fmt.Fprintf(&b, "%d to %d of %d classes per client, %.1f on average\n", s.FewestClasses, s.MostClasses, classes, s.MeanClasses)
		fmt.Fprintf(&b, "distance of a client's classes from all examples' (total variation, 0 to 1): %.3f on average, %.3f at most\n", s.MeanVariation, s.LargestVariation)
	}
	return b.String()
}

// table writes a line per client: its number of examples, also by class if there are
// at most shownClasses.
func (d *Dataset) table(b *strings.Builder, counts [][]int) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(tw, "client\texamples\t")
	columns := d.Labels()
	if columns > shownClasses {
		columns = 0
	}
	for c := range columns {
		name := strconv.Itoa(c)
		if c < len(d.Classes) {
			name = d.Classes[c]
		}
		fmt.Fprintf(tw, "%s\t", short(name))
	}
	if counts != nil {
		fmt.Fprint(tw, "distance\t")
	}
	fmt.Fprintln(tw)
	all := make([]int, d.Labels())
	for _, of := range counts {
		for c, n := range of {
			all[c] += n
		}
	}
	shown := d.Shards
	if len(shown) > shownClients {
		shown = shown[:firstClients]
	}
	for k, shard := range shown {
		fmt.Fprintf(tw, "%d\t%d\t", k, len(shard))
		for c := range columns {
			fmt.Fprintf(tw, "%d\t", counts[k][c])
		}
		if counts != nil {
			fmt.Fprintf(tw, "%.3f\t", data.Variation(counts[k], all))
		}
		fmt.Fprintln(tw)
	}
	tw.Flush() // writes to memory: cannot fail
	if more := len(d.Shards) - len(shown); more > 0 {
		fmt.Fprintf(b, "and %d more clients\n", more)
	}
}

// few returns the first names and the number of the others.
func few(names []string) string {
	const maxNames = 40
	var shown []string
	for _, s := range names[:min(len(names), maxNames)] {
		shown = append(shown, short(s))
	}
	s := strings.Join(shown, ", ")
	if len(names) > maxNames {
		s += fmt.Sprintf(" and %d more", len(names)-maxNames)
	}
	return s
}

// short returns s, cut if it is long and quoted if it has characters that cannot be
// printed: names come from files.
func short(s string) string {
	const maxRunes = 24
	clipped := []rune(s)
	if len(clipped) > maxRunes {
		s = string(clipped[:maxRunes]) + "..."
	}
	if q := strconv.QuoteToGraphic(s); q != `"`+s+`"` {
		return q
	}
	return s
}
