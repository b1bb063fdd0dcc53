package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// memberOfStudy makes the key of a member, and returns its file and its line.
func memberOfStudy(t *testing.T, dir, name string) (key, line string) {
	t.Helper()
	key = filepath.Join(dir, name+".key")
	var out strings.Builder
	if code := Main(t.Context(), []string{"identity", "--key", key, "--name", name}, &out, &out); code != 0 {
		t.Fatalf("identity: exit code %d: %s", code, out.String())
	}
	return key, out.String()
}

// A study of members: they sign, and nobody else takes part, not even with another list.
func TestMembers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var keys []string
	var list, changed strings.Builder
	fmt.Fprintln(&list, "# members of the ward's study")
	for i := range 7 {
		key, line := memberOfStudy(t, dir, fmt.Sprintf("member%d", i))
		if i == 0 {
			again, _ := os.ReadFile(key)
			if _, same := memberOfStudy(t, dir, "member0"); same != line {
				t.Errorf("the key is made anew: %s, was %s", same, line)
			}
			if now, _ := os.ReadFile(key); string(now) != string(again) {
				t.Error("the file of the key is written again")
			}
		}
		keys = append(keys, key)
		list.WriteString(line)
		if i == 3 {
			_, line = memberOfStudy(t, dir, "stranger")
		}
		changed.WriteString(line)
	}
	members, other := filepath.Join(dir, "members.txt"), filepath.Join(dir, "changed.txt")
	for path, text := range map[string]string{members: list.String(), other: changed.String()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := ward(t, "softmax", wardClasses,
		"holdout: 0.2", "standardise: local", "epochs: 2, batch: 10, lr: 0.05, min_clients: 3", "epochs: 2, batch: 10, lr: 0.05",
		"stop: {rounds: 12}", "stop: {rounds: 3}\nevaluate: {on: none}\nprivacy: {aggregation: secure, min: 5, dropout: 0.2, members: "+members+"}")
	table := writeCSV(t, filepath.Join(dir, "rows.csv"), ',', wardRows(200, 1))

	s := serveTest(t, Config{Data: filepath.Join(dir, "db"), Tasks: []string{file}})
	url := "http://" + s.Addr()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no member":     {nil, "this task is for its members, who prove with a key who they are: run coordinator client --members FILE --identity FILE"},
		"changed list":  {[]string{"--identity", keys[0], "--members", other}, "somebody has changed one of them"},
		"larger sums":   {[]string{"--identity", keys[0], "--members", members, "--min", "7"}, "this member wants 7 and 0.2"},
		"more collude":  {[]string{"--identity", keys[0], "--members", members, "--corrupt", ".3"}, "this member wants 5 and 0.3"},
		"more noise":    {[]string{"--identity", keys[0], "--members", members, "--noise", "1"}, "a noise of 0 times what one participant changes, of which 0 is left without the shares of the 20 that may collude: this member wants 1"},
		"noise, no key": {[]string{"--noise", "1"}, "--noise is of a member"},
		"no such noise": {[]string{"--identity", keys[0], "--members", members, "--noise", "-1"}, "--noise is -1, want 0 to 1000"},
		"only limits":   {[]string{"--identity", keys[0], "--members", members, "--participations", "3"}, "want --noise beside it"},
		"not listed":    {[]string{"--identity", filepath.Join(dir, "stranger.key"), "--members", members}, "does not list the key of"},
		"no such key":   {[]string{"--identity", filepath.Join(dir, "nobody.key"), "--members", members}, "no such file"},
		"no key":        {[]string{"--identity", members, "--members", members}, "holds no private key, want a file that coordinator identity has made"},
		"key, no list":  {[]string{"--identity", keys[0]}, "want both --identity and --members, or neither"},
		"no such list":  {[]string{"--identity", keys[0], "--members", filepath.Join(dir, "nothing")}, "no such file"},
		"a broken list": {[]string{"--identity", keys[0], "--members", table}, "is no public key"},
	} {
		var out, errs strings.Builder
		if code := Main(t.Context(), append([]string{"client", "--url", url, "--data", table}, c.args...), &out, &errs); code == 0 || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit code %d: %s, want %q", name, code, errs.String(), c.want)
		}
	}
	var files [][]string
	for _, key := range keys {
		files = append(files, []string{"--data", table, "--identity", key, "--members", members})
	}
	outs, _ := clients(t, url, files...)
	if record, err := os.ReadFile(keys[0] + ".history"); err != nil || len(record) == 0 {
		t.Errorf("what a member has released: %d bytes, %v", len(record), err)
	}
	for i, out := range outs {
		if !strings.Contains(out, "the training is finished: 3 rounds done") {
			t.Errorf("client %d: %s", i, out)
		}
	}
}
