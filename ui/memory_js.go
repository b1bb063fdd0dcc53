package ui

import (
	"encoding/hex"
	"strconv"
	"strings"
	"syscall/js"

	"fedtab/fields"
)

// memory is what this tab remembers over a reload: which task it takes part in,
// whether it is paused, the invite that it has, and the name under which its worker
// keeps the rest. It is the browser's sessionStorage, which is the tab's own; a
// duplicate of the tab has a copy. What the person has chosen for all tabs is in
// localStorage. The main thread has both: these are copies, which every change passes
// on.
type memory struct {
	host           *host
	session, local map[string]string
	answers        int // in the part that is remembered
}

// The names in sessionStorage.
const (
	keyTask   = "fedtab.task"
	keyPaused = "fedtab.paused"
	keyTab    = "fedtab.tab"
	keyMany   = "fedtab.participants"
	keyInvite = "fedtab.invite"
	keyData   = "fedtab.data." // and the name of a task
	keyPart   = "fedtab.part." // and the name of a task
)

func (m *memory) get(key string) string { return m.session[key] }

// set remembers a value; empty forgets it.
func (m *memory) set(key, value string) {
	if m.session[key] == value {
		return
	}
	m.session[key] = value
	m.host.tell(map[string]any{"type": "session", "key": key, "value": value})
}

// task returns the task that this tab was taking part in, or nothing.
func (m *memory) task() string { return m.get(keyTask) }

// paused says whether the tab was paused.
func (m *memory) paused() bool { return m.get(keyPaused) != "" }

// tab returns the tab's name, and makes one for a tab that has none.
func (m *memory) tab() string {
	name := m.get(keyTab)
	if name == "" {
		b := make([]byte, 16)
		random := js.Global().Get("Uint8Array").New(len(b))
		js.Global().Get("crypto").Call("getRandomValues", random) // crypto/rand is 2 kB of the first load
		js.CopyBytesToGo(b, random)
		name = hex.EncodeToString(b)
		m.set(keyTab, name)
	}
	return name
}

// participants returns as how many the tab takes part, and many remembers it.
func (m *memory) participants() int {
	n, _ := strconv.Atoi(m.get(keyMany))
	return max(n, 1)
}

func (m *memory) many(n int) {
	value := ""
	if n > 1 {
		value = strconv.Itoa(n)
	}
	m.set(keyMany, value)
}

// joined remembers that the tab takes part.
func (m *memory) joined(task string) { m.set(keyTask, task) }

// pause remembers whether the tab is paused.
func (m *memory) pause(on bool) {
	value := ""
	if on {
		value = "yes"
	}
	m.set(keyPaused, value)
}

// invite returns the code of the invite that this tab has, and invited remembers it;
// empty is none.
func (m *memory) invite() string      { return m.get(keyInvite) }
func (m *memory) invited(code string) { m.set(keyInvite, code) }

// data returns the name under which the browser keeps the tab's data for a task, and
// setData remembers it; empty is none.
func (m *memory) data(task string) string { return m.get(keyData + task) }
func (m *memory) setData(task, id string) { m.set(keyData+task, id) }

// part brings back the tab's part in a task's run, and setPart remembers it. It is told
// once an answer: the rest of it may wait.
func (m *memory) part(p *Page) {
	if v, ok := parseJSON(m.get(keyPart + p.Selected)); ok {
		if o, ok := v.(map[string]any); ok {
			p.OnPart(o)
		}
	}
	m.answers = p.Local.Contributions + p.Local.Rejected
}

func (m *memory) setPart(p *Page) {
	part := p.Part()
	if answers := part.Contributions + part.Rejected; part.Run != "" && answers != m.answers {
		m.answers = answers
		m.set(keyPart+p.Selected, js.Global().Get("JSON").Call("stringify", fields.Map(part)).String())
	}
}

// The names in localStorage.
const (
	keyEffort  = "fedtab.effort"
	keyCores   = "fedtab.cores"
	keyHidden  = "fedtab.pause-hidden"
	keyBattery = "fedtab.pause-battery"
)

// settings brings back what the person has chosen.
func (m *memory) settings(s *Settings) {
	s.SetEffort(m.local[keyEffort])
	s.SetCores(m.local[keyCores])
	s.PauseHidden, s.PauseBattery = m.local[keyHidden] != "", m.local[keyBattery] != ""
}

// choose remembers a setting; empty forgets it.
func (m *memory) choose(key, value string) {
	m.local[key] = value
	m.host.tell(map[string]any{"type": "local", "key": key, "value": value})
}

// forgetAll forgets the invite and the data as well.
func (m *memory) forgetAll() {
	for key := range m.session {
		if strings.HasPrefix(key, "fedtab.") {
			m.set(key, "")
		}
	}
	for key := range m.local {
		m.choose(key, "")
	}
}

// forget makes the tab as if it had never taken part. An invite may have uses left.
func (m *memory) forget() {
	for _, key := range []string{keyTask, keyPaused, keyTab, keyMany} {
		m.set(key, "")
	}
}
