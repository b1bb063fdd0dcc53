// Package cluster is what the nodes of a cluster share: one log on NATS JetStream, which all that
// a run writes goes through, the leases that say who drives which run, and the vectors of versions.
// See docs/adr/0034-cluster.md.
//
// Log orders what is written; a View writes it to a node's database; a Recorder takes what a
// coordinator would write to its database. Packages stream and link carry participants' messages
// between nodes.
package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Config says which cluster a node belongs to.
type Config struct {
	URL         string // of servers, separated by commas
	Name        string // of the cluster: prefix of its subjects, stream and buckets
	Node        string // name of this node
	Creds       string // file of credentials; empty: none
	CA          string // PEM files
	Cert, Key   string
	SystemCreds string // file of credentials of the system account, to see how servers write; empty: none
	Replicas    int    // of everything
	Unsafe      bool   // start although what is acknowledged may be lost
	Durable     bool   // the servers are known to write before they acknowledge: they are in this process
	ID          string // of the cluster that the node's database belongs to; empty: of none
	Log         *slog.Logger

	systemURL string // with credentials of the system account, for tests
}

// leastVersion is the oldest version of NATS servers that has what a cluster needs.
const leastVersion = "2.12"

// format is the format of records. Nodes whose formats differ cannot share a log.
const format = "1"

// Limits of what a cluster waits for.
const (
	connectTimeout = 5 * time.Second
	setupTimeout   = 30 * time.Second
	leaseTTL       = 4 * time.Second // without being renewed
)

// Cluster is a connection to a cluster.
type Cluster struct {
	cfg     Config
	nc      *nats.Conn
	js      jetstream.JetStream
	stream  jetstream.Stream
	keys    jetstream.KeyValue
	leases  jetstream.KeyValue
	objects jetstream.ObjectStore
	id      string
	secret  []byte
}

var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// Problems returns what is wrong with a configuration, as flags of serve.
func (c Config) Problems() (all []string) {
	bad := func(ok bool, text string, args ...any) {
		if !ok {
			all = append(all, fmt.Sprintf(text, args...))
		}
	}
	bad(nameRule.MatchString(c.Name), "--cluster-name: %q, want 1 to 32 of a-z, 0-9 and -", c.Name)
	bad(c.Node != "" && len(c.Node) <= 64 && !strings.ContainsAny(c.Node, " \t\r\n.*>"), "--cluster-node: %q, want a name of up to 64 characters without spaces, dots, * and >", c.Node)
	bad(c.Replicas >= 1 && c.Replicas <= 5 && c.Replicas%2 == 1, "--cluster-replicas: %d, want 1, 3 or 5", c.Replicas)
	bad(c.Replicas >= 3 || c.Unsafe || IsEmbed(c.URL), "--cluster-replicas: %d, want 3 or more: with fewer, one disk that is lost loses versions; --cluster-unsafe accepts that", c.Replicas)
	bad((c.Cert == "") == (c.Key == ""), "--cluster-cert and --cluster-key: one without the other, want both or none")
	return all
}

// Open connects to a cluster and makes what is missing of it. Every error is one line that says
// what is wrong and what would be right; then nothing has been written.
func Open(ctx context.Context, cfg Config) (*Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	c := &Cluster{cfg: cfg}
	fail := func(err error) (*Cluster, error) {
		c.Close()
		return nil, err
	}
	var err error
	if c.nc, err = nats.Connect(cfg.URL, cfg.options(cfg.Creds)...); err != nil {
		return fail(fmt.Errorf("--cluster %s: %s", cfg.URL, connectWords(err)))
	}
	if v := c.nc.ConnectedServerVersion(); older(v, leastVersion) {
		return fail(fmt.Errorf("--cluster %s: the server is NATS %s, want %s or later", cfg.URL, v, leastVersion))
	}
	if c.js, err = jetstream.New(c.nc); err != nil {
		return fail(fmt.Errorf("--cluster %s: %w", cfg.URL, err))
	}
	// Servers that have just been started have no leader for some seconds.
	for {
		try, stop := context.WithTimeout(ctx, tryTimeout)
		err = c.setUp(try)
		if stop(); err == nil {
			return c, nil
		}
		if !passing(err) {
			return fail(err)
		}
		select {
		case <-ctx.Done():
			return fail(fmt.Errorf("%w: want as many servers as there are replicas, all of them started", err))
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// setUp opens what there is of the cluster, or makes it.
func (c *Cluster) setUp(ctx context.Context) error {
	if _, err := c.js.AccountInfo(ctx); err != nil {
		return fmt.Errorf("--cluster %s: %w", c.cfg.URL, jetstreamWords(err))
	}
	if err := c.durable(); err != nil {
		return err
	}
	found, err := c.find(ctx)
	if err != nil {
		return err
	}
	if !found {
		if c.cfg.ID != "" {
			return fmt.Errorf("--cluster %s: there is no cluster %s, and this node's database belongs to one: want its servers, or another --data", c.cfg.URL, c.cfg.Name)
		}
		if err := c.create(ctx); err != nil {
			return err
		}
	}
	return c.identify(ctx)
}

// passing reports whether an error of servers is one of their start, or of an election.
func passing(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, errSettling) || errors.As(err, &api) && (api.Code == 503 || api.ErrorCode == noPeers || api.ErrorCode == jetstream.ErrorCode(10074)) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders)
}

// errSettling says that something is there, or will be, and not all servers know.
var errSettling = errors.New("the servers do not agree yet")

// noPeers is JetStream's code for fewer servers than replicas.
const noPeers = jetstream.ErrorCode(10005)

// Close ends the connection.
func (c *Cluster) Close() {
	if c.nc != nil {
		c.nc.Close()
	}
}

// NATS is the connection.
func (c *Cluster) NATS() *nats.Conn { return c.nc }

// ID is the identity of the cluster.
func (c *Cluster) ID() string { return c.id }

// Node is the name of this node.
func (c *Cluster) Node() string { return c.cfg.Node }

// Secret is what the nodes make tokens and invites with: 32 bytes.
func (c *Cluster) Secret() []byte { return append([]byte(nil), c.secret...) }

// LinkSubject is where the owner of a task accepts links, in a term.
func (c *Cluster) LinkSubject(task string, term uint64) string {
	return fmt.Sprintf("%s.link.%s.%d", c.cfg.Name, task, term)
}

// NodeSubject is where a node takes organisers' orders.
func (c *Cluster) NodeSubject(node string) string { return c.cfg.Name + ".node." + node }

// options are those of every connection.
func (cfg Config) options(creds string) []nats.Option {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	all := []nats.Option{
		nats.Name("fedtab " + cfg.Node), nats.Timeout(connectTimeout), nats.MaxReconnects(-1), nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, 250*time.Millisecond), nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2), nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("the cluster's servers are out of reach, trying again", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("connected to the cluster again", "server", nc.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("cluster", "error", err) }),
	}
	if creds != "" {
		all = append(all, nats.UserCredentials(creds))
	}
	if cfg.CA != "" {
		all = append(all, nats.RootCAs(cfg.CA))
	}
	if cfg.Cert != "" {
		all = append(all, nats.ClientCert(cfg.Cert, cfg.Key))
	}
	return all
}

// connectWords says why servers cannot be connected to, and what would help.
func connectWords(err error) string {
	text := strings.ReplaceAll(err.Error(), "\n", " ")
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired):
		return "the server refuses the credentials: want --cluster-creds of an account of it"
	case strings.Contains(text, "tls:"), strings.Contains(text, "x509:"), errors.Is(err, nats.ErrSecureConnRequired), errors.Is(err, nats.ErrSecureConnWanted):
		return text + ": want --cluster-ca of who has signed the server's certificate, and --cluster-cert and --cluster-key if it asks for one"
	case errors.Is(err, nats.ErrNoServers):
		return "no server answers: want the address of a NATS server, such as nats://127.0.0.1:4222"
	}
	return text
}

// jetstreamWords says why there is no JetStream.
func jetstreamWords(err error) error {
	if without(err) {
		return errors.New("the server has no JetStream for this account: want jetstream {} in its configuration, with sync_interval: always")
	}
	return fmt.Errorf("JetStream does not answer: %w", err)
}

// without reports whether an error says that there is no JetStream.
func without(err error) bool {
	return errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) || errors.Is(err, nats.ErrNoResponders)
}

// older reports whether a version is older than another: 2.9.1 than 2.12.
func older(version, than string) bool {
	var a, b [2]int
	fmt.Sscanf(version, "%d.%d", &a[0], &a[1])
	fmt.Sscanf(than, "%d.%d", &b[0], &b[1])
	return a[0] < b[0] || a[0] == b[0] && a[1] < b[1]
}

// durable checks that every server writes to its disk before it acknowledges. By default
// JetStream does so every two minutes, and a machine that fails loses what it has acknowledged.
func (c *Cluster) durable() error {
	switch {
	case c.cfg.Unsafe || c.cfg.Durable:
		return nil
	case c.cfg.SystemCreds == "" && c.cfg.systemURL == "":
		return fmt.Errorf("--cluster %s: nobody knows whether its servers write before they acknowledge: want --cluster-system-creds, by which that can be seen, or --cluster-unsafe", c.cfg.URL)
	}
	nc, err := nats.Connect(cmp.Or(c.cfg.systemURL, c.cfg.URL), c.cfg.options(c.cfg.SystemCreds)...)
	if err != nil {
		return fmt.Errorf("--cluster-system-creds %s: %s", c.cfg.SystemCreds, connectWords(err))
	}
	defer nc.Close()
	servers, err := servers(nc)
	if err != nil {
		return fmt.Errorf("--cluster-system-creds %s: %w", c.cfg.SystemCreds, err)
	}
	for _, s := range servers {
		if !s.always {
			return fmt.Errorf("--cluster %s: server %s writes to its disk every %v, and acknowledges before: want sync_interval: always in its jetstream {}, or --cluster-unsafe", c.cfg.URL, s.name, s.interval)
		}
	}
	if len(servers) < c.cfg.Replicas {
		return fmt.Errorf("--cluster %s: %d servers with JetStream answer, want %d for that many replicas", c.cfg.URL, len(servers), c.cfg.Replicas)
	}
	return nil
}

// syncing is what a server says of how it writes.
type syncing struct {
	name     string
	always   bool
	interval time.Duration
}

// serverPatience is how long answers of servers are waited for: nobody knows how many come.
const serverPatience = time.Second

// servers asks all servers, over the system account.
func servers(nc *nats.Conn) (all []syncing, err error) {
	inbox := nats.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer sub.Unsubscribe()
	if err := nc.PublishRequest("$SYS.REQ.SERVER.PING.VARZ", inbox, nil); err != nil {
		return nil, err
	}
	for end := time.Now().Add(serverPatience); ; {
		m, err := sub.NextMsg(time.Until(end))
		if errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) || m != nil && len(m.Data) == 0 {
			break
		}
		if err != nil {
			return nil, err
		}
		var v struct {
			Server struct {
				Name string `json:"name"`
			} `json:"server"`
			Data struct {
				JetStream struct {
					Config *struct {
						SyncInterval time.Duration `json:"sync_interval"`
						SyncAlways   bool          `json:"sync_always"`
					} `json:"config"`
				} `json:"jetstream"`
			} `json:"data"`
		}
		if err := json.Unmarshal(m.Data, &v); err != nil {
			return nil, fmt.Errorf("answer of a server: %w", err)
		}
		if s := v.Data.JetStream.Config; s != nil {
			all = append(all, syncing{v.Server.Name, s.SyncAlways, s.SyncInterval})
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no server tells of its JetStream: want credentials of the system account")
	}
	return all, nil
}

// names of what a cluster has.
func (c *Cluster) logName() string    { return c.cfg.Name + "-log" }
func (c *Cluster) keysName() string   { return c.cfg.Name + "-keys" }
func (c *Cluster) leasesName() string { return c.cfg.Name + "-leases" }
func (c *Cluster) objectsName() string {
	return c.cfg.Name + "-objects"
}

// logConfig is the log's stream.
func (c *Cluster) logConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: c.logName(), Description: "what fedtab coordinators have written", Subjects: []string{c.cfg.Name + ".log.>"},
		Storage: jetstream.FileStorage, Replicas: c.cfg.Replicas, Duplicates: 2 * time.Minute, DenyDelete: true, DenyPurge: true,
		Discard:  jetstream.DiscardNew, // when it is full, nothing old goes
		Metadata: map[string]string{"fedtab-format": format},
	}
}

// find opens what there is of a cluster, and reports whether there is one.
func (c *Cluster) find(ctx context.Context) (bool, error) {
	var err error
	c.stream, err = c.js.Stream(ctx, c.logName())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("--cluster %s: stream %s: %w", c.cfg.URL, c.logName(), err)
	}
	is := c.stream.CachedInfo().Config
	wrong := func(what string, got, want any) error {
		return fmt.Errorf("--cluster %s: stream %s has %s %v, want %v: set it with nats stream edit, or choose another --cluster-name", c.cfg.URL, c.logName(), what, got, want)
	}
	switch {
	case is.Metadata["fedtab-format"] == "":
		return false, wrong("no format of fedtab's, but the subjects", is.Subjects, "a stream that a coordinator has made")
	case is.Metadata["fedtab-format"] != format:
		return false, fmt.Errorf("--cluster %s: stream %s has records of format %s, want %s: want a coordinator of the version that wrote them", c.cfg.URL, c.logName(), is.Metadata["fedtab-format"], format)
	case is.Storage != jetstream.FileStorage:
		return false, wrong("storage", is.Storage, jetstream.FileStorage)
	case is.Replicas < c.cfg.Replicas:
		return false, wrong("replicas", is.Replicas, c.cfg.Replicas)
	case is.PersistMode != jetstream.DefaultPersistMode && !c.cfg.Unsafe:
		return false, wrong("persist mode", is.PersistMode, "default")
	case is.Retention != jetstream.LimitsPolicy || is.MaxAge != 0 || is.Discard != jetstream.DiscardNew:
		return false, wrong("limits that drop records", fmt.Sprintf("(%v, max age %v, discard %v)", is.Retention, is.MaxAge, is.Discard), "none, and discard new")
	}
	if err := c.strict(ctx); err != nil {
		return false, err
	}
	for _, open := range []func() error{
		func() (err error) { c.keys, err = c.js.KeyValue(ctx, c.keysName()); return err },
		func() (err error) { c.leases, err = c.js.KeyValue(ctx, c.leasesName()); return err },
		func() (err error) { c.objects, err = c.js.ObjectStore(ctx, c.objectsName()); return err },
	} {
		if err := open(); err != nil {
			return false, c.notWhole(err)
		}
	}
	return true, nil
}

// notWhole says that a part of the cluster is missing.
func (c *Cluster) notWhole(err error) error {
	return fmt.Errorf("--cluster %s: cluster %s is not whole: %w: want all of what a coordinator has made, or another --cluster-name", c.cfg.URL, c.cfg.Name, err)
}

// strict has buckets and objects read from their leaders. By default any replica answers, also one
// that has not heard of a write that was acknowledged.
func (c *Cluster) strict(ctx context.Context) error {
	for _, name := range []string{"KV_" + c.keysName(), "KV_" + c.leasesName(), "OBJ_" + c.objectsName()} {
		s, err := c.js.Stream(ctx, name)
		if err != nil {
			return c.notWhole(err)
		}
		is := s.CachedInfo().Config
		if !is.AllowDirect {
			continue
		}
		is.AllowDirect = false
		if _, err := c.js.UpdateStream(ctx, is); err != nil {
			return fmt.Errorf("--cluster %s: stream %s: %w", c.cfg.URL, name, err)
		}
	}
	return nil
}

// create makes a cluster. Several nodes may do so at once. The log comes last: who finds it finds
// the rest.
func (c *Cluster) create(ctx context.Context) error {
	replicas := c.cfg.Replicas
	for _, make := range []struct {
		what string
		do   func() error
	}{
		{"bucket " + c.keysName(), func() error {
			_, err := c.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: c.keysName(), Replicas: replicas, Storage: jetstream.FileStorage, History: 1})
			return err
		}},
		{"bucket " + c.leasesName(), func() error {
			_, err := c.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: c.leasesName(), Replicas: replicas, Storage: jetstream.FileStorage, History: 1, TTL: leaseTTL})
			return err
		}},
		{"object store " + c.objectsName(), func() error {
			_, err := c.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: c.objectsName(), Replicas: replicas, Storage: jetstream.FileStorage})
			return err
		}},
		{"stream " + c.logName(), func() error { _, err := c.js.CreateStream(ctx, c.logConfig()); return err }},
	} {
		err := make.do()
		if err != nil && !errors.Is(err, jetstream.ErrBucketExists) && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return fmt.Errorf("--cluster %s: cannot make %s with %d replicas: %w", c.cfg.URL, make.what, replicas, err)
		}
	}
	if found, err := c.find(ctx); err != nil || !found {
		return cmp.Or(err, fmt.Errorf("--cluster %s: stream %s has been made, and is not to be found: %w", c.cfg.URL, c.logName(), errSettling))
	}
	return nil
}

// identify reads the cluster's identity and secret, or makes them, and compares the identity with
// that of the node's database.
func (c *Cluster) identify(ctx context.Context) error {
	id, err := c.once(ctx, "cluster", 8)
	if err != nil {
		return err
	}
	if c.secret, err = c.once(ctx, "secret", 32); err != nil {
		return err
	}
	c.id = hex.EncodeToString(id)
	if c.cfg.ID != "" && c.cfg.ID != c.id {
		return fmt.Errorf("--cluster %s: this is cluster %s, and the node's database belongs to cluster %s: want its servers, or another --data", c.cfg.URL, c.id, c.cfg.ID)
	}
	return nil
}

// once returns what a key holds: random bytes that the first node has drawn.
func (c *Cluster) once(ctx context.Context, key string, n int) ([]byte, error) {
	value := make([]byte, n)
	rand.Read(value)
	_, err := c.keys.Create(ctx, key, value)
	if err == nil {
		return value, nil
	}
	if !errors.Is(err, jetstream.ErrKeyExists) && !wrongSequence(err) {
		return nil, fmt.Errorf("--cluster %s: key %s: %w", c.cfg.URL, key, err)
	}
	e, err := c.keys.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		err = fmt.Errorf("%w: another node is making it", errSettling)
	}
	if err != nil {
		return nil, fmt.Errorf("--cluster %s: key %s: %w", c.cfg.URL, key, err)
	}
	if len(e.Value()) != n {
		return nil, fmt.Errorf("--cluster %s: key %s has %d bytes, want %d: bucket %s is not that of a cluster", c.cfg.URL, key, len(e.Value()), n, c.keysName())
	}
	return e.Value(), nil
}
