package store

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestAudit(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if all, err := s.AuditLog(0, 10); err != nil || len(all) != 0 {
		t.Fatalf("an empty database has the deeds %+v, %v", all, err)
	}
	want := []AuditEntry{
		{At: start, Who: "organiser by token", Address: "192.0.2.1", Action: "stop", Subject: "r1", Detail: "the lesson is over", Problem: "the run is over"},
		{At: start.Add(-time.Hour), Who: "organiser by socket", Action: "invite"}, // the clock was set back
		{At: start.Add(time.Hour), Who: "viewer by session", Address: "2001:db8::/64", Action: "sign in", Detail: "\"';--\n\x00é"},
	}
	for i := range want {
		must(t, s.Audit(want[i]))
		want[i].ID = int64(i + 1)
	}
	must(t, s.Audit(AuditEntry{ID: 2, At: start, Action: "with the ID of another"}))
	must(t, s.Close())
	s = open(t, dir)
	all, err := s.AuditLog(0, 10)
	must(t, err)
	if len(all) != 4 || all[0].ID != 4 || all[0].Action != "with the ID of another" {
		t.Fatalf("got %+v, want four, the newest first", all)
	}
	slices.Reverse(all)
	if !reflect.DeepEqual(all[:3], want) {
		t.Errorf("got  %+v\nwant %+v", all[:3], want)
	}
}

func TestDeedsInPages(t *testing.T) {
	s := open(t, t.TempDir())
	const n = 10
	for i := range n {
		must(t, s.Audit(AuditEntry{At: start, Action: fmt.Sprint(i + 1)}))
	}
	for _, limit := range []int{1, 3, 5, n, n + 1} {
		var ids []int64
		before := int64(0)
		for {
			page, err := s.AuditLog(before, limit)
			must(t, err)
			if len(page) == 0 {
				break
			}
			if len(page) > limit {
				t.Fatalf("a page of %d, want at most %d", len(page), limit)
			}
			for _, d := range page {
				ids = append(ids, d.ID)
			}
			before = page[len(page)-1].ID
			must(t, s.Audit(AuditEntry{At: start, Action: "meanwhile"})) // in no page that follows
		}
		if len(ids) < n || !slices.IsSortedFunc(ids, func(a, b int64) int { return int(b - a) }) || ids[len(ids)-1] != 1 || len(slices.Compact(ids)) != int(ids[0]) {
			t.Errorf("pages of %d have %v, want each once, the newest first", limit, ids)
		}
	}
	for _, c := range []struct {
		before int64
		limit  int
		want   int
	}{{1, 5, 0}, {2, 5, 1}, {1 << 40, 5, 5}, {0, 0, 0}} {
		if page, err := s.AuditLog(c.before, c.limit); err != nil || len(page) != c.want {
			t.Errorf("before %d, at most %d: %d deeds, %v, want %d", c.before, c.limit, len(page), err, c.want)
		}
	}
}
