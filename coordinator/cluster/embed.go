package cluster

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Embedded is a NATS server in this process, for trials: one, or one of several that the
// processes of one machine have.
type Embedded struct {
	server *server.Server
	of     int
	dir    string
}

// embedRule is embed, embed:1/3 or embed:1/3@4222.
var embedRule = regexp.MustCompile(`^embed(?::(\d)/(\d)(?:@(\d{4,5}))?)?$`)

// IsEmbed reports whether an address of a cluster asks for a server in this process.
func IsEmbed(address string) bool { return len(address) >= 5 && address[:5] == "embed" }

// The ports of embedded servers, unless another is given: of clients, and of one another.
const (
	embedPort  = 4222
	routesFrom = 2000 // beyond that of clients
)

// Embed starts the server that an address asks for, with its files in a directory.
func Embed(address, name, dir string) (*Embedded, error) {
	m := embedRule.FindStringSubmatch(address)
	if m == nil {
		return nil, fmt.Errorf("--cluster: %q, want embed, or embed:1/3 for server 1 of 3 on this machine, or embed:1/3@4222 with another first port", address)
	}
	number, of, port := 1, 1, embedPort
	if m[1] != "" {
		number, of = int(m[1][0]-'0'), int(m[2][0]-'0')
	}
	if m[3] != "" {
		port, _ = strconv.Atoi(m[3])
	}
	if number < 1 || number > of || of != 1 && of != 3 && of != 5 || port+routesFrom+of > 65_535 {
		return nil, fmt.Errorf("--cluster: %q, want a server of 1, 3 or 5, and ports up to 65535", address)
	}
	o := &server.Options{
		ServerName: fmt.Sprintf("%s-%d", name, number), Host: "127.0.0.1", Port: port + number - 1,
		JetStream: true, StoreDir: filepath.Join(dir, "nats"), SyncAlways: true, SyncInterval: 2 * time.Minute,
		NoSigs: true, NoLog: true, MaxPayload: 8 << 20,
	}
	if of > 1 {
		o.Cluster = server.ClusterOpts{Name: name, Host: "127.0.0.1", Port: port + routesFrom + number - 1, NoAdvertise: true} // a node goes to the servers that it was given
		for i := range of {
			o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port+routesFrom+i)})
		}
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("--cluster %s: %w", address, err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return nil, fmt.Errorf("--cluster %s: no server on port %d: want a free port there and at %d, or another first port behind @", address, o.Port, port+routesFrom+number-1)
	}
	return &Embedded{server: s, of: of, dir: dir}, nil
}

// URL is where the server is.
func (e *Embedded) URL() string { return e.server.ClientURL() }

// Servers is the number of servers that are to be there.
func (e *Embedded) Servers() int { return e.of }

// Dir is the directory of its files.
func (e *Embedded) Dir() string { return e.dir }

// Close stops the server.
func (e *Embedded) Close() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}
