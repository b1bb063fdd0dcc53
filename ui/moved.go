package ui

import (
	"slices"
	"time"

	"fedtab/fields"
	"fedtab/protocol"
	"fedtab/tab"
)

// Moved is what has left and reached this tab: totals in words, and message by message.
type Moved struct {
	Page *Page
}

// Movements are the messages and files that have left or reached the tab: entries since
// the page was loaded, and sums that go on over a reload while the run is the same.
type Movements struct {
	entries ledger // the newest, oldest first
	dropped int    // older ones, and those that came too fast to be listed; the sums have the older ones
	sums    [groups]Sum
}

// Sum is what has moved of a group.
type Sum struct {
	Up       int64 `json:"up"` // bytes
	Down     int64 `json:"down"`
	Messages int   `json:"messages"` // that have left
	Received int   `json:"received"`
}

// shownMoved is how many entries are on the page.
const shownMoved = 50

// The groups of what moves, as the page sums it up.
const (
	changesGroup  = iota // contributions
	sumsGroup            // what is told of own data
	modelGroup           // versions
	examplesGroup        // of public data
	pageGroup            // the page itself
	restGroup            // what keeps the training going
	secretsGroup         // keys and shares of secure aggregation
	groups
)

var groupKeys = [groups]string{"moved.changes", "moved.sums", "moved.model", "moved.examples", "moved.page", "moved.rest", "moved.secrets"}

// groupOf returns the group of an entry.
func groupOf(e *tab.Entry) int {
	switch {
	case e.Kind == tab.Examples:
		return examplesGroup
	case e.Kind == protocol.KindModel.String():
		return modelGroup
	case e.Kind == protocol.KindSecure.String():
		return secretsGroup
	case e.Kind != protocol.KindContribution.String():
		return restGroup
	case e.Payload != "" && e.Payload != protocol.SecurePayload:
		return sumsGroup
	}
	return changesGroup
}

// OnMoved takes in what has moved since the last time (tab.Moved).
func (p *Page) OnMoved(o map[string]any) {
	var moved tab.Moved
	fields.Fill(&moved, o)
	m := &p.Moved
	for i := range moved.Entries {
		e := &moved.Entries[i]
		m.sums[groupOf(e)].add(e.Up, 1, e.Bytes)
		m.dropped += m.entries.add(e)
	}
	m.dropped += moved.Skipped
}

// OnLoadedBytes takes in how much the page itself has taken.
func (p *Page) OnLoadedBytes(files int, bytes int64) {
	p.Moved.sums[pageGroup].add(false, files, bytes)
}

func (s *Sum) add(up bool, messages int, bytes int64) {
	if up {
		s.Messages, s.Up = s.Messages+messages, s.Up+bytes
	} else {
		s.Received, s.Down = s.Received+messages, s.Down+bytes
	}
}

func (s *Sum) plus(t Sum) {
	s.add(true, t.Messages, t.Up)
	s.add(false, t.Received, t.Down)
}

// left returns how many bytes have left the tab.
func (m *Movements) left() (bytes int64) {
	for _, s := range m.sums {
		bytes += s.Up
	}
	return bytes
}

// sumWords says how much has left the tab, and what of it is an example.
func (c *Moved) sumWords() string {
	left := c.Page.Moved.left()
	switch {
	case left == 0:
		return c.Page.say("moved.none")
	case c.Page.schema() != nil:
		return c.Page.say("moved.sum.own", c.Page.Lang.Size(left))
	}
	return c.Page.say("moved.sum", c.Page.Lang.Size(left))
}

// movedGroup is a row of the totals.
type movedGroup struct{ what, left, came string }

func (c *Moved) groups() []movedGroup {
	var all []movedGroup
	for i, s := range c.Page.Moved.sums {
		if s.Messages+s.Received > 0 {
			all = append(all, movedGroup{c.Page.say(groupKeys[i]), c.amount(s.Up, s.Messages), c.amount(s.Down, s.Received)})
		}
	}
	return all
}

func (c *Moved) amount(bytes int64, messages int) string {
	if messages == 0 {
		return dash
	}
	return c.Page.Lang.Size(bytes)
}

// any reports whether there is something to list.
func (c *Moved) any() bool { return c.Page.Moved.entries.count > 0 }

// listed returns the newest entries, newest first, while they are asked for.
func (c *Moved) listed() []tab.Entry {
	if !c.Page.MovedOpen {
		return nil
	}
	entries := &c.Page.Moved.entries
	newest := slices.Collect(entries.all(max(0, entries.count-shownMoved)))
	slices.Reverse(newest)
	return newest
}

func (c *Moved) open() bool { return c.Page.MovedOpen && c.any() }

func (c *Moved) expanded() string {
	if c.open() {
		return "true"
	}
	return "false"
}

func (c *Moved) foldWords() string {
	if c.open() {
		return c.Page.say("moved.hide")
	}
	return c.Page.say("moved.show", c.Page.Moved.entries.count+c.Page.Moved.dropped)
}

// moreWords says which entries are not on the page.
func (c *Moved) moreWords() string {
	m := &c.Page.Moved
	switch {
	case m.dropped > 0:
		return c.Page.say("moved.more.some", shownMoved, m.entries.count)
	case m.entries.count > shownMoved:
		return c.Page.say("moved.more", shownMoved)
	}
	return ""
}

func (c *Moved) clock(e tab.Entry) string { return c.Page.Lang.Clock(time.UnixMilli(e.At)) }

// way is the class of an entry, by its direction.
func (c *Moved) way(e tab.Entry) string {
	if e.Up {
		return "up"
	}
	return "down"
}

func (c *Moved) wayWords(e tab.Entry) string {
	if e.Up {
		return c.Page.say("moved.up")
	}
	return c.Page.say("moved.down")
}

func (c *Moved) size(e tab.Entry) string {
	if e.Bytes == 0 {
		return c.Page.say("moved.kept")
	}
	return c.Page.Lang.Size(e.Bytes)
}

// movedKeys are the words for entries that need no figures, by kind and direction.
var movedKeys = map[string]string{
	"up:hello": "moved.hello", "up:tab": "moved.tab", "up:bye": "moved.leave",
	"down:shards": "moved.shards", "down:constants": "moved.constants", "down:status": "moved.status",
	"down:fetch": "moved.fetch", "down:chunk": "moved.chunk", "down:door": "moved.door",
}

// entryWords says what an entry is.
func (c *Moved) entryWords(e tab.Entry) string {
	p := c.Page
	switch way := c.way(e); {
	case groupOf(&e) == secretsGroup:
		return p.secureWords(&e)
	case groupOf(&e) == changesGroup && e.Payload != "":
		return p.say("moved.masked", e.Values)
	case groupOf(&e) == changesGroup:
		return p.say("moved.contribution", e.Values)
	case groupOf(&e) == sumsGroup && e.Payload == protocol.EvaluationPayload:
		return p.say("moved.evaluation")
	case groupOf(&e) == sumsGroup:
		return p.say("moved.totals")
	case e.Kind == tab.Examples && e.Examples > 0:
		return p.say("moved.shard", e.Examples)
	case e.Kind == tab.Examples:
		return p.say("moved.shard.none")
	case groupOf(&e) == modelGroup:
		return p.say("moved.version", e.Version, e.Values)
	case movedKeys[way+":"+e.Kind] != "":
		return p.say(movedKeys[way+":"+e.Kind])
	case e.Kind == protocol.KindWelcome.String():
		return p.say("moved.welcome", e.Participant)
	case e.Kind == protocol.KindOrder.String() && e.Round > 0:
		return p.say("moved.order", e.Round)
	case e.Kind == protocol.KindOrder.String():
		return p.say("moved.enquiry")
	case e.Kind == protocol.KindProgress.String() && e.Examples == 0:
		return p.say("moved.begun", e.Round)
	case e.Kind == protocol.KindProgress.String():
		return p.say("moved.progress", e.Examples, e.Round)
	case e.Kind == protocol.KindWant.String():
		return p.say("moved.want", e.Version)
	case e.Kind == protocol.KindAck.String():
		return p.say("moved.ack", p.phrase(e.Reason))
	case e.Kind == protocol.KindDecline.String():
		return p.say("moved.decline", p.phrase(e.Reason))
	case e.Kind == protocol.KindBye.String():
		return p.say("moved.bye")
	}
	return p.say("moved.other", e.Kind)
}
