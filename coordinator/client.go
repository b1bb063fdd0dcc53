package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"fedtab/client"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/swarm"
	"fedtab/coordinator/task"
	"fedtab/learn/data"
	"fedtab/privacy/secagg"
	"fedtab/privacy/secagg/native"
	"fedtab/protocol/invite"

	"github.com/spf13/cobra"
)

func clientCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "client", Short: "take part with data of one's own, which stays in the process",
		Example: examples("coordinator client --url http://study.example/ --data rows.csv --map age=Alter"),
	}
	fs := c.Flags()
	url := fs.String("url", "", "address of the page, http(s)://HOST:PORT/, or of the WebSocket, ws(s)://HOST:PORT/ws")
	name := fs.String("task", "", "task to take part in; may be left out if only one takes data of participants")
	link := fs.String("invite", "", "`link` of an invite, or the code at its end, for a task that is joined by invite")
	in := ownFile{}
	fs.StringVar(&in.path, "data", "", "`file` with the examples, plain or compressed with gzip: a table as CSV, or images in the IDX format. It stays in this process: only sums and updates are sent. The process keeps nothing when it ends: started again, it is a new participant")
	fs.StringVar(&in.labels, "labels", "", "`file` with the labels of the images, in the IDX format; may be left out if they follow the images")
	written := dialectFlags(fs, "--data")
	fs.Var(&in.columns, "map", "`FIELD=COLUMN`: read a field of the task from this column of the file, by its name or its number from 1 (may be repeated)")
	fs.Var(&in.aliases, "alias", "`FIELD:TEXT=VALUE`: take a text in the file for a value of a category or class (may be repeated)")
	layout := fs.String("layout", "detect", "order of the pixels of images in colours: detect, last (red, green and blue of a pixel together) or first (red of all pixels, then green, then blue)")
	identity := fs.String("identity", "", "`file` of the key with which a member signs, in a task for members (coordinator identity makes one)")
	members := fs.String("members", "", "`file` with the list of members, from somebody else than the coordinator: a line for each, as coordinator identity prints it")
	least := client.Secure{}
	fs.IntVar(&least.Min, "min", task.DefaultMin, "with --members: take part only in sums of at least as many participants")
	fs.Float64Var(&least.Corrupt, "corrupt", task.DefaultCorrupt, "with --members: take part only where at least this share of the participants may collude with the coordinator")
	fs.Float64Var(&least.Noise, "noise", 0, "with --members: take part only where a sum has at least as much noise, without the shares of those who may collude, as a multiple of what one participant changes")
	fs.IntVar(&least.Participations, "participations", 0, "with --members and --noise: take part in at most as many sums, and only where the task promises it (0: any number)")
	fs.BoolVar(&in.skip, "skip-problems", false, "leave out the rows with problems")
	c.RunE = action(func(ctx context.Context, stdout, stderr io.Writer) error {
		_, err := swarm.SocketURL(*url)
		switch {
		case err != nil:
			return usageError("client: --url: " + err.Error())
		case in.path == "":
			return usageError("client: --data is missing, want a file with the examples")
		case (*identity == "") != (*members == ""):
			return usageError("client: want both --identity and --members, or neither")
		}
		if err := limits(least, *members != ""); err != nil {
			return err
		}
		var known bool
		in.layout, known = map[string]data.Layout{"detect": data.DetectLayout, "last": data.ChannelsLast, "first": data.ChannelsFirst}[*layout]
		if !known {
			return usageError(fmt.Sprintf("client: --layout is %q, want detect, last or first", *layout))
		}
		if in.CSV, err = written.read("client"); err != nil {
			return err
		}
		secure, err := memberOf(*identity, *members, least)
		if err != nil {
			return err
		}
		log := newLog(stderr, slog.LevelInfo)
		t, err := swarm.OwnTask(ctx, *url, *name, log)
		var several *swarm.SeveralTasksError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &several):
			return fmt.Errorf("%w: choose one with --task", err)
		case err != nil:
			return fmt.Errorf("--url %s: %w", *url, err)
		}
		in.schema, in.out = t.Data.Own, stderr
		own, err := in.read(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		fmt.Fprintf(stderr, "task %s: %s\n", t.Name, t.Title)
		fmt.Fprintf(stderr, "%d examples to train on, %d held out to evaluate on\n", own.Trained(), own.Len()-own.Trained())
		if s := t.Survey; s != nil && s.Ready+1 < s.Fewest {
			fmt.Fprintf(stderr, "the run waits for %d participants, %d of them are here\n", s.Fewest, s.Ready+1)
		}
		code := invite.Code(*link)
		if code == "" && *identity != "" {
			key, err := readIdentity(*identity)
			if err != nil {
				return err
			}
			code = task.MemberCode(t.Name, key) // which a task without limits on persons ignores
		}
		end, err := swarm.Owner{URL: *url, Task: t, Invite: code, Data: own, Log: log, Secure: secure}.Run(ctx)
		fmt.Fprintf(stdout, "%d contributions accepted, %d rejected\n", end.Accepted, end.Rejected)
		if err == nil && end.Finished == "" {
			fmt.Fprintln(stdout, "left the run, which goes on")
		} else if err == nil {
			fmt.Fprintf(stdout, "the training is finished: %s\n", end.Finished)
		}
		if end.Evaluated != nil {
			fmt.Fprintln(stdout, onHoldout(in.schema, end.Evaluated, end.Constants))
		}
		return err
	})
	return c
}

// limits checks what a member wants of the terms.
func limits(least client.Secure, member bool) error {
	switch {
	case !(least.Noise >= 0 && least.Noise <= task.MaxNoise):
		return usageError(fmt.Sprintf("client: --noise is %g, want 0 to %d", least.Noise, task.MaxNoise))
	case least.Participations < 0:
		return usageError(fmt.Sprintf("client: --participations is %d, want at least 1 (0: any number)", least.Participations))
	case least.Noise > 0 && !member:
		return usageError("client: --noise is of a member: want --members and --identity beside it")
	case least.Participations > 0 && least.Noise == 0:
		return usageError("client: --participations is of sums with noise: want --noise beside it")
	}
	return nil
}

// memberOf returns the secure aggregation of a member: the owner of a key, among those of a
// list; nil without them.
func memberOf(identity, members string, least client.Secure) (*client.Secure, error) {
	if identity == "" {
		return nil, nil
	}
	key, err := readIdentity(identity)
	if err != nil {
		return nil, err
	}
	all, err := task.ReadMembers(members)
	if err != nil {
		return nil, fmt.Errorf("--members: %w", err)
	}
	public := secagg.Key(key.Public().(ed25519.PublicKey))
	i := slices.Index(all, public)
	if i < 0 {
		return nil, fmt.Errorf("--members: %s does not list the key of %s: %s", members, identity, task.MemberLine(public))
	}
	history := identity + ".history"
	least.Primitives, least.Members, least.Member = native.Primitives{Identity: key}, all, i
	least.Persist = func(record []byte) error { return writeDurably(history, record) }
	if least.History, err = os.ReadFile(history); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("--identity: what this member has released: %w", err)
	}
	return &least, nil
}

// writeDurably replaces the content of a file: after a crash it has the old one or the new.
func writeDurably(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// onHoldout says what a version does on the participant's holdout.
func onHoldout(s *data.Schema, e *client.Evaluation, c *data.Constants) string {
	of := fmt.Sprintf("version %d on the %d examples held out here: ", e.Version, e.Examples)
	if s.Classes() != nil {
		f := e.Figures()
		return of + fmt.Sprintf("accuracy %.2f%% (%d right), balanced accuracy %.2f%%", 100*f.Accuracy, e.Correct, 100*f.BalancedAccuracy)
	}
	m := e.Metrics
	if n := len(c.Deviation); n > 0 && c.Deviation[n-1] > 0 { // the target's come last
		m = m.InUnits(c.Mean[n-1], c.Deviation[n-1])
	}
	f := m.Figures()
	of += fmt.Sprintf("RMSE %.6g, MAE %.6g", f.RMSE, f.MAE)
	if !math.IsNaN(f.R2) {
		of += fmt.Sprintf(", R2 %.4f", f.R2)
	}
	return of
}

// ownFile is a file with a participant's examples, and how it is to be read.
type ownFile struct {
	path, labels string
	data.CSV
	columns, aliases list
	layout           data.Layout
	skip             bool

	schema *data.Schema
	out    io.Writer // what was understood
}

// read reads the examples and writes what was understood. The holdout is drawn from a
// hash of the file, so that the same file has the same in a later run of the program.
func (f *ownFile) read(ctx context.Context) (*data.Own, error) {
	if f.schema.Images != nil {
		return f.readImages()
	}
	if f.labels != "" {
		return nil, errors.New("--labels: the task wants a table, in which the labels are a column")
	}
	how, err := f.plan()
	if err != nil {
		return nil, err
	}
	in, err := dataset.OpenFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	defer in.Close()
	how.Progress = func(int64, int) error { return ctx.Err() }
	sum := sha256.New()
	rows, err := data.ReadOwn(io.TeeReader(in, sum), filepath.Base(f.path), f.schema, how)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	f.tell(rows)
	own, err := rows.Own(seedOf(sum), f.skip)
	if err != nil && rows.Question != nil {
		return nil, fmt.Errorf("--data: %w (--decimal point or --decimal comma answers it)", err)
	} else if err != nil && rows.Rejected > 0 && !f.skip && !shifted(rows.Offers) {
		return nil, fmt.Errorf("--data: %w (--skip-problems leaves them out)", err)
	} else if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	return own, nil
}

// shifted reports whether the values of a field count from another number: rows that are
// left out do not answer that.
func shifted(offers []data.Offer) bool {
	return slices.ContainsFunc(offers, func(o data.Offer) bool { return o.Shifted != "" })
}

// labelField is the field of the labels of images, for --alias.
const labelField = "label"

// readImages reads images from IDX files.
func (f *ownFile) readImages() (*data.Own, error) {
	if len(f.columns) > 0 {
		return nil, errors.New("--map: the task wants images, which have no columns")
	}
	aliases, err := f.texts([]*data.Field{{Name: labelField, Type: data.CategoryField, Values: f.schema.Images.Classes}})
	if err != nil {
		return nil, err
	}
	how := data.OwnIDX{Layout: f.layout, Aliases: aliases[labelField]}
	images, err := dataset.OpenFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	defer images.Close()
	sum := sha256.New()
	if f.labels != "" {
		labels, err := dataset.OpenFile(f.labels)
		if err != nil {
			return nil, fmt.Errorf("--labels: %w", err)
		}
		defer labels.Close()
		how.Labels = io.TeeReader(labels, sum)
	}
	got, err := data.ReadOwnIDX(io.TeeReader(images, sum), filepath.Base(f.path), f.schema, how)
	var refusal *data.Refusal
	if err != nil && f.labels == "" && errors.As(err, &refusal) {
		return nil, fmt.Errorf("--data: %w (--labels names the file of the labels)", err)
	} else if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	fmt.Fprintf(f.out, "%s: %d images with a class, %d without\n", f.path, got.Len(), got.Rejected)
	f.notes(got.Notes, got.Offers)
	own, err := got.Own(seedOf(sum), f.skip)
	switch {
	case err == nil:
		return own, nil
	case got.Likely != data.DetectLayout:
		return nil, fmt.Errorf("--data: %w (--layout first or --layout last says it)", err)
	case got.Rejected > 0 && !f.skip && !shifted(got.Offers):
		return nil, fmt.Errorf("--data: %w (--skip-problems leaves them out)", err)
	}
	return nil, fmt.Errorf("--data: %w", err)
}

// seedOf returns the seed of a holdout from a hash of the data.
func seedOf(sum hash.Hash) uint64 { return binary.LittleEndian.Uint64(sum.Sum(nil)) }

// plan looks at the beginning of the table and settles how it is read.
func (f *ownFile) plan() (data.OwnCSV, error) {
	how := data.OwnCSV{Separator: f.Separator, Decimal: f.Decimal, Header: f.Header}
	p, err := f.preview(how)
	if err != nil {
		return how, err
	}
	if how.Columns, err = f.mapping(p.Names); err != nil {
		return how, err
	}
	if how.Aliases, err = f.texts(f.fields()); err != nil {
		return how, err
	}
	if p, err = f.preview(how); err != nil {
		return how, err
	}
	fmt.Fprintf(f.out, "%s: %s, separator %q, decimal %s\n", f.path, p.Encoding, p.Separator, map[rune]string{'.': "point", ',': "comma"}[p.Decimal])
	var lost []string
	for _, c := range p.Found {
		if c.Column < 0 {
			fmt.Fprintf(f.out, "  %s: none\n", c.Field)
			lost = append(lost, c.Why)
			continue
		}
		how := map[data.Match]string{data.BySimilar: ", a similar name", data.ByOrder: ", by the order of the columns", data.ByHand: ", by --map"}[c.By]
		fmt.Fprintf(f.out, "  %s: column %d, %s%s\n", c.Field, c.Column+1, p.Names[c.Column], how)
	}
	if lost != nil {
		return how, fmt.Errorf("--data: %s does not have all columns of the task: %s, with --map FIELD=COLUMN. Its columns are %s",
			filepath.Base(f.path), strings.Join(lost, "; "), numbered(p.Names))
	}
	return how, nil
}

func (f *ownFile) preview(how data.OwnCSV) (*data.Preview, error) {
	in, err := dataset.OpenFile(f.path)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	defer in.Close()
	p, err := data.PreviewOwn(in, filepath.Base(f.path), f.schema, how)
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	return p, nil
}

// fields returns the features and the label of the task.
func (f *ownFile) fields() []*data.Field {
	var all []*data.Field
	for i := range f.schema.Table.Features {
		all = append(all, &f.schema.Table.Features[i])
	}
	return append(all, &f.schema.Table.Label)
}

// field returns the field that an argument begins with, and what follows it and a sign.
func field(fields []*data.Field, flag, arg, sign string) (*data.Field, string, error) {
	var names []string
	for _, of := range fields {
		if rest, ok := strings.CutPrefix(arg, of.Name+sign); ok {
			return of, rest, nil
		}
		names = append(names, of.Name)
	}
	return nil, "", fmt.Errorf("--%s %s: no field of the task before %q, want one of %s", flag, arg, sign, strings.Join(names, ", "))
}

// mapping returns the columns that --map chooses among those of the file.
func (f *ownFile) mapping(names []string) (map[string]int, error) {
	chosen, taken := map[string]int{}, map[int]string{}
	for _, arg := range f.columns {
		of, column, err := field(f.fields(), "map", arg, "=")
		if err != nil {
			return nil, err
		}
		i := slices.Index(names, column)
		if n, err := strconv.Atoi(column); i < 0 && err == nil && n >= 1 && n <= len(names) {
			i = n - 1
		} else if i >= 0 && slices.Contains(names[i+1:], column) {
			return nil, fmt.Errorf("--map %s: several columns are called %s, want the number of one: %s", arg, column, numbered(names))
		}
		if i < 0 {
			return nil, fmt.Errorf("--map %s: there is no column %s, want one of %s", arg, column, numbered(names))
		}
		if other, twice := taken[i]; twice {
			return nil, fmt.Errorf("--map %s: column %s is read for %s already, want each once", arg, column, other)
		}
		chosen[of.Name], taken[i] = i, of.Name
	}
	return chosen, nil
}

// texts returns the values that --alias gives to texts.
func (f *ownFile) texts(fields []*data.Field) (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	for _, arg := range f.aliases {
		of, rest, err := field(fields, "alias", arg, ":")
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(of.Values, func(v string) bool { return strings.HasSuffix(rest, "="+v) })
		if i < 0 {
			want := "one of " + strings.Join(of.Values, ", ")
			if of.Type == data.NumberField {
				want = "the field of a category"
			}
			return nil, fmt.Errorf("--alias %s: no value of %s after the sign =, want %s", arg, of.Name, want)
		}
		if all[of.Name] == nil {
			all[of.Name] = map[string]string{}
		}
		all[of.Name][strings.TrimSuffix(rest, "="+of.Values[i])] = of.Values[i]
	}
	return all, nil
}

// numbered lists columns with their numbers.
func numbered(names []string) string {
	const most = 50
	var b strings.Builder
	for i, name := range names[:min(len(names), most)] {
		fmt.Fprintf(&b, "%s%d %s", map[bool]string{true: "", false: ", "}[i == 0], i+1, name)
	}
	if n := len(names) - most; n > 0 {
		fmt.Fprintf(&b, " and %d more", n)
	}
	return b.String()
}

// shownProblems is how many problems are written.
const shownProblems = 100

// tell writes what was understood of all rows.
func (f *ownFile) tell(rows *data.OwnRows) {
	fmt.Fprintf(f.out, "%d rows without problems, %d with\n", rows.Len(), rows.Rejected)
	for _, p := range rows.Problems[:min(len(rows.Problems), shownProblems)] {
		fmt.Fprintf(f.out, "  %v\n", p)
	}
	if n := rows.Count - shownProblems; n > 0 {
		fmt.Fprintf(f.out, "  and %d more\n", n)
	}
	f.notes(rows.Notes, rows.Offers)
}

// notes writes notes, and what texts without a value can stand for.
func (f *ownFile) notes(notes []string, offers []data.Offer) {
	for _, note := range notes {
		fmt.Fprintf(f.out, "note: %s\n", note)
	}
	for _, o := range offers {
		for _, text := range o.Texts {
			to, ok := o.Suggested[text.Text]
			if !ok {
				to = "VALUE"
			}
			fmt.Fprintf(f.out, "%q in %d rows: no value of %s; if it is one in other words: --alias %s\n", text.Text, text.Rows, o.Field, strconv.Quote(o.Field+":"+text.Text+"="+to))
		}
		if o.Shifted == "" {
			continue
		}
		fmt.Fprintf(f.out, "%s. If that is so:", o.Shifted)
		for _, text := range slices.Sorted(maps.Keys(o.Suggested)) {
			fmt.Fprintf(f.out, " --alias %s", strconv.Quote(o.Field+":"+text+"="+o.Suggested[text]))
		}
		fmt.Fprintf(f.out, "; if not: --alias %s\n", strconv.Quote(o.Field+":"+o.Values[0]+"="+o.Values[0]))
	}
}
