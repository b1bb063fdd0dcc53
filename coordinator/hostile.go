package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"

	"fedtab/coordinator/hostile"

	"github.com/spf13/cobra"
)

// errHostile is returned when cases have failed; their lines say which.
type errHostile int

func (e errHostile) Error() string { return fmt.Sprintf("hostile: %d cases failed", int(e)) }

func hostileCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "hostile", Short: "attack a coordinator and measure what honest participants lose",
		Example: examples("coordinator hostile --list", "coordinator hostile --only liars/"),
	}
	fs := c.Flags()
	o := hostile.Options{Log: io.Discard}
	fs.StringVar(&o.URL, "url", "", "WebSocket of a running coordinator whose first task is attacked, ws://HOST:PORT/ws; empty starts coordinators")
	own := fs.Bool("i-own-this-server", false, "attack a coordinator that is not on this machine")
	fs.BoolVar(&o.Long, "long", false, "run the long form: more cases, rounds and seeds")
	only := fs.String("only", "", "run only the cases whose name matches this regular expression")
	list := fs.Bool("list", false, "print the names of the cases and what they attack")
	verbose := fs.Bool("verbose", false, "print what the coordinators log")
	asJSON := jsonFlag(fs)
	c.RunE = action(func(ctx context.Context, stdout, stderr io.Writer) error {
		o.Out = stdout
		if *asJSON && !*list {
			return usageError("hostile: --json is given without --list, want them together")
		}
		if *list && *asJSON {
			all := []map[string]string{}
			for _, c := range hostile.Cases() {
				all = append(all, map[string]string{"name": c.Name, "about": c.About})
			}
			return printJSON(stdout, all)
		}
		if *list {
			for _, c := range hostile.Cases() {
				fmt.Fprintf(stdout, "%-45s %s\n", c.Name, c.About)
			}
			return nil
		}
		if o.URL != "" {
			u, err := url.Parse(o.URL)
			if err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" {
				return usageError(fmt.Sprintf("hostile: --url: %q, want ws://HOST:PORT/ws", o.URL))
			}
			if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) && !*own {
				return usageError(fmt.Sprintf("hostile: --url: %s is not on this machine, want --i-own-this-server if it is yours", u.Host))
			}
		}
		if *only != "" {
			var err error
			if o.Only, err = regexp.Compile(*only); err != nil {
				return usageError(fmt.Sprintf("hostile: --only: %v", err))
			}
			if !slices.ContainsFunc(hostile.Cases(), func(c hostile.Case) bool { return o.Only.MatchString(c.Name) }) {
				return usageError(fmt.Sprintf("hostile: --only: no case has a name that matches %q, want one of hostile --list", *only))
			}
		}
		if *verbose {
			o.Log = stderr
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		o.Command = []string{self}
		cases, failed, err := o.Run(ctx)
		if err != nil && cases == 0 {
			return err
		}
		fmt.Fprintf(stdout, "hostile: %d cases, %d failed\n", cases, failed)
		if err == nil && failed > 0 {
			err = errHostile(failed)
		}
		return err
	})
	return c
}
