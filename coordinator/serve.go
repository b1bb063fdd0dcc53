package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	"fedtab/coordinator/hub"
	"fedtab/coordinator/quota"
	"fedtab/protocol"
)

func serveCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var tasks list
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	cfg := Config{}
	fs.StringVar(&cfg.Addr, "addr", "127.0.0.1:8080", "address to listen on, HOST:PORT")
	fs.StringVar(&cfg.Data, "data", "fedtab-data", "directory of the database, made if it is missing")
	fs.Var(&tasks, "task", "task that ships, or a task file (may be repeated; default mnist-2nn)")
	fs.BoolVar(&cfg.Fresh, "fresh", false, "start new runs, even if earlier ones of the same tasks could continue")
	perAddress := fs.Int("per-address", protocol.MaxPerAddress, "max participants at a time from one address, 0 for no limit; loopback is not limited without --count-loopback")
	fs.StringVar(&cfg.Public, "public-url", "", "address that participants use, http(s)://HOST[:PORT][/PREFIX]; without it only IP addresses and local names are served")
	proxies := fs.String("trusted-proxies", quota.LoopbackProxies, "addresses and networks of the reverse proxies that say for whom they ask, separated by commas")
	countLoopback := fs.Bool("count-loopback", false, "count every loopback address like any other in all limits per address, for tests")
	verbose := fs.Bool("verbose", false, "log every session and contribution")
	if err := parse(fs, args, stdout); err != nil {
		return err
	}
	if *perAddress < 0 {
		return usageError(fmt.Sprintf("serve: --per-address is %d, want 0 or more", *perAddress))
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	cfg.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	cfg.Limits = hub.DefaultLimits()
	cfg.Limits.Allow(*perAddress)
	cfg.Limits.Addresses.CountLoopback = *countLoopback
	var err error
	if cfg.Limits.Addresses.Proxies, err = quota.ParseProxies(*proxies, cfg.Log); err != nil {
		return usageError(fmt.Sprintf("serve: --trusted-proxies: %v", err))
	}
	cfg.Tasks = tasks
	if len(cfg.Tasks) == 0 {
		cfg.Tasks = []string{"mnist-2nn"}
	}
	if os.Getenv("GOGC") == "" {
		// Most of the heap is long-lived: trade processor time for memory.
		debug.SetGCPercent(25)
	}
	s, err := NewServer(cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "fedtab is at http://%s (data in %s)\n", s.Addr(), cfg.Data)
	if cfg.Public != "" {
		fmt.Fprintf(stdout, "participants use %s\n", cfg.Public)
	}
	return s.Run(ctx)
}
