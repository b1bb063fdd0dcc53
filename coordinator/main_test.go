package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"fedtab/coordinator/hub/hubtest"
)

// asCoordinator is an environment variable: the test binary then runs the
// coordinator, so that tests can start, kill and measure processes.
const asCoordinator = "FEDTAB_TEST_AS_COORDINATOR"

func TestMain(m *testing.M) {
	if os.Getenv(asCoordinator) != "" {
		main()
		return
	}
	if url := os.Getenv(asCrowd); url != "" {
		fmt.Fprintln(os.Stderr, playCrowd(url))
		os.Exit(1)
	}
	flag.Parse()
	// Parallel cases wait for time-outs, not for processors.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		flag.Set("test.parallel", "16")
	}
	os.Exit(m.Run())
}

// command returns a coordinator process that has not started. Its log goes to the
// test's output.
func coordinator(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), asCoordinator+"=1")
	c.Stdout, c.Stderr = t.Output(), t.Output()
	return c
}

// freeAddress returns a loopback address without a listener.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// waitFor waits for a condition.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(hubtest.Patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", hubtest.Patience, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
