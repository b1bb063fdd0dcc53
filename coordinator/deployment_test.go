package main

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// deployment is the folder of what sets up a cluster.
const deployment = "../docs/operating/cluster/"

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// flagsOf checks that arguments are those of serve, and returns the flags' values.
func flagsOf(t *testing.T, args []string) map[string]string {
	t.Helper()
	if len(args) == 0 || args[0] != "serve" {
		t.Fatalf("arguments %q, want serve first", args)
	}
	flags, values := serveCommand().Flags(), map[string]string{}
	for _, a := range args[1:] {
		name, value, ok := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		if !ok || !strings.HasPrefix(a, "--") {
			t.Errorf("argument %q, want --FLAG=VALUE", a)
		}
		if flags.Lookup(name) == nil {
			t.Errorf("serve has no flag --%s", name)
		}
		values[name] = value
	}
	return values
}

// servers returns hosts and ports of the value of --cluster.
func servers(t *testing.T, value, scheme string) (hosts []string, ports []int) {
	t.Helper()
	for u := range strings.SplitSeq(value, ",") {
		m := regexp.MustCompile(`^` + scheme + `://([^:]+):(\d+)$`).FindStringSubmatch(u)
		if m == nil {
			t.Fatalf("--cluster names %s, want %s://HOST:PORT", u, scheme)
		}
		n, _ := strconv.Atoi(m[2])
		hosts, ports = append(hosts, m[1]), append(ports, n)
	}
	return hosts, ports
}

// pinned says whether an image has a registry and a whole version.
var pinned = regexp.MustCompile(`^docker\.io/library/[a-z]+:\d+\.\d+\.\d+-alpine$`)

// natsConf reads a configuration of NATS: keys of blocks are joined by dots, elements of lists by
// spaces.
func natsConf(t *testing.T, path string) map[string]string {
	t.Helper()
	values := map[string]string{}
	var blocks []string
	list := ""
	for line := range strings.Lines(string(readFile(t, path))) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
		key, value, _ := strings.Cut(line, " ")
		key = strings.Join(append(slices.Clone(blocks), strings.TrimSuffix(key, ":")), ".")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case line == "]":
			list = ""
		case list != "":
			values[list] = strings.TrimSpace(values[list] + " " + line)
		case line == "}":
			blocks = blocks[:len(blocks)-1]
		case value == "{":
			blocks = append(blocks, strings.TrimSuffix(strings.TrimSuffix(line, " {"), ":"))
		case value == "[":
			list = key
		case value == "":
			t.Fatalf("%s: %q, want a key and a value", path, line)
		default:
			values[key] = strings.Trim(value, `"`)
		}
	}
	if len(blocks) > 0 || list != "" {
		t.Fatalf("%s ends in %v %s", path, blocks, list)
	}
	return values
}

// checkNATS checks what a server of a cluster must have.
func checkNATS(t *testing.T, conf map[string]string) {
	t.Helper()
	for key, want := range map[string]string{
		"jetstream.sync_interval": "always", "jetstream.store_dir": "/data", "include": "accounts.conf", "cluster.name": "fedtab",
	} {
		if conf[key] != want {
			t.Errorf("nats.conf: %s is %q, want %s", key, conf[key], want)
		}
	}
	if name := conf["server_name"]; !strings.HasPrefix(name, "$") {
		t.Errorf("nats.conf: server_name is %s, want a variable: each server has another", name)
	}
}

// The commands of the page have flags that serve has, and what is in secrets/ is neither in git
// nor sent to who builds the image.
func TestDeploymentPage(t *testing.T) {
	page := string(readFile(t, "../docs/operating/cluster.md"))
	flags := serveCommand().Flags()
	n := 0
	for line := range strings.Lines(page) {
		if !strings.Contains(line, "coordinator serve ") {
			continue
		}
		n++
		for _, m := range regexp.MustCompile(` --([a-z-]+)`).FindAllStringSubmatch(line, -1) {
			if flags.Lookup(m[1]) == nil {
				t.Errorf("serve has no flag --%s: %s", m[1], line)
			}
		}
	}
	if n == 0 {
		t.Error("docs/operating/cluster.md has no commands")
	}
	for _, file := range []string{"../.gitignore", "../.dockerignore"} {
		if !strings.Contains(string(readFile(t, file)), "/docs/operating/cluster/secrets") {
			t.Errorf("%s does not leave out the secrets", file)
		}
	}
}
