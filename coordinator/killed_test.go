package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fedtab/combine"
	"fedtab/compress"
	"fedtab/coordinator/store"
	"fedtab/coordinator/swarm"
	"fedtab/learn"
	"fedtab/protocol"
	"fedtab/run"

	"github.com/cespare/xxhash/v2"
)

// TestServeKilled kills the coordinator 50 times (5 in short form) at random moments while twelve
// participants train. All restarts continue one run; no version that a participant
// has seen is lost or committed twice; every version is its predecessor plus its
// recorded contributions.
func TestServeKilled(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 5
	}
	const seed, hidden = 1, 32
	dir, address := t.TempDir(), freeAddress(t)
	task := smallTask(t, "min_clients: 3", "min_clients: 12, deadline: 20s", "rounds: 3", "rounds: 1000000", "batch: 50", "batch: 500",
		"{kind: iid, clients: 100}", "{kind: dirichlet, alpha: .1, clients: 100}", ", clip: none, max_weight: .inf", ", max_weight: 1") // a half is above the median
	random := rand.New(rand.NewPCG(1, 2))

	w := newWitness(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		o := swarm.Options{
			URL: "ws://" + address + "/ws", Task: "small", Clients: 12,
			OnMessage: w.message,
		}
		for {
			_, err := swarm.Run(ctx, o)
			if err != nil && strings.Contains(err.Error(), "cannot connect") {
				continue // no coordinator has lived long enough yet
			}
			ended <- err
			return
		}
	}()
	args := []string{"serve", "--addr", address, "--data", dir, "--task", task}
	for range kills {
		c := coordinator(t, args...)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.Float64() * 1.5 * float64(time.Second))) // the moment is what is tested
		c.Process.Kill()
		c.Wait()
	}
	c := coordinator(t, args...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	seen := w.version()
	waitFor(t, "two more versions", func() bool { return w.version() >= seen+2 })
	began := time.Now()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit code 0", err)
	}
	t.Logf("it stopped %v after SIGTERM", time.Since(began))
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the swarm: %v", err)
	}

	versions, bounded := w.check(dir, learn.MLP([]int{28, 28}, []int{hidden}, 10), seed)
	if bounded == 0 {
		t.Error("no contribution was clipped")
	}
	t.Logf("%d kills, %d versions, %d contributions clipped, %d returns, newest seen %d", kills, versions, bounded, w.back, w.newest)
}

// witness is what the participants of a swarm saw and sent.
type witness struct {
	t  *testing.T
	mu sync.Mutex

	sent         map[uint64][]byte // blocks by fingerprint
	bases        map[uint64][]byte // hash of a version, as told
	runs         map[string]bool   // identities of the run
	newest       uint64            // version committed
	back         int               // resumed sessions
	participants map[int]uint32    // by client
}

func newWitness(t *testing.T) *witness {
	return &witness{t: t, sent: map[uint64][]byte{}, bases: map[uint64][]byte{}, runs: map[string]bool{}, participants: map[int]uint32{}}
}

// version is the newest version that a participant has seen.
func (w *witness) version() uint64 { w.mu.Lock(); defer w.mu.Unlock(); return w.newest }

// message is told of every message of a swarm.
func (w *witness) message(client int, m protocol.Message, out bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch m := m.(type) {
	case *protocol.Welcome:
		w.runs[m.Run] = true
		if p, ok := w.participants[client]; ok && p != m.Participant {
			w.t.Errorf("participant %d resumed as %d", p, m.Participant)
		} else if ok {
			w.back++
		}
		w.participants[client] = m.Participant
	case *protocol.Order:
		if h := w.bases[m.Base]; h != nil && string(h) != string(m.BaseHash) {
			w.t.Errorf("version %d has had two hashes", m.Base)
		}
		w.bases[m.Base] = slices.Clone(m.BaseHash)
	case *protocol.Contribution:
		w.sent[xxhash.Sum64(m.Vectors[0].Block)] = slices.Clone(m.Vectors[0].Block)
	case *protocol.Status:
		w.newest = max(w.newest, m.Version)
	}
}

// loaded returns the newest run of the task small in a database, and what is saved of it.
func loaded(t *testing.T, dir string) (id string, saved run.Saved) {
	t.Helper()
	s, err := store.Open(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	last, _, err := s.LatestRun("small")
	if err == nil {
		saved, err = s.Load(last.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return last.ID, saved
}

// check compares a database with what the participants know: no version that they have seen is lost
// or was committed twice, and each is its predecessor plus its recorded contributions. It returns the
// number of versions, and of contributions that count less than their examples.
func (w *witness) check(dir string, spec learn.Spec, seed uint64) (versions, bounded int) {
	w.t.Helper()
	t := w.t
	id, saved := loaded(t, dir)
	if len(w.runs) != 1 || !w.runs[id] {
		t.Errorf("the participants were in runs %v, want %s alone", slices.Sorted(maps.Keys(w.runs)), id)
	}
	if saved.Last == nil || saved.Last.Round < w.newest {
		t.Fatalf("version %d was seen, and the database ends with %+v", w.newest, saved.Last)
	}
	made, bounded := recompute(t, dir, spec, seed, w.sent)
	if made != len(saved.Rounds) {
		t.Errorf("%d rounds recomputed, the database has %d", made, len(saved.Rounds))
	}
	hashes := map[uint64][32]byte{}
	for i, r := range saved.Rounds {
		if r.Round != uint64(i+1) {
			t.Fatalf("round %d follows round %d", r.Round, i)
		}
		hashes[r.Round] = r.Hash
	}
	for v, told := range w.bases {
		if h := hashes[v]; v > 0 && string(told) != string(h[:]) {
			t.Errorf("version %d was announced with hash %x, and %x was kept", v, told, h)
		}
	}
	return len(saved.Rounds), bounded
}

// recompute computes every version of the only run in dir from the recorded
// contributions and compares hashes. It returns the number of versions, and of contributions
// that count less than their examples.
func recompute(t *testing.T, dir string, spec learn.Spec, seed uint64, sent map[uint64][]byte) (rounds, bounded int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, store.File)+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	model, err := learn.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	n := model.Layout().Size
	params := make([]float32, n)
	model.Init(params, seed)
	sum, err := combine.NewSum(n, 10_000*60_000*protocol.MaxDelta) // run.MaxParticipants x the examples x the bound
	if err != nil {
		t.Fatal(err)
	}
	delta := make([]float32, n)
	for round := uint64(1); ; round++ {
		var want string
		var participants int
		err := db.QueryRow("SELECT hash, participants FROM models JOIN rounds ON rounds.run = models.run AND round = version WHERE version = ?", round).Scan(&want, &participants)
		if err == sql.ErrNoRows {
			return rounds, bounded
		}
		if err != nil {
			t.Fatal(err)
		}
		rows, err := db.Query("SELECT participant, weight, scale, counted, fingerprint FROM contributions WHERE round = ?", round)
		if err != nil {
			t.Fatal(err)
		}
		sum.Clear()
		seen := map[int]bool{}
		for rows.Next() {
			var participant int
			var examples, scale, weight float64
			var text string
			if err := rows.Scan(&participant, &examples, &scale, &weight, &text); err != nil {
				t.Fatal(err)
			}
			if seen[participant] {
				t.Errorf("round %d: participant %d is in it twice", round, participant)
			}
			seen[participant] = true
			if scale < examples {
				bounded++
			}
			var fingerprint uint64
			fmt.Sscanf(text, "%x", &fingerprint)
			block := sent[fingerprint]
			if block == nil {
				t.Fatalf("round %d: contribution %s was not sent", round, text)
			}
			if err := compress.DecodeFloat32(delta, block); err != nil {
				t.Fatal(err)
			}
			sum.AddScaled(delta, scale, weight)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if len(seen) != participants {
			t.Errorf("round %d has %d contributions and %d participants", round, len(seen), participants)
		}
		if err := sum.Mean(params, params, 1); err != nil {
			t.Fatal(err)
		}
		if hash := learn.Hash(params); hex.EncodeToString(hash[:]) != want {
			t.Fatalf("version %d: its contributions make %x, and %s was committed", round, hash, want)
		}
		rounds++
	}
}
