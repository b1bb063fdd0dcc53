package main

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"fedtab/coordinator/swarm"
	"fedtab/learn/data"
	"fedtab/protocol"
	"fedtab/tasks"
)

// notServed are the tasks that ship and are refused, and why.
var notServed = map[string]string{
	"mnist-central":   "want a scheme of several participants",
	"mnist-dp":        `want "own" beside privacy.noise`,
	"mnist-secure-dp": `want "own" beside privacy.noise`,
}

// No honest participant is closed for what it does in any task that ships, however fast
// its rounds are.
func TestHonestAreNotClosed(t *testing.T) {
	files, err := fs.Glob(tasks.Files, "*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("tasks: %v (%v)", files, err)
	}
	over := 10 * time.Second
	if testing.Short() {
		over = 2 * time.Second
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Chdir("..") // to which the path of csv is relative
			if why := notServed[name]; why != "" {
				if _, err := NewServer(Config{Data: t.TempDir(), Tasks: []string{name}, Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), why) {
					t.Errorf("got %v, want an error with %q", err, why)
				}
				return
			}
			if name == "fashion-mnist-2nn" {
				if _, err := os.Stat("/usr/share/datasets/fashion-mnist"); err != nil {
					t.Skip("mnist-2nn with the data of a Debian package that is not installed")
				}
			}
			s := serveTest(t, Config{Tasks: []string{name}, Log: slog.New(slog.DiscardHandler)})
			limit, slow := time.Minute, name == "mnist-cnn" // whose rounds take minutes for 12 clients on few cores
			if slow {
				limit = over
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began := time.Now()
			totals, err := swarm.Run(ctx, swarm.Options{URL: s.socket(), Task: name, Clients: 12, Own: anyOwn(t, s.studies()[0].Data.Own, 12), OnMessage: func(_ int, m protocol.Message, _ bool) {
				if a, ok := m.(*protocol.Ack); ok && a.Reason == protocol.ReasonAccepted && time.Since(began) > over {
					cancel()
				}
			}})
			if err != nil || totals.Accepted == 0 && !slow || totals.Rejected > 0 {
				t.Errorf("%d contributions accepted, %d rejected, %v", totals.Accepted, totals.Rejected, err)
			}
			for code, n := range s.hub.Counts().Closed {
				if code != protocol.CloseNormal && code != protocol.CloseFinished && n > 0 {
					t.Errorf("%d sessions closed: %v", n, code)
				}
			}
			t.Logf("%d contributions accepted, %d reconnections", totals.Accepted, totals.Reconnects)
		})
	}
}

// anyOwn makes own data under a schema for a number of participants, of random values; nil
// without a schema.
func anyOwn(t *testing.T, s *data.Schema, participants int) (all []*data.Own) {
	t.Helper()
	if s == nil {
		return nil
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range participants {
		n := s.Min + 10*i
		if im := s.Images; im != nil {
			pixels := data.Array{Dims: append([]int{n}, s.Shape()...), Data: make([]uint8, n*im.Width*im.Height*im.Channels)}
			labels := data.Array{Dims: []int{n}, Data: make([]uint8, n)}
			for k := range pixels.Data {
				pixels.Data[k] = uint8(r.Uint32())
			}
			for k := range labels.Data {
				labels.Data[k] = uint8(k % len(im.Classes))
			}
			set, err := data.NewSet(pixels, labels, len(im.Classes))
			if err != nil {
				t.Fatal(err)
			}
			o, err := data.NewOwnImages(s, set, uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, o)
			continue
		}
		fields := append(slices.Clone(s.Table.Features), s.Table.Label)
		var text strings.Builder
		for k, f := range fields {
			fmt.Fprintf(&text, "%s%q", map[bool]string{true: ","}[k > 0], f.Name)
		}
		for range n {
			for k, f := range fields {
				text.WriteString(map[bool]string{true: ",", false: "\n"}[k > 0])
				if f.Type == data.NumberField {
					fmt.Fprint(&text, *f.Min+r.Float64()*(*f.Max-*f.Min))
				} else {
					fmt.Fprintf(&text, "%q", f.Values[r.IntN(len(f.Values))])
				}
			}
		}
		rows, err := data.ReadOwn(strings.NewReader(text.String()), "any.csv", s, data.OwnCSV{})
		if err != nil {
			t.Fatal(err)
		}
		o, err := rows.Own(uint64(i), false)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}
