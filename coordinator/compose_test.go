package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// service has the fields of a compose file's services that are checked.
type service struct {
	Image, Hostname string
	Build           struct{ Context, Dockerfile string }
	Command         []string
	Environment     map[string]string
	Volumes, Ports  []string
	Secrets         []string
	DependsOn       yaml.Node `yaml:"depends_on"`
	Networks        yaml.Node
}

func TestDeploymentCompose(t *testing.T) {
	var f struct {
		Services map[string]service
		Volumes  map[string]any
		Secrets  map[string]struct{ File string }
	}
	if err := yaml.Unmarshal(readFile(t, deployment+"compose.yaml"), &f); err != nil {
		t.Fatal(err)
	}
	var nats, nodes []string
	for name, s := range f.Services {
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if _, ok := f.Volumes[from]; !ok && !strings.HasPrefix(from, "./") {
				t.Errorf("%s: no volume %s", name, from)
			} else if file := strings.TrimPrefix(from, "./"); !ok && !strings.HasPrefix(file, "secrets/") {
				readFile(t, deployment+file)
			}
		}
		switch {
		case s.Image == "fedtab":
			nodes = append(nodes, name)
		case !pinned.MatchString(s.Image):
			t.Errorf("%s: image %s, want a whole version", name, s.Image)
		case s.Environment["SERVER_NAME"] != "":
			nats = append(nats, name)
			if s.Environment["SERVER_NAME"] != name || len(s.Ports) > 0 || !slices.Contains(s.Volumes, name+":/data") {
				t.Errorf("%s: named %s, with ports %v and volumes %v, want its name, none, and its own", name, s.Environment["SERVER_NAME"], s.Ports, s.Volumes)
			}
		}
	}
	slices.Sort(nats)
	slices.Sort(nodes)
	if len(nats) != 3 || len(nodes) < 2 {
		t.Fatalf("NATS servers %v and coordinators %v, want 3 and at least 2", nats, nodes)
	}
	conf := natsConf(t, deployment+"nats.conf")
	checkNATS(t, conf)
	if want := "nats://" + strings.Join(nats, ":6222 nats://") + ":6222"; conf["cluster.routes"] != want || conf["cluster.listen"] != "0.0.0.0:6222" {
		t.Errorf("routes %s, want %s", conf["cluster.routes"], want)
	}

	proxy := f.Services["proxy"]
	var network struct {
		Front struct {
			Address string `yaml:"ipv4_address"`
		}
	}
	if err := proxy.Networks.Decode(&network); err != nil || network.Front.Address == "" {
		t.Errorf("the proxy has no address (%v), which the coordinators trust", err)
	}
	balancer := string(readFile(t, deployment+"nginx.conf"))
	for _, name := range nodes {
		s := f.Services[name]
		if _, err := os.Stat(filepath.Join(deployment, s.Build.Context, s.Build.Dockerfile)); err != nil || s.Hostname != name {
			t.Errorf("%s is called %s, want its name: %v", name, s.Hostname, err)
		}
		if !strings.Contains(balancer, "server "+name+":8080 ") {
			t.Errorf("the proxy does not pass on to %s", name)
		}
		if len(s.Ports) != 1 || !strings.HasPrefix(s.Ports[0], "127.0.0.1:") || !strings.HasSuffix(s.Ports[0], ":8081") {
			t.Errorf("%s: ports %v, want the admin's at 127.0.0.1", name, s.Ports)
		}
		if !slices.Contains(s.Volumes, name+":/fedtab-data") {
			t.Errorf("%s: volumes %v, want its own", name, s.Volumes)
		}
		flags := flagsOf(t, s.Command)
		hosts, ports := servers(t, flags["cluster"], "nats")
		if !slices.Equal(hosts, nats) || slices.ContainsFunc(ports, func(p int) bool { return conf["listen"] != "0.0.0.0:"+strconv.Itoa(p) }) {
			t.Errorf("--cluster names %v %v, want %v and the port of nats.conf", hosts, ports, nats)
		}
		if flags["trusted-proxies"] != network.Front.Address || flags["data"] != "/fedtab-data" || flags["cluster-replicas"] != "3" {
			t.Errorf("%s: %v, want that the proxy %s is trusted, its volume, and 3 replicas", name, flags, network.Front.Address)
		}
		for _, flag := range []string{"cluster-creds", "cluster-system-creds"} {
			secret := filepath.Base(flags[flag])
			if flags[flag] != "/run/secrets/"+secret || !slices.Contains(s.Secrets, secret) || f.Secrets[secret].File != "./secrets/"+secret {
				t.Errorf("--%s=%s is no secret of %s", flag, flags[flag], name)
			}
		}
	}
	if n := strings.Count(balancer, ":8080 "); n != len(nodes) {
		t.Errorf("the proxy passes on to %d servers, want %d", n, len(nodes))
	}
}
