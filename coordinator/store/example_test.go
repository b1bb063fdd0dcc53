package store_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"time"

	"fedtab/coordinator/store"
	"fedtab/run"
)

func Example() {
	dir, err := os.MkdirTemp("", "fedtab")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	s, err := store.Open(dir, "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()

	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	err = s.CreateRun(store.Run{ID: "r1", Task: "digits", Title: "Digits", Seed: 1, Created: now})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = s.OpenRound("r1", run.OpenRound{Round: 1, Order: 1, Cohort: []uint32{1, 2}, Opened: now, Deadline: now.Add(time.Minute)})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = s.Commit("r1", run.Commit{
		Round: 1, Params: []float32{1}, Hash: sha256.Sum256([]byte{0, 0, 0x80, 0x3f}),
		Participants: []uint32{1, 2}, Weight: 1200, Committed: now.Add(20 * time.Second),
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	saved, err := s.Load("r1") // as after a restart
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("version", saved.Last.Round, saved.Last.Params, "after", saved.Elapsed)
	// Output: version 1 [1] after 20s
}
