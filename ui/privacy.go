package ui

import (
	"fedtab/api"
	"fedtab/protocol"
	"fedtab/tab"
)

// Lack is what this browser lacks for secure aggregation. The zero value lacks nothing.
type Lack struct {
	Encryption bool   // the page is neither from https nor from localhost
	Primitives string // names of what its cryptography lacks
	Storage    bool   // it stores nothing for this page
}

// Secure reports whether the coordinator sees sums only.
func (p *Page) Secure() bool { return p.Task.Privacy.Aggregation == api.Secure }

// Able reports whether this browser can take part in the shown task.
func (p *Page) Able() bool {
	return !p.Secure() || p.Lack == Lack{} && !p.Task.Privacy.Members
}

// lackWords says what this browser lacks for the task, and what would help; empty if nothing.
func (p *Page) lackWords() string {
	switch {
	case p.Able():
		return ""
	case p.Task.Privacy.Members:
		return p.say("lack.members")
	case p.Lack.Encryption:
		return p.say("lack.encryption")
	case p.Lack.Primitives != "":
		return p.say("lack.primitives", p.Lack.Primitives)
	}
	return p.say("lack.storage")
}

// seenWords says what the coordinator sees of this tab's answers, and what that protects from.
func (p *Page) seenWords() string {
	privacy := &p.Task.Privacy
	if !p.Secure() {
		return p.say("seen.plain")
	}
	parts := []string{p.say("seen.secure", privacy.Min)}
	if privacy.Groups > 0 {
		parts = append(parts, p.say("seen.groups", privacy.Groups))
	}
	return sentences(append(parts, p.say("seen.curiosity"), p.say("seen.cheating"))...)
}

// secureKeys are the words for the messages of secure aggregation, by what is in them.
var secureKeys = map[string]string{
	"keys": "moved.keys", "shares": "moved.sealed", "consent": "moved.consent", "reveal": "moved.reveal",
	"roster": "moved.roster", "inbox": "moved.inbox", "survivors": "moved.survivors", "consents": "moved.consents",
}

// secureWords says what a message of secure aggregation is.
func (p *Page) secureWords(e *tab.Entry) string {
	if key := secureKeys[e.Payload]; key != "" {
		return p.say(key)
	}
	return p.say("moved.other", protocol.KindSecure.String())
}

// leavesWords says what of the tab's own data leaves it.
func (c *Own) leavesWords() string {
	if c.Page.Secure() {
		return c.Page.say("own.leaves.masked", c.Page.Task.Privacy.Min)
	}
	return c.Page.say("own.leaves")
}
