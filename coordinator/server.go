package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"fedtab/coordinator/access"
	"fedtab/coordinator/admin"
	"fedtab/coordinator/cluster"
	"fedtab/coordinator/dataset"
	"fedtab/coordinator/hub"
	"fedtab/coordinator/listen"
	"fedtab/coordinator/live"
	"fedtab/coordinator/organiser"
	"fedtab/coordinator/quota"
	"fedtab/coordinator/store"
	"fedtab/coordinator/task"
	"fedtab/coordinator/told"
	"fedtab/coordinator/web"
	"fedtab/learn/data"
	"fedtab/privacy/secagg/native"
	"fedtab/protocol"
	"fedtab/protocol/invite"
	"fedtab/run"
	"fedtab/static"
	"fedtab/strategy"

	"golang.org/x/time/rate"
)

// Config is the configuration of `coordinator serve`.
type Config struct {
	Listen listen.Config // addresses and certificates; the cache of ACME is in Data
	Data   string        // directory of the database
	Tasks  []string      // names of tasks that ship, or files
	Sets   []string      // changes of the one task, as in strategy.fraction=0.2
	Fresh  bool          // start new runs
	Moved  bool          // go on with private runs of a copy: its organiser vouches that the original does not
	From   string        // model that the run of the one task starts from: see findSource; empty: the seed's
	Public string        // address that participants use, empty if it has none
	Site   string        // file that says who runs the coordinator, empty if there is none
	Limits hub.Limits    // zero takes hub.DefaultLimits

	Cluster cluster.Config // its URL is empty where this process is alone

	Log *slog.Logger
}

// Server is a coordinator: one database, a run for each task, the hub and the
// web server. End-to-end tests use it as the command does.
type Server struct {
	cfg       Config
	store     *store.Store
	vault     *live.Vault // of the contributions that are not judged yet
	turns     *live.Turns // of the bodies of all runs
	listeners *listen.Listeners
	hub       *hub.Hub
	organiser *organiser.Source
	backend   *backend     // of organisers
	gate      *access.Gate // of the admin address
	admin     *admin.API   // of organisers
	orders    *http.Server // of commands
	vouched   bool         // a run goes on because of Config.Moved
	flagged   []string     // names of the tasks of Config.Tasks
	web       *web.Studies // as participants see them
	node      *node        // of a cluster; nil: this process is alone
	list      atomic.Pointer[[]*study]

	mu       sync.Mutex      // of the list's changes, and of what follows
	lives    context.Context // of the goroutines that own runs; nil before Run
	running  sync.WaitGroup
	stopping bool
}

// studies returns the studies that are served; the caller must not change the slice.
func (s *Server) studies() []*study {
	if all := s.list.Load(); all != nil {
		return *all
	}
	return nil
}

// find returns the study of a task, nil if it is not served.
func (s *Server) find(name string) *study {
	for _, st := range s.studies() {
		if st.Task.Name == name {
			return st
		}
	}
	return nil
}

// study is a task with its run.
type study struct {
	web.Study
	live    *live.Live
	room    *hub.Room
	resumed bool          // its run is that of an earlier process
	runs    atomic.Uint64 // run.Runs that were replaced
	origin  string        // of its run, as in the store
	added   bool          // its task was added at run time
	links   links         // to the edges of its run, if this node drives it
	role    role          // of this node of a cluster
	leave   func()        // ends the goroutine that owns its run
}

// Time limits of a server.
const (
	shutdownTimeout = 8 * time.Second        // for participants and requests that are under way
	resumeGrace     = 5 * time.Second        // a lost participant is waited for: a reload, or a change of network
	bodiesPerCore   = 2                      // that come at one time: one is received while another is added
	maxTurn         = 100 * time.Millisecond // for each of them, before it lets another in
	restartGrace    = protocol.ReconnectMax  // a cohort is waited for after a restart: every client has tried by then
)

// acmeCache is the folder in the data directory of the ACME account and its
// certificates.
const acmeCache = "acme"

// NewServer loads the tasks, opens the database and listens. It returns every error
// of the configuration; Run returns only errors of serving.
func NewServer(cfg Config) (*Server, error) {
	if cfg.Limits == (hub.Limits{}) {
		cfg.Limits = hub.DefaultLimits()
	}
	s := &Server{cfg: cfg}
	if err := s.open(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *Server) open() (err error) {
	cfg := s.cfg
	site, err := web.NewSite(cfg.Public, cfg.Listen.Addr, cfg.Limits.Addresses, cfg.Log)
	if err != nil {
		return fmt.Errorf("--public-url: %w", err)
	}
	if name, tls := site.Host(); name != "" && len(cfg.Listen.ACME.Hosts) > 0 && (!tls || !slices.Contains(cfg.Listen.ACME.Hosts, name)) {
		return fmt.Errorf("--public-url: %q, want https:// and a name in --acme (%s)", cfg.Public, strings.Join(cfg.Listen.ACME.Hosts, ", "))
	}
	if s.organiser, err = organiser.Open(cfg.Site, cfg.Log); err != nil {
		return err
	}
	s.backend = &backend{dir: cfg.Data, server: s}
	all, err := s.flaggedStudies()
	if err != nil {
		return err
	}
	more, err := s.added()
	if err != nil {
		return fmt.Errorf("--data %s: %w", cfg.Data, err)
	}
	all = append(all, more...)
	cfg.Listen.Public = site.URL()
	cfg.Listen.ACME.Cache = filepath.Join(cfg.Data, acmeCache)
	if s.listeners, err = listen.Open(cfg.Listen, cfg.Log); err != nil {
		return err
	}
	site.Certified = func(host string) bool { _, ok := s.listeners.Name(host); return ok }
	if s.store, err = store.Open(cfg.Data, build()); err != nil {
		return fmt.Errorf("--data %s: %w", cfg.Data, err)
	}
	if s.gate, err = access.Open(cfg.Data); err != nil {
		return err
	}
	if err := s.joinCluster(); err != nil {
		return err
	}
	s.gate.Proxies = cfg.Limits.Addresses.Proxies
	s.backend.store = s.store
	s.vault = live.NewVault(cfg.Data, protocol.MaxBodies)
	s.web = web.NewStudies()
	s.turns = live.NewTurns(bodiesPerCore*runtime.GOMAXPROCS(0), maxTurn)
	var rooms []*hub.Room
	for _, st := range all {
		prepare := s.prepare
		if s.node != nil {
			prepare = s.enlist
		}
		if err := prepare(st); err != nil {
			return err
		}
		s.web.Prepare(&st.Study)
		s.web.Add(&st.Study)
		rooms = append(rooms, st.room)
	}
	if cfg.Moved && !s.vouched {
		cfg.Log.Warn("--moved: no run with noise is in a copy of its database: leave it out, or it vouches for the next copy too")
	}
	s.list.Store(&all)
	s.hub = hub.New(rooms, cfg.Limits, cfg.Log)
	pages, err := openPages(s.organiser)
	if err != nil {
		return err
	}
	connections := s.connections()
	front := &http.Server{
		Handler:           web.New(s.web, s.hub, pages, static.Handler(), site, web.Limits{Participants: cfg.Limits.PerAddress, Connections: connections}, cfg.Log),
		ReadHeaderTimeout: protocol.HelloTimeout,

		DisableGeneralOptionsHandler: true, // it answers beside all budgets
		IdleTimeout:                  protocol.IdleTimeout,
		ConnState:                    connections.State,
		MaxHeaderBytes:               protocol.MaxHeader,
		ErrorLog:                     slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug), // scanners fail TLS handshakes all day
	}
	s.admin = admin.New(admin.Config{Backend: s.backend, Store: store.Shown{Store: s.store}, Gate: s.gate, Build: build(), Log: cfg.Log, Elsewhere: s.elsewhere()})
	if err := s.control(); err != nil { // a path may be too long for a socket
		cfg.Log.Warn("commands cannot reach this coordinator: to give it orders, use the admin address, or stop it first", "error", err)
	}
	s.listeners.Handle(front, web.NewAdmin(s.web, s.hub, cfg.Limits.Addresses.Proxies, cfg.Listen.AdminAddr,
		web.Admin{Gate: s.gate, API: s.admin.Guarded(), Page: static.OrganisersHandler()}))
	return nil
}

// flaggedStudies opens the tasks of the configuration.
func (s *Server) flaggedStudies() (all []*study, err error) {
	titles := map[string]string{} // to the name of the first task that has it
	for _, name := range s.cfg.Tasks {
		t, err := flagTask("--task", name, s.cfg.Sets)
		if err != nil {
			return nil, err
		}
		if slices.Contains(s.flagged, t.Name) {
			return nil, fmt.Errorf("--task: %s is given twice (%s), want each task once", t.Name, name)
		}
		s.flagged = append(s.flagged, t.Name)
		if err := t.CheckLive(); err != nil {
			return nil, err
		}
		if first, ok := titles[t.Title.String()]; ok {
			s.cfg.Log.Warn("two tasks have the same title: the page tells them apart by their names", "title", t.Title.String(), "tasks", first+", "+t.Name)
		} else {
			titles[t.Title.String()] = t.Name
		}
		st, err := openStudy(t, s.cfg.Data) // before anything else is opened
		if err != nil {
			return nil, err
		}
		all = append(all, st)
	}
	return all, nil
}

// openPages returns the pages for people; nil if this build has none.
func openPages(by *organiser.Source) (*web.Pages, error) {
	frame, err := static.OpenFrame()
	if errors.Is(err, static.ErrUnbuilt) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return web.NewPages(frame, by), nil
}

// connections bounds the connections of participants.
func (s *Server) connections() *quota.Conns {
	n := s.cfg.Limits.PerAddress
	share := float64(n) / protocol.MaxPerAddress
	return quota.NewConns(
		quota.New(protocol.MaxConnections, protocol.ConnectionsPerParticipant*n),
		quota.NewPace(rate.Limit(share*protocol.MaxConnectionRate), quota.Scaled(protocol.ConnectionBurst, share)),
		s.cfg.Limits.Addresses, s.cfg.Log)
}

// prepare resumes the run of a study, or creates one.
func (s *Server) prepare(st *study) error {
	id, saved, err := s.runOf(st)
	if err != nil {
		return err
	}
	return s.prepareRun(st, id, saved)
}

// prepareRun makes the run of a study that has an identity, and its room. It goes on from
// what is saved.
func (s *Server) prepareRun(st *study, id string, saved *run.Saved) error {
	t := st.Task
	st.leave = func() {}
	st.SetRun(id)
	if r, ok, err := s.store.FindRun(id); err != nil {
		return err
	} else if ok {
		st.origin = r.Origin
		if r.Extended != (store.Extension{}) {
			st.SetStop(t.Extended(r.Extended.Rounds, r.Extended.Accuracy, st.Data.ClassNames()))
		}
	}
	earlier, err := told.Before(s.store, t.Name, id)
	if err != nil {
		return err
	}
	st.SetEarlier(told.Together(earlier))
	st.Version, st.Kept = s.store.Model, s.store.Kept
	parameters := st.Model.Layout().Size
	lease := live.NewLease(live.LeaseBytes(parameters, t.Strategy.Vectors()))
	st.room = &hub.Room{
		Task: t.Name, Checker: live.NewChecker(parameters, t.Strategy.Vectors(), t.StartSeed(), lease),
		MaxBody: protocol.MaxBody(uint64(parameters), t.Strategy.Vectors()),
	}
	st.room.Issue(s.tokens(id))
	if t.Join == task.Invited {
		st.room.Invites = &hub.Invites{Key: invite.Key(s.store.Secret()), Uses: s.store, Persons: t.Persons()}
	}
	if t.Persons() && t.Join != task.Invited {
		members, err := task.ReadMembers(t.Privacy.Members)
		if err != nil {
			return fmt.Errorf("task %s: privacy.members: %w", t.Name, err)
		}
		st.room.Member = func(code string) (strategy.Person, error) {
			key, err := task.CheckMember(code, t.Name, members)
			return task.PersonOf(key), err
		}
	}
	st.live = live.NewLive()
	st.room.Owner = hub.Local{Live: st.live}
	st.State, st.Present = st.live.State, st.live.Present
	if s.node != nil {
		s.node.place(st)
	}
	cfg, err := s.config(st, id, saved)
	if err != nil {
		return err
	}
	if fewest := t.Fewest(parameters); t.Strategy.Withstands(fewest) >= 0 {
		cfg.Log.Info("robust combiner", "combine", t.Strategy.Combine, "participants_at_least", fewest, "of_whom_wrong", t.Strategy.Withstands(fewest))
	}
	st.room.Checker.TakeTurns(s.turns)
	if cfg.Judge != nil || s.node != nil && t.Strategy.Keeps() { // an edge passes them on as they came
		st.room.Checker.KeepIn(s.vault)
	} else {
		cfg.Log.Info("versions are not guarded: no examples to judge them by, or guard: .inf")
	}
	if st.live.Run, err = run.New(cfg, st.live); err != nil {
		return err
	}
	st.Feed = web.NewFeed(st.live.Run.State(), st.live.Run.Rounds())
	return nil
}

// tokens makes and checks the resume tokens of a run.
func (s *Server) tokens(run string) hub.Tokens {
	return hub.Tokens{Secret: s.store.Secret(), Run: run, Life: protocol.TokenLife}
}

// config returns the configuration of the run of a study that has an identity. It goes on
// from what is saved.
func (s *Server) config(st *study, id string, saved *run.Saved) (run.Config, error) {
	t, parameters := st.Task, st.Model.Layout().Size
	number := st.runs.Load()
	stop := st.Stop()
	if id != st.Run() {
		stop = t.RunStop(st.Data.ClassNames()) // that of the run before was extended, perhaps
	}
	earlier, err := told.Before(s.store, t.Name, id)
	if err != nil {
		return run.Config{}, err
	}
	cuts, err := s.cuts(t, id, saved)
	if err != nil {
		return run.Config{}, err
	}
	strat, err := st.Data.LiveStrategy(t, st.Model, choices(s.store.Secret(), id), dataset.Live{Secret: cohortSecret(s.store.Secret(), id), Told: told.Epsilon(earlier), Cuts: cuts})
	if err != nil {
		return run.Config{}, err
	}
	secure, err := t.Privacy.Run(native.Primitives{}, runtime.GOMAXPROCS(0))
	if err != nil {
		return run.Config{}, err
	}
	cfg := run.Config{
		ID: id, Title: t.Title.String(), Seed: t.StartSeed(), OrderSeed: t.SamplingSeed(), Model: st.Model, Strategy: strat, Sums: t.Strategy.Sums(), MaxScale: t.MaxScale, Packing: t.Compress.Run(parameters), Optimiser: t.Optimiser.Learn(),
		Stop:         stop,
		Reproducible: t.Reproducible, EvalEvery: t.EvaluateEvery(), Evaluate: st.Data.Evaluator(st.Model), Validate: st.Data.Validator(st.Model), Judge: st.Data.Judge(t, st.Model), MaxWeight: t.Strategy.MaxWeight, Secure: secure, Journal: s.store, Saved: saved,
		Token: s.tokens(id).Make, TokenLife: protocol.TokenLife, ResumeGrace: resumeGrace, RestartGrace: restartGrace,
		Log:     s.cfg.Log.With("run", id),
		Metered: true, Notify: func(u run.Update) {
			if st.runs.Load() == number { // timers and evaluations of a run outlive its end
				st.Feed.Publish(u)
				st.links.publish(u)
			}
		},
	}
	cfg.Differential = t.Differential(parameters, func(uint64) io.Reader { return rand.Reader }, cuts...)
	if s.node != nil && !s.node.drives(st) {
		cfg.Journal = nil // it is shown, and not started
	}
	if cfg.Differential != nil {
		cfg.Differential.Withhold = true
	}
	if schema := st.Data.Own; schema != nil {
		cfg.Own = &run.Own{Fewest: t.Data.Examples.Participants, Schema: schema, Holdouts: t.Holdouts(), Known: func(c data.Constants) {
			if err := st.Data.SetConstants(c); err != nil {
				cfg.Log.Error("constants of own data", "error", err) // they are of the run's own schema
			}
		}}
	}
	if st.Data.Public {
		cfg.Shards = run.Shards{Source: web.DataPath(t, st.Data), Sizes: st.Data.Sizes(), Divide: true}
	}
	return cfg, nil
}

// cohortSecret is what the cohorts of a live run follow from. The seed of the run
// is public: with it every cohort could be predicted, and joined. This one follows
// from the database's secret, so that a restart repeats the choices.
func cohortSecret(secret []byte, run string) [32]byte { return derived(secret, "cohorts of run "+run) }

// choices is likewise the seed of what a scheme chooses among contributions.
func choices(secret []byte, run string) uint64 {
	key := derived(secret, "choices of run "+run)
	return binary.LittleEndian.Uint64(key[:])
}

// derived returns a key for a purpose.
func derived(secret []byte, purpose string) [32]byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(purpose))
	return [32]byte(h.Sum(nil))
}

// Addr returns the participants' address, HOST:PORT.
func (s *Server) Addr() string { return s.listeners.Addr() }

// organisersLink returns the address of the organisers' page: a link that signs in, if it is
// for a terminal, or the token has just been made. It must not be in the log of a service
// with every start.
func (s *Server) organisersLink(terminal bool) string {
	page := "http://" + s.listeners.AdminAddr() + "/"
	if terminal || s.gate.Fresh() {
		return s.gate.Link(page, access.Organiser)
	}
	return page + " (the token is in " + filepath.Join(s.cfg.Data, "organiser.token") + ")"
}

// Reload reads certificate files, tokens and the file of the site again. Participants stay;
// organisers' sessions of a token that was replaced end.
func (s *Server) Reload() {
	if err := s.gate.Reload(); err != nil {
		s.cfg.Log.Error("tokens not reloaded: those before stay in use", "error", err)
	} else {
		s.cfg.Log.Info("tokens read again")
	}
	if _, err := s.listeners.Reload(); err != nil {
		s.cfg.Log.Error("certificate not reloaded: the one before stays in use", "error", err)
	}
	if _, err := s.organiser.Reload(); err != nil {
		s.cfg.Log.Error("site not reloaded: what it said before stays in use", "error", err)
	}
}

// Run serves until ctx ends, then sends participants a bye, completes pending writes
// and returns.
func (s *Server) Run(ctx context.Context) error {
	defer s.close()
	lives, stopLives := context.WithCancel(context.Background())
	defer stopLives()
	s.startAll(lives)
	if err := s.serveNode(); err != nil {
		return err
	}
	// Event streams last until the server stops, so requests get a context
	// that ends then.
	requests, stopRequests := context.WithCancel(context.Background())
	defer stopRequests()
	served := make(chan error, 1)
	go func() { served <- s.listeners.Serve(requests) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		s.cfg.Log.Info("stopping")
	}
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.handOver()
	deadline, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if e := s.hub.Shutdown(deadline); e != nil {
		s.cfg.Log.Warn("cannot close every session", "error", e)
	}
	stopRequests()
	s.listeners.Shutdown(deadline)
	stopLives()
	s.running.Wait()
	s.cfg.Log.Info("stopped")
	return err
}

// startAll starts the runs that are served, and has those that are added later start too.
func (s *Server) startAll(lives context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lives = lives
	for _, st := range s.studies() {
		s.start(st)
	}
}

// start starts the run of a study; s.mu is held.
func (s *Server) start(st *study) {
	live, leave := context.WithCancel(s.lives)
	st.leave = leave
	s.running.Go(func() { st.live.Serve(live) })
}

func (s *Server) close() {
	if s.listeners != nil {
		s.listeners.Close()
	}
	if s.orders != nil {
		s.orders.Close() // and removes the socket
	}
	if s.vault != nil {
		s.vault.Close()
	}
	if s.node != nil {
		s.node.close()
	}
	if s.store != nil {
		if err := s.store.Close(); err != nil {
			s.cfg.Log.Error("cannot close the database", "error", err)
		}
	}
}
