package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"fedtab/learn/kernel"
	"fedtab/protocol"

	"github.com/spf13/cobra"
)

// build returns the version that the linker was given, with the commit if the build
// recorded it.
func build() string {
	v := version
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += " (" + s.Value[:min(12, len(s.Value))] + ")"
			}
		}
	}
	return v
}

// version is set by the Makefile.
var version = "0.1.0-dev"

func versionCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "version", Short: "print the version, the protocol, the Go version and the kernels",
		Example: examples("coordinator version --json"),
	}
	asJSON := jsonFlag(c.Flags())
	c.RunE = action(func(_ context.Context, stdout, _ io.Writer) error {
		if *asJSON {
			return printJSON(stdout, map[string]string{
				"version": build(), "protocol": protocol.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "kernels": kernel.Name(),
			})
		}
		fmt.Fprintf(stdout, "fedtab %s\nprotocol %s\n%s %s/%s\nkernels %s\n",
			build(), protocol.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, kernel.Name())
		return nil
	})
	return c
}
