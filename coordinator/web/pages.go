package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"fedtab/api"
	"fedtab/coordinator/organiser"
	"fedtab/lab"
	"fedtab/static"
	"fedtab/ui"
	"fedtab/ui/labpage"
	"fedtab/words"
)

// Pages renders the pages that people see, as the page's program will draw them: the
// same components, from the same view (docs/adr/0013).
type Pages struct {
	frame     *static.Frame
	organiser *organiser.Source
	bench     func() ui.Bench // without its page; set by New

	mu    sync.Mutex
	cache map[string]*rendered // newest, by what document says
}

// rendered is a page and what it was rendered from.
type rendered struct {
	view     []byte
	by       *organiser.Organiser
	at       time.Time
	document *static.Document
}

// stale is how old a rendering may be: the program brings a page up to date.
const stale = 250 * time.Millisecond

// NewPages returns the pages of an organiser in their frame.
func NewPages(frame *static.Frame, organiser *organiser.Source) *Pages {
	return &Pages{frame: frame, organiser: organiser, cache: map[string]*rendered{}}
}

// maxDepth bounds the slashes of a path for which there is a page: with each of them the
// addresses in the page grow.
const maxDepth = 8

// depth counts the slashes of a path as browsers do: escaped ones are none.
func depth(u *url.URL) int { return strings.Count(u.EscapedPath(), "/") }

// rootOf leads from a page to the root, relative.
func rootOf(u *url.URL) string { return strings.Repeat("../", max(0, depth(u)-1)) }

// home lists the tasks, and leads on to one that is alone.
func (s *server) home(w http.ResponseWriter, r *http.Request) {
	if all := s.studies.All(); len(all) == 1 {
		to := rootOf(r.URL) + "t/" + all[0].Task.Name
		if r.URL.RawQuery != "" {
			to += "?" + r.URL.RawQuery
		}
		static.SetPlainPolicy(w.Header())
		w.Header().Set("Location", to) // relative: http.Redirect would lose a prefix
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusFound)
		return
	}
	s.show(w, r, http.StatusOK, ui.View{Kind: ui.HomeKind}, nil)
}

// taskPage shows a task.
func (s *server) taskPage(w http.ResponseWriter, r *http.Request) {
	s.showTask(w, r, ui.View{Kind: ui.TaskKind, Selected: r.PathValue("name")})
}

// screen shows how to join, and how the training goes, on a projector: of ?task, of the
// only task, or of all tasks.
func (s *server) screen(w http.ResponseWriter, r *http.Request) {
	v := ui.View{Kind: ui.ScreenKind, Selected: r.URL.Query().Get("task"), Address: s.site.root(r)}
	if all := s.studies.All(); v.Selected == "" && len(all) == 1 {
		v.Selected = all[0].Task.Name
	}
	if v.Selected == "" {
		s.show(w, r, http.StatusOK, v, nil)
		return
	}
	v.Address += "t/" + v.Selected
	s.showTask(w, r, v)
}

// showTask sends the page of a view of a task, if there is that task.
func (s *server) showTask(w http.ResponseWriter, r *http.Request, v ui.View) {
	if st := s.studies.Find(v.Selected); st != nil {
		s.show(w, r, http.StatusOK, v, st)
		return
	}
	s.absent(w, r, "")
}

// lost answers a path that does not exist, for a person, and reports whether it has.
func (s *server) lost(w http.ResponseWriter, r *http.Request) bool {
	if s.pages == nil || s.pages.frame.Has(r.URL.Path) || !wantsPage(r) {
		return false
	}
	s.absent(w, r, "")
	return true
}

// wantsPage reports whether what a path lacks can be said on a page.
func wantsPage(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html") && depth(r.URL) <= maxDepth
}

// absent shows that there is no such page; detail says more.
func (s *server) absent(w http.ResponseWriter, r *http.Request, detail string) {
	s.show(w, r, http.StatusNotFound, ui.View{Kind: ui.AbsentKind, Missing: detail}, nil)
}

// What a first view has of a run.
const (
	viewRounds = 10
	viewPoints = 100
)

// languageCookie keeps the language that a person has chosen.
const languageCookie = "fedtab-language"

// languageOf returns the language that a person has chosen, or that the browser asks for.
func languageOf(r *http.Request) *words.Language {
	if c, err := r.Cookie(languageCookie); err == nil {
		if l := words.Get(c.Value); l != nil {
			return l
		}
	}
	return words.Match(r.Header.Get("Accept-Language"))
}

// choose takes in a language that a person chooses by a link to the same page, and
// reports whether that is what the request is for.
func choose(w http.ResponseWriter, r *http.Request) bool {
	query := r.URL.Query()
	l := words.Get(query.Get("lang"))
	if l == nil {
		return false
	}
	http.SetCookie(w, &http.Cookie{Name: languageCookie, Value: l.Code, Path: "/", MaxAge: 366 * 24 * 60 * 60, SameSite: http.SameSiteLaxMode, HttpOnly: true})
	query.Del("lang")
	// A path may look like the address of another host, such as \\host or https:host.
	to := url.URL{Path: path.Base(r.URL.Path), RawQuery: query.Encode()}
	if strings.HasSuffix(r.URL.Path, "/") {
		to.Path = "./"
	}
	w.Header().Set("Location", to.String())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
	return true
}

// show sends the page of a view.
func (s *server) show(w http.ResponseWriter, r *http.Request, status int, v ui.View, st *Study) {
	if choose(w, r) {
		return
	}
	v.Root, v.Organiser = rootOf(r.URL), s.pages.organiser.Current().Name
	b := encode(v)
	b = append(b[:len(b)-1], `,"tasks":`...)
	switch {
	case st != nil:
		b = append(append(b, encode(s.names())...), `,"task":`...)
		b = append(b, st.page(0, 0, viewRounds, viewPoints)...)
	case v.Kind == ui.LabKind || v.Kind == ui.StandKind:
		b = append(b, "[]"...) // they say nothing of tasks, and are rendered once
	default:
		b = append(b, encode(s.cards())...)
	}
	b = append(b, '}')
	document, err := s.pages.document(v, languageOf(r), b)
	if err != nil {
		fail(w, http.StatusInternalServerError, "%v", err)
		return
	}
	document.Serve(w, r, status)
}

// document renders a view, whose JSON is given too, unless that was rendered last. The
// language, the kind of page, the task and the root are few; a screen's address and a
// missing page's detail are up to who asks, and those pages are rendered each time.
func (p *Pages) document(v ui.View, l *words.Language, view []byte) (*static.Document, error) {
	key := strings.Join([]string{l.Code, string(v.Kind), v.Selected, v.Root}, " ")
	var bench ui.Bench
	if v.Kind == ui.BenchKind {
		bench = p.bench()
		key += " " + bench.Images // of the tasks that are served
	}
	kept, by := v.Kind != ui.ScreenKind && v.Missing == "", p.organiser.Current()
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.cache[key]; kept && c != nil && c.by == by && (time.Since(c.at) < stale || bytes.Equal(c.view, view)) {
		return c.document, nil
	}
	var o map[string]any
	if err := json.Unmarshal(view, &o); err != nil {
		return nil, fmt.Errorf("view of %s: %w", key, err)
	}
	page := &ui.Page{Lang: l}
	page.OnView(o)
	var body bytes.Buffer
	title, description := page.Title(), page.Description()
	var err error
	switch v.Kind {
	case ui.BenchKind:
		bench.Page = page
		title, description, err = bench.Title(), bench.Description(), ui.WriteBench(&body, &bench)
	case ui.LabKind, ui.StandKind:
		stand := &labpage.Stand{Lang: l, Root: v.Root, Sheet: lab.Find(v.Selected)}
		title, description, err = stand.Title(), stand.Description(), stand.Write(&body)
	default:
		err = ui.Write(&body, page)
	}
	if err != nil {
		return nil, fmt.Errorf("view of %s: %w", key, err)
	}
	html, err := p.frame.HTML(static.Framed{
		Kind: string(page.Kind), Root: page.Root, Title: title, Description: description,
		Page: template.HTML(body.String()), View: json.RawMessage(view), Words: l, By: byline(by, l.Code),
		Own: page.Task.Data.Own != nil,
	})
	if err != nil {
		return nil, err
	}
	c := &rendered{view, by, time.Now(), static.NewDocument(html)}
	if kept {
		p.cache[key] = c
	}
	return c.document, nil
}

// byline is what the frame says of the organiser in a language.
func byline(o *organiser.Organiser, language string) static.By {
	b := static.By{Name: o.Name, Contact: o.Contact.Text, ContactURL: o.Contact.URL, Privacy: o.Privacy(language), Style: o.Style.Address()}
	if o.Logo != nil {
		b.Logo = o.Logo.Address()
	}
	return b
}

// name is what the page of a task needs to know of all tasks.
type name struct {
	Name         string                     `json:"name"`
	Title        string                     `json:"title"`
	Translations map[string]api.Translation `json:"translations,omitempty"`
}

func (s *server) names() []name {
	all := s.studies.All()
	names := make([]name, len(all))
	for i, st := range all {
		names[i] = name{Name: st.Task.Name, Title: st.Task.Title.String()}
		for language, t := range st.fixed.Translations {
			if names[i].Translations == nil {
				names[i].Translations = map[string]api.Translation{}
			}
			names[i].Translations[language] = api.Translation{Title: t.Title}
		}
	}
	return names
}

// cards are the entries of /api/tasks.
func (s *server) cards() []api.Card {
	cards := []api.Card{}
	for _, st := range s.studies.All() {
		cards = append(cards, st.Card())
	}
	return cards
}
