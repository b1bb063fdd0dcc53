package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout bounds a probe. A coordinator waits for a run for 2 s.
const healthTimeout = 5 * time.Second

func healthCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "health", Short: "ask a coordinator whether it is well, for containers without a shell: exit code 0, or 1 if it is to be restarted",
		Example: examples("coordinator health", "coordinator health --url https://study.example.org/"),
	}
	page := c.Flags().String("url", "http://127.0.0.1:8080/", "address of the page")
	c.RunE = action(func(ctx context.Context, stdout, _ io.Writer) error {
		u, err := url.Parse(*page)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return usageError(fmt.Sprintf("health: --url is %q, want the address of the page, such as http://127.0.0.1:8080/", *page))
		}
		status, problems, err := probe(ctx, u.JoinPath("healthz").String())
		if err == nil && status == "failing" {
			err = fmt.Errorf("%s is %s: %s", *page, status, problems)
		}
		if err == nil {
			fmt.Fprintln(stdout, strings.TrimSuffix(status+": "+problems, ": "))
		}
		return err
	})
	return c
}

// probe returns what a coordinator says of itself.
func probe(ctx context.Context, address string) (status, problems string, err error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", "", err
	}
	r, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", "", err
	}
	defer r.Body.Close()
	var v struct {
		Status   string
		Problems []string
	}
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil || v.Status == "" {
		return "", "", fmt.Errorf("%s answers %s, want that of a coordinator", address, r.Status)
	}
	return v.Status, strings.Join(v.Problems, "; "), nil
}
