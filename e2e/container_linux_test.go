package e2e

import (
	"bufio"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The coordinator of docs/operating/Containerfile needs nothing but itself, its data and no
// right to write anywhere else: it runs in a root directory that is empty and read-only, as a
// container from scratch has it.
func TestContainer(t *testing.T) {
	root, data := t.TempDir(), t.TempDir()
	static := filepath.Join(root, "coordinator")
	build := exec.Command("go", "build", "-o", static, "../coordinator")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := elf.Open(static)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the coordinator is not static")
		}
	}

	if err := os.Mkdir(filepath.Join(root, "fedtab-data"), 0o700); err != nil {
		t.Fatal(err)
	}
	// inside is a command in that root directory. The shell becomes the command, so that
	// signals reach it.
	inside := func(args ...string) *exec.Cmd {
		script := `mount --bind "$0" "$0" && mount --bind "$1" "$0/fedtab-data" && mount -o remount,bind,ro "$0" && root=$0 && shift && exec chroot "$root" /coordinator "$@"`
		return exec.Command("unshare", append([]string{"--user", "--map-root-user", "--mount", "sh", "-c", script, root, data}, args...)...)
	}
	if out, err := exec.Command("unshare", "--user", "--map-root-user", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("no user namespaces here: %v %s", err, out)
	}
	c := inside("serve", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0")
	var log lines
	c.Stderr = &log
	endWithTest(c)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(out)
	line, _ := said.ReadString('\n')
	_, at, _ := strings.Cut(line, "://")
	var addr string
	if _, err := fmt.Sscanf(at, "%s", &addr); err != nil {
		c.Wait()
		t.Fatalf("it said %q: %s", line, log.String())
	}
	go io.Copy(io.Discard, said)
	if text, err := inside("health", "--url", "http://"+addr).CombinedOutput(); err != nil || string(text) != "ok\n" {
		t.Errorf("health: %q, %v", text, err)
	}
	if text, err := inside("runs").CombinedOutput(); err != nil || !strings.Contains(string(text), "mnist-2nn-") {
		t.Errorf("runs: %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(data, "fedtab.db")); err != nil {
		t.Error(err)
	}
	c.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(patience, func() { c.Process.Kill() })
	defer kill.Stop()
	if err := c.Wait(); err != nil {
		t.Errorf("it ends with %v: %s", err, log.String())
	}
}
