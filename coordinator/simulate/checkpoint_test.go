package simulate

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fedtab/coordinator/dataset"
	"fedtab/coordinator/task"
)

// interruptions are simulations whose interruption is tested, beside small: those in which
// clients come and go, bring their own data, have adversaries among them or a drift.
var interruptions = []struct {
	name string
	sets []string
}{
	{"anes96", []string{"stop.rounds=8", "data.validation=0.2", "devices={availability: .5, session: 1s, speed: 100, speed_spread: .5}", "strategy.deadline=10s"}},
	{"own-vote", []string{"stop.rounds=4"}},
	{"anes96", []string{"stop.rounds=4", "adversaries={kind: little-is-enough, fraction: .2}"}},
	{"mnist-periodic", []string{"model.hidden=[]", "stop.rounds=3", "adversaries={kind: backdoor, fraction: .2}"}},
	{"mnist-dynamic", []string{"model.hidden=[]", "strategy.delta=.05", "stop.rounds=", "stop.steps=120", "eval_every=2", "data.drift=60",
		"devices={availability: .8, session: 10s, speed: 100}", "adversaries={kind: sign-flip, fraction: .1}"}},
	{"mnist-fedbuff", []string{"model.hidden=[]", "data.partition.clients=20", "strategy.fraction=.5", "stop.rounds=8", "devices={availability: .7, session: 5s, speed: 100}"}},
}

// A simulation that is interrupted again and again, of every strategy, has the result and the
// ledger of one that is not, byte for byte.
func TestResume(t *testing.T) {
	for _, test := range append(small[:len(small):len(small)], interruptions...) {
		t.Run(test.name, func(t *testing.T) {
			want, wantRows := resumed(t, test.name, test.sets, false)
			got, rows := resumed(t, test.name, test.sets, true)
			if !bytes.Equal(got, want) {
				t.Error("interrupted, it has another result")
			}
			if !bytes.Equal(rows, wantRows) {
				t.Error("interrupted, it has another ledger")
			}
		})
	}
}

// resumed returns the result and the ledger of a simulation. If it is to be interrupted, it
// is so after 1, 2, 4, ... rounds or checks more than before.
func resumed(t *testing.T, name string, sets []string, interrupt bool) (result, ledger []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "resume")
	for left := 1; ; left *= 2 {
		tk, d := open(t, name, sets...)
		if err := d.Divide(tk); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		made := 0
		count := func() {
			if made++; interrupt && made == left {
				stop()
			}
		}
		var rows bytes.Buffer
		o := Options{Ledger: &rows, OnCheck: func(Check) { count() }, OnRound: func(_ Round, w Timing) {
			if !w.Redone {
				count()
			}
		}}
		if interrupt {
			o.Checkpoint = reopen(t, path, Origin{Settings: tk.Settings(), Data: d.Hash})
		}
		res, err := Run(ctx, tk, d, o)
		if interrupt {
			o.Checkpoint.Close()
		}
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			continue
		}
		if err != nil || !res.Complete {
			t.Fatalf("%v, want a complete result", err)
		}
		var b bytes.Buffer
		if err := res.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes(), rows.Bytes()
	}
}

// reopen opens a checkpoint, or begins one.
func reopen(t *testing.T, path string, o Origin) *Checkpoint {
	t.Helper()
	c, err := OpenCheckpoint(path, o)
	if errors.Is(err, ErrNoCheckpoint) {
		c, err = NewCheckpoint(path, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.Warn = func(err error) { t.Error(err) }
	return c
}

// interrupted returns the path of a checkpoint after some rounds of a task, and what belongs
// to it.
func interrupted(t *testing.T, rounds int, sets ...string) (string, *task.Task, *dataset.Dataset, Origin) {
	t.Helper()
	tk, d := open(t, "anes96", sets...)
	o := Origin{Program: "p", Settings: tk.Settings(), Data: d.Hash}
	path := filepath.Join(t.TempDir(), "resume")
	c := reopen(t, path, o)
	defer c.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	_, err := Run(ctx, tk, d, Options{Checkpoint: c, OnRound: func(r Round, _ Timing) {
		if int(r.Round) == rounds {
			stop()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return path, tk, d, o
}

// What was not committed is lost, and made again.
func TestResumeLosesLittle(t *testing.T) {
	want := simulate(t, "anes96", "stop.rounds=6")
	tk, d := open(t, "anes96", "stop.rounds=6")
	o := Origin{Settings: tk.Settings()}
	path := filepath.Join(t.TempDir(), "resume")
	c := reopen(t, path, o)
	c.Every = time.Nanosecond
	copied := path + ".copy"
	if _, err := Run(t.Context(), tk, d, Options{Checkpoint: c, OnRound: func(r Round, _ Timing) {
		if r.Round == 4 { // as a killed process leaves it, in the middle of a transaction
			for _, suffix := range []string{"", "-journal"} {
				if b, err := os.ReadFile(path + suffix); err == nil {
					os.WriteFile(copied+suffix, b, 0o600)
				}
			}
		}
	}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Remove: %v, want no file", err)
	}
	c = reopen(t, copied, o)
	defer c.Close()
	if c.Rounds() < 2 || c.Rounds() > 4 {
		t.Errorf("%d rounds are kept, want 2 to 4", c.Rounds())
	}
	redone := 0
	got, err := Run(t.Context(), tk, d, Options{Checkpoint: c, OnRound: func(_ Round, w Timing) {
		if w.Redone {
			redone++
		}
	}})
	if err != nil || got.ModelSHA256 != want.ModelSHA256 || redone < 2 {
		t.Errorf("%v, %d rounds are redone; want the result of the whole run", err, redone)
	}
}

// What cannot be gone on with is refused, and says what would be right.
func TestCheckpointRefused(t *testing.T) {
	path, _, _, o := interrupted(t, 3, "stop.rounds=6")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change := func(query string) func(string) {
		return func(path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(query); err != nil {
				t.Fatal(err)
			}
		}
	}
	settings := func(sets ...string) Origin {
		tk, _ := open(t, "anes96", sets...)
		return Origin{Program: "p", Settings: tk.Settings(), Data: o.Data}
	}
	for _, test := range []struct {
		name   string
		origin Origin
		damage func(path string)
		is     error
		says   string
	}{
		{"none", o, func(path string) { os.Remove(path) }, ErrNoCheckpoint, "no such file"},
		{"empty", o, func(path string) { os.Truncate(path, 0) }, ErrNoCheckpoint, "before its first checkpoint"},
		{"other settings", settings("stop.rounds=6", "strategy.lr=.2"), nil, ErrCheckpoint, "strategy.lr is 0.2, was 0.05"},
		{"other data", Origin{"p", o.Settings, [32]byte{1}}, nil, ErrCheckpoint, "the content of the data has changed"},
		{"another program", Origin{"q", o.Settings, o.Data}, nil, ErrCheckpoint, "the program is q, was p"},
		{"another format", o, change("PRAGMA user_version = 7"), ErrCheckpoint, "has format 7, want 1"},
		{"another database", o, change("PRAGMA application_id = 7"), ErrCheckpoint, "belongs to another program"},
		{"cut off", o, func(path string) { os.Truncate(path, int64(len(good)/2)) }, ErrCheckpoint, "remove it and begin anew"},
		{"a text", o, func(path string) { os.WriteFile(path, []byte(strings.Repeat("text", 1000)), 0o600) }, ErrCheckpoint, "cannot be read"},
		{"a call is missing", o, change("DELETE FROM calls WHERE client = 0 AND number = 0"), ErrCheckpoint, "calls of client 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "resume")
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
			if test.damage != nil {
				test.damage(path)
			}
			was, _ := os.ReadFile(path)
			if _, err := OpenCheckpoint(path, test.origin); !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want %v that says %q", err, test.is, test.says)
			}
			if is, _ := os.ReadFile(path); !bytes.Equal(is, was) {
				t.Error("the file was changed")
			}
		})
	}
	t.Run("in use", func(t *testing.T) {
		c := reopen(t, path, o)
		defer c.Close()
		for _, open := range []func(string, Origin) (*Checkpoint, error){OpenCheckpoint, NewCheckpoint} {
			if _, err := open(path, o); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "in use by another simulation") {
				t.Errorf("error %v, want one that says that it is in use", err)
			}
		}
	})
}

// A checkpoint that a new simulation replaces stays until that has one of its own; another
// file is not replaced.
func TestNewCheckpoint(t *testing.T) {
	path, _, _, o := interrupted(t, 3, "stop.rounds=6")
	c, err := NewCheckpoint(path, Origin{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil { // before its first commit
		t.Fatal(err)
	}
	if c = reopen(t, path, o); c.Rounds() != 3 {
		t.Errorf("%d rounds, want the 3 of the earlier simulation", c.Rounds())
	}
	c.Close()
	fresh := filepath.Join(t.TempDir(), "fresh")
	if c, err = NewCheckpoint(fresh, o); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := os.Stat(fresh); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v, want no file without a commit", err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewCheckpoint(text, o); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("error %v, want ErrCheckpoint", err)
	}
}

// A record that leads to another version than was made, as other data would, ends the
// simulation with an error.
func TestCheckpointOfAnother(t *testing.T) {
	for _, damage := range []string{
		"UPDATE calls SET done = (SELECT done FROM calls WHERE client = 2 AND number = 0) WHERE client = 1 AND number = 0", // another's answer
		"UPDATE calls SET done = x'00' WHERE client = 1 AND number = 0",
		"UPDATE calls SET done = x'00' WHERE client = 0 AND number = 0",
		"UPDATE vectors SET vectors = x'05'",
	} {
		path, tk, d, o := interrupted(t, 3, "stop.rounds=6", "strategy.fraction=1")
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(damage); err != nil {
			t.Fatal(err)
		}
		db.Close()
		c := reopen(t, path, o)
		defer c.Close()
		if _, err := Run(t.Context(), tk, d, Options{Checkpoint: c}); !errors.Is(err, ErrCheckpoint) || !strings.Contains(err.Error(), "does not fit this simulation") {
			t.Errorf("%s: error %v, want ErrCheckpoint", damage, err)
		}
	}
}

// A simulation whose checkpoint cannot be written any more says so once, and goes on.
func TestCheckpointNotWritten(t *testing.T) {
	tk, d := open(t, "anes96", "stop.rounds=4")
	c := reopen(t, filepath.Join(t.TempDir(), "resume"), Origin{})
	var warnings []error
	c.Warn = func(err error) { warnings = append(warnings, err) }
	c.Every = time.Nanosecond
	if _, err := c.db.Exec("DROP TABLE vectors"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	res, err := Run(t.Context(), tk, d, Options{Checkpoint: c})
	if err != nil || !res.Complete || len(warnings) != 1 {
		t.Errorf("%v, warnings %v; want one warning and a complete result", err, warnings)
	}
}

// A checkpoint that is large enough is left as it is: a simulation goes on from there.
func TestCheckpointLarge(t *testing.T) {
	want := simulate(t, "anes96", "stop.rounds=6")
	tk, d := open(t, "anes96", "stop.rounds=6")
	path := filepath.Join(t.TempDir(), "resume")
	for _, least := range []int{0, 2} { // rounds that are taken from the file
		c := reopen(t, path, Origin{})
		var warnings []error
		c.Warn = func(err error) { warnings = append(warnings, err) }
		c.Every = time.Nanosecond
		redone := 0
		res, err := Run(t.Context(), tk, d, Options{Checkpoint: c, OnRound: func(r Round, w Timing) {
			if w.Redone {
				redone++
			}
			if r.Round == 3 {
				c.Most = 1
			}
		}})
		if err != nil || res.ModelSHA256 != want.ModelSHA256 {
			t.Errorf("%v; want the result of a simulation without a checkpoint", err)
		}
		if len(warnings) != 1 || !errors.Is(warnings[0], ErrLarge) {
			t.Errorf("warnings %v, want one that the file is large enough", warnings)
		}
		if redone < least || redone > 5 {
			t.Errorf("%d rounds are redone, want %d to 5", redone, least)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
