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

// build names this build: the version that the linker was given, and the
// commit that it was made from where the build knows it.
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
