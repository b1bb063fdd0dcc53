package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"fedtab/coordinator/hub"
	"fedtab/coordinator/quota"
	"fedtab/protocol"

	"github.com/spf13/cobra"
)

// defaultAdmin is the address of organisers.
const defaultAdmin = "127.0.0.1:8081"

// hostName is the name of this machine, without its domain: a name of NATS has no dots.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	name, _, _ = strings.Cut(name, ".")
	return name
}

func serveCommand() *cobra.Command {
	var tasks list
	var hosts string
	c := &cobra.Command{
		Use: "serve", Short: "serve the page and coordinate runs",
		Example: examples("coordinator serve --task mnist-2nn --open", "coordinator serve --task study.yaml --addr 0.0.0.0:8080 --set stop.rounds=50", "coordinator serve --acme study.example --addr :443 --http-addr :80", "coordinator serve --task mnist-2nn --from model.safetensors"),
	}
	fs := c.Flags()
	cfg := Config{}
	fs.StringVar(&cfg.Listen.Addr, "addr", "127.0.0.1:8080", "address of participants, HOST:PORT; with --acme or --tls-cert it speaks TLS")
	fs.StringVar(&cfg.Listen.AdminAddr, "admin-addr", defaultAdmin, "address of organisers, HOST:PORT on this machine: their page and API, which need a token, and metrics; by default another port if this one is in use; empty: none")
	fs.StringVar(&cfg.Listen.HTTPAddr, "http-addr", "", "with TLS, address of plain HTTP, HOST:PORT: it redirects to https and answers ACME's http-01 challenges (default none)")
	fs.StringVar(&cfg.Listen.Cert, "tls-cert", "", "PEM file of a certificate and its chain; read again when it changes, and on SIGHUP")
	fs.StringVar(&cfg.Listen.Key, "tls-key", "", "PEM file of the key of --tls-cert")
	fs.StringVar(&hosts, "acme", "", "names, separated by commas, to get certificates for by ACME, which accepts the directory's terms of service")
	fs.StringVar(&cfg.Listen.ACME.Directory, "acme-directory", "", "URL of the ACME directory (default Let's Encrypt)")
	fs.StringVar(&cfg.Listen.ACME.CA, "acme-ca", "", "PEM file of root certificates to check --acme-directory against (default the system's)")
	fs.StringVar(&cfg.Listen.ACME.Email, "acme-email", "", "contact that the ACME directory is given (default none)")
	fs.StringVar(&cfg.Data, "data", "fedtab-data", "directory of the database, made if it is missing")
	fs.Var(&tasks, "task", "task that ships, or a task file (may be repeated; default mnist-2nn)")
	fs.BoolVar(&cfg.Fresh, "fresh", false, "start new runs, even if earlier ones of the same tasks could continue")
	fs.BoolVar(&cfg.Moved, "moved", false, "go on with runs that have noise although the database is a copy: vouches that the original is not served any more, and has released no version since; once, then leave it out")
	fs.StringVar(&cfg.From, "from", "", "model that a new run starts from, as its version 1: a safetensors file of fedtab or PyTorch, RUN or RUN@VERSION (newest, best or a number), or a task's name for its newest run; a run that has started from it goes on; only with one task")
	perAddress := fs.Int("per-address", protocol.MaxPerAddress, "max participants at a time from one address, 0 for no limit; loopback is not limited without --count-loopback")
	fs.StringVar(&cfg.Public, "public-url", "", "address that participants use, http(s)://HOST[:PORT][/PREFIX]; without it only IP addresses and local names are served")
	fs.StringVar(&cfg.Site, "site", "", "file that says who runs this coordinator, with a contact, a privacy text, a logo and a colour; read again on SIGHUP (default none)")
	proxies := fs.String("trusted-proxies", quota.LoopbackProxies, "addresses and networks of the reverse proxies that say for whom they ask, separated by commas")
	countLoopback := fs.Bool("count-loopback", false, "count every loopback address like any other in all limits per address, for tests")
	fs.Var((*list)(&cfg.Sets), "set", "change a setting of the task, such as stop.rounds=50; only with one task (may be repeated)")
	fs.StringVar(&cfg.Cluster.URL, "cluster", "", "NATS servers by which several coordinators drive the same runs, nats://HOST:PORT, separated by commas; embed: one in this process, for trials; embed:1/3: server 1 of 3 of this machine, embed:1/3@4222 from another port on (default none: this process is alone)")
	fs.StringVar(&cfg.Cluster.Name, "cluster-name", "fedtab", "name of the cluster: two on one account need two names")
	fs.StringVar(&cfg.Cluster.Node, "cluster-node", hostName(), "name of this node, which no other of the cluster has")
	fs.StringVar(&cfg.Cluster.Creds, "cluster-creds", "", "file of NATS credentials (default none)")
	fs.StringVar(&cfg.Cluster.CA, "cluster-ca", "", "PEM file of root certificates to check the servers against (default the system's)")
	fs.StringVar(&cfg.Cluster.Cert, "cluster-cert", "", "PEM file of this node's certificate, if the servers ask for one (default none)")
	fs.StringVar(&cfg.Cluster.Key, "cluster-key", "", "PEM file of the key of --cluster-cert")
	fs.StringVar(&cfg.Cluster.SystemCreds, "cluster-system-creds", "", "file of credentials of the system account, by which the node sees whether servers write before they acknowledge (default none)")
	fs.IntVar(&cfg.Cluster.Replicas, "cluster-replicas", 3, "copies of the log and of versions, each on a server of its own")
	fs.BoolVar(&cfg.Cluster.Unsafe, "cluster-unsafe", false, "start although servers may lose what they have acknowledged")
	open := fs.Bool("open", false, "open the page in the browser of this machine")
	verbose := fs.Bool("verbose", false, "log every round, session and contribution")
	c.RunE = action(func(ctx context.Context, stdout, stderr io.Writer) error {
		if cfg.Data == "" { // would be the working directory
			return usageError(`serve: --data: "", want a directory`)
		}
		if *perAddress < 0 {
			return usageError(fmt.Sprintf("serve: --per-address is %d, want 0 or more", *perAddress))
		}
		if hosts != "" {
			cfg.Listen.ACME.Hosts = strings.Split(hosts, ",")
		}
		if ps := cfg.Listen.Problems(); len(ps) > 0 {
			return usageError("serve: " + strings.Join(ps, "\nserve: "))
		}
		if ps := cfg.Cluster.Problems(); cfg.Cluster.URL != "" && len(ps) > 0 {
			return usageError("serve: " + strings.Join(ps, "\nserve: "))
		}
		level := slog.LevelInfo
		if *verbose {
			level = slog.LevelDebug
		}
		cfg.Log = newLog(stderr, level)
		cfg.Limits = hub.DefaultLimits()
		cfg.Limits.Allow(*perAddress)
		cfg.Limits.Addresses.CountLoopback = *countLoopback
		var err error
		if cfg.Limits.Addresses.Proxies, err = quota.ParseProxies(*proxies, cfg.Log); err != nil {
			return usageError(fmt.Sprintf("serve: --trusted-proxies: %v", err))
		}
		if len(cfg.Sets) > 0 && len(tasks) > 1 {
			return usageError(fmt.Sprintf("serve: --set %s: there are %d tasks, want one, or the change in its file", cfg.Sets[0], len(tasks)))
		}
		if cfg.From != "" && len(tasks) > 1 {
			return usageError(fmt.Sprintf("serve: --from %s: there are %d tasks, want one", cfg.From, len(tasks)))
		}
		cfg.Listen.AnyAdmin = !fs.Changed("admin-addr")
		cfg.Tasks = tasks
		if len(cfg.Tasks) == 0 {
			cfg.Tasks = []string{"mnist-2nn"}
		}
		if os.Getenv("GOGC") == "" {
			// Most of the heap is long-lived: trade processor time for memory.
			debug.SetGCPercent(25)
		}
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
		// The log may go through a pipe to a program that has ended.
		signal.Ignore(syscall.SIGPIPE)
		s, err := NewServer(cfg)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "fedtab is at %s (data in %s)\n", s.listeners.URL(), cfg.Data)
		for _, url := range lanURLs(s.listeners.URL()) {
			fmt.Fprintf(stdout, "other devices in this network open %s\n", url)
		}
		if admin := s.listeners.AdminAddr(); admin != "" {
			fmt.Fprintf(stdout, "organisers open %s\n", s.organisersLink(isTerminal(stdout)))
			fmt.Fprintf(stdout, "metrics are at http://%s/metrics\n", admin)
		}
		s.describe(stdout)
		if *open {
			if err := openBrowser(s.listeners.URL()); err != nil {
				cfg.Log.Warn("--open: no browser could be opened", "error", err)
			}
		}
		ended := make(chan struct{})
		defer close(ended)
		go func() {
			for {
				select {
				case <-hangups:
					cfg.Log.Info("SIGHUP received")
					s.Reload()
				case <-ended:
					return
				}
			}
		}()
		return s.Run(ctx)
	})
	return c
}
