package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"fedtab/learn/kernel"
	"fedtab/protocol"
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

func versionCommand(_ context.Context, args []string, stdout, _ io.Writer) error {
	fs := flag.NewFlagSet("version", flag.ContinueOnError)
	if err := parse(fs, args, stdout); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "fedtab %s\nprotocol %s\n%s %s/%s\nkernels %s\n",
		build(), protocol.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH, kernel.Name())
	return nil
}
