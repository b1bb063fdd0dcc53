package main

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// resource has the fields of Kubernetes' resources that are checked.
type resource struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Replicas       int
		ServiceName    string `yaml:"serviceName"`
		MaxUnavailable int    `yaml:"maxUnavailable"`
		Type           string
		ClusterIP      string    `yaml:"clusterIP"`
		Selector       yaml.Node // of a Service labels, of others matchLabels
		PodSelector    yaml.Node `yaml:"podSelector"`
		Ports          []struct {
			Name   string
			Port   int
			Target string `yaml:"targetPort"`
		}
		Template             pod
		VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
		Rules                []struct {
			HTTP struct {
				Paths []struct {
					Backend struct {
						Service struct {
							Name string
							Port struct{ Name string }
						}
					}
				}
			}
		}
	}
}

type pod struct {
	Metadata struct{ Labels map[string]string }
	Spec     struct {
		Grace           int `yaml:"terminationGracePeriodSeconds"`
		SecurityContext struct {
			RunAsNonRoot  bool   `yaml:"runAsNonRoot"`
			FSGroupPolicy string `yaml:"fsGroupChangePolicy"`
		} `yaml:"securityContext"`
		Spread []struct {
			Key string `yaml:"topologyKey"`
		} `yaml:"topologySpreadConstraints"`
		Containers []container
		Volumes    []struct{ Name string }
	}
}

type container struct {
	Name, Image    string
	Args           []string
	Ports          []containerPort
	StartupProbe   probeOf `yaml:"startupProbe"`
	ReadinessProbe probeOf `yaml:"readinessProbe"`
	LivenessProbe  probeOf `yaml:"livenessProbe"`
	Lifecycle      struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	}
	VolumeMounts []struct {
		Name string
		Path string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

type containerPort struct {
	Name   string
	Number int `yaml:"containerPort"`
}

type probeOf struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// port returns the number of a port by its name, 0 if there is none.
func (c *container) port(name string) int {
	for _, p := range c.Ports {
		if p.Name == name {
			return p.Number
		}
	}
	return 0
}

// labels returns the labels that a selector wants.
func labels(t *testing.T, n *yaml.Node) map[string]string {
	t.Helper()
	var wrapped struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	}
	if n.Decode(&wrapped) == nil && wrapped.MatchLabels != nil {
		return wrapped.MatchLabels
	}
	var plain map[string]string
	if err := n.Decode(&plain); err != nil {
		t.Error(err)
	}
	return plain
}

// kubernetes returns all resources of the manifests, and checks that kustomization.yaml lists
// every file.
func kubernetes(t *testing.T) []resource {
	t.Helper()
	dir := deployment + "kubernetes/"
	var k struct {
		Namespace          string
		Resources          []string
		ConfigMapGenerator []struct {
			Name  string
			Files []string
		} `yaml:"configMapGenerator"`
		Images []struct{ Name string }
	}
	if err := yaml.Unmarshal(readFile(t, dir+"kustomization.yaml"), &k); err != nil {
		t.Fatal(err)
	}
	listed := append([]string{"kustomization.yaml"}, k.Resources...)
	for _, g := range k.ConfigMapGenerator {
		listed = append(listed, g.Files...)
	}
	files, err := filepath.Glob(dir + "*")
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no files (%v)", dir, err)
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	slices.Sort(listed)
	if !slices.Equal(listed, names) {
		t.Errorf("kustomization.yaml lists %v, want the files %v", listed, names)
	}
	if k.Namespace != "fedtab" || len(k.Images) != 1 || k.Images[0].Name != "fedtab" {
		t.Errorf("kustomization.yaml: namespace %s, images %v, want fedtab and fedtab", k.Namespace, k.Images)
	}
	var all []resource
	for _, name := range k.Resources {
		d := yaml.NewDecoder(bytes.NewReader(readFile(t, dir+name)))
		for {
			var r resource
			if err := d.Decode(&r); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if r.Kind == "" || r.Metadata.Name == "" || r.Kind == "Secret" {
				t.Errorf("%s: resource %s %q, want a kind and a name, and no secrets in files", name, r.Kind, r.Metadata.Name)
			}
			all = append(all, r)
		}
	}
	return all
}

// find returns the resource of a kind and a name.
func find(t *testing.T, all []resource, kind, name string) *resource {
	t.Helper()
	for i := range all {
		if all[i].Kind == kind && all[i].Metadata.Name == name {
			return &all[i]
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

func TestDeploymentKubernetes(t *testing.T) {
	all := kubernetes(t)
	nats, nodes := find(t, all, "StatefulSet", "nats"), find(t, all, "StatefulSet", "coordinator")
	if nats.Spec.Replicas != 3 || nodes.Spec.Replicas < 2 {
		t.Errorf("%d NATS servers and %d coordinators, want 3 and at least 2", nats.Spec.Replicas, nodes.Spec.Replicas)
	}
	for _, set := range []*resource{nats, nodes} {
		checkSet(t, all, set)
	}
	for i := range all {
		if r := &all[i]; r.Kind == "Service" {
			checkService(t, r, nats, nodes)
		}
	}

	server, node := &nats.Spec.Template.Spec.Containers[0], &nodes.Spec.Template.Spec.Containers[0]
	if !pinned.MatchString(server.Image) || node.Image != "fedtab" {
		t.Errorf("images %s and %s, want a version of NATS and fedtab", server.Image, node.Image)
	}
	conf := natsConf(t, deployment+"kubernetes/nats.conf")
	checkNATS(t, conf)
	var routes []string
	for i := range nats.Spec.Replicas {
		routes = append(routes, "nats-"+strconv.Itoa(i)+".nats.fedtab.svc")
	}
	if want := "nats://" + strings.Join(routes, ":6222 nats://") + ":6222"; conf["cluster.routes"] != want {
		t.Errorf("routes %s, want %s", conf["cluster.routes"], want)
	}
	for name, key := range map[string]string{"client": "listen", "monitor": "http", "route": "cluster.listen"} {
		if want := "0.0.0.0:" + strconv.Itoa(server.port(name)); conf[key] != want {
			t.Errorf("nats.conf: %s is %s, want port %s of the container, %s", key, conf[key], name, want)
		}
	}
	if conf["tls.cert_file"] == "" || conf["cluster.tls.cert_file"] == "" {
		t.Error("nats.conf: no TLS for clients or between servers")
	}

	flags := flagsOf(t, node.Args)
	hosts, ports := servers(t, flags["cluster"], "tls")
	if !slices.Equal(hosts, routes) || slices.ContainsFunc(ports, func(p int) bool { return p != server.port("client") }) {
		t.Errorf("--cluster names %v %v, want %v and port %d", hosts, ports, routes, server.port("client"))
	}
	if flags["cluster-replicas"] != "3" || flags["cluster-node"] != "$(POD_NAME)" {
		t.Errorf("--cluster-replicas=%s --cluster-node=%s, want 3 and the pod's name", flags["cluster-replicas"], flags["cluster-node"])
	}
	for name, port := range map[string]string{"addr": "http", "admin-addr": "admin"} {
		if want := "0.0.0.0:" + strconv.Itoa(node.port(port)); flags[name] != want {
			t.Errorf("--%s=%s, want port %s of the container, %s", name, flags[name], port, want)
		}
	}
	for _, name := range []string{"data", "cluster-creds", "cluster-system-creds", "cluster-ca"} {
		mounted := false
		for _, m := range node.VolumeMounts {
			mounted = mounted || flags[name] == m.Path || strings.HasPrefix(flags[name], m.Path+"/")
		}
		if !mounted {
			t.Errorf("--%s=%s is on no volume", name, flags[name])
		}
	}
	if p := nodes.Spec.Template.Spec.SecurityContext.FSGroupPolicy; p != "OnRootMismatch" {
		t.Errorf("fsGroupChangePolicy: %s, want OnRootMismatch: the coordinator refuses tokens that its group may read", p)
	}
	routesOf := string(readFile(t, "web/web.go"))
	for _, p := range []struct {
		got, want string
	}{
		{node.StartupProbe.HTTPGet.Path, "/healthz"}, {node.LivenessProbe.HTTPGet.Path, "/healthz"}, {node.ReadinessProbe.HTTPGet.Path, "/readyz"},
	} {
		if p.got != p.want || !strings.Contains(routesOf, `"GET `+p.want+`"`) {
			t.Errorf("a probe asks %s, want %s, and that the coordinator has it", p.got, p.want)
		}
	}
	// 10 s is what a coordinator takes to end.
	if sleep, grace := node.Lifecycle.PreStop.Sleep.Seconds, nodes.Spec.Template.Spec.Grace; sleep == 0 || grace < 2*(sleep+10) {
		t.Errorf("a pod waits for %d s and is killed after %d, want a wait and twice the time that it takes", sleep, grace)
	}

	backend := find(t, all, "Ingress", "coordinator").Spec.Rules[0].HTTP.Paths[0].Backend.Service
	if s := find(t, all, "Service", backend.Name); s.Spec.Ports[0].Name != backend.Port.Name || s.Spec.Ports[0].Target != "http" {
		t.Errorf("the ingress leads to %v, want the port of participants", backend)
	}
}

// checkSet checks what every StatefulSet must have.
func checkSet(t *testing.T, all []resource, set *resource) {
	t.Helper()
	name, spec := set.Metadata.Name, &set.Spec.Template.Spec
	if got := labels(t, &set.Spec.Selector)["app"]; got != name || set.Spec.Template.Metadata.Labels["app"] != name {
		t.Errorf("%s: selects %s and labels %v, want its name", name, got, set.Spec.Template.Metadata.Labels)
	}
	if find(t, all, "Service", set.Spec.ServiceName).Spec.ClusterIP != "None" {
		t.Errorf("%s: service %s has an address, want a headless one", name, set.Spec.ServiceName)
	}
	budget := find(t, all, "PodDisruptionBudget", name)
	if budget.Spec.MaxUnavailable != 1 || labels(t, &budget.Spec.Selector)["app"] != name {
		t.Errorf("%s: its budget allows %d, want 1", name, budget.Spec.MaxUnavailable)
	}
	if p := find(t, all, "NetworkPolicy", name); labels(t, &p.Spec.PodSelector)["app"] != name {
		t.Errorf("%s: its network policy is another's", name)
	}
	if len(spec.Spread) == 0 || !spec.SecurityContext.RunAsNonRoot || spec.Grace < 30 || len(set.Spec.VolumeClaimTemplates) == 0 {
		t.Errorf("%s: want a spread, no root, 30 s to end and a disk", name)
	}
	var volumes []string
	for _, v := range spec.Volumes {
		volumes = append(volumes, v.Name)
	}
	for _, v := range set.Spec.VolumeClaimTemplates {
		volumes = append(volumes, v.Metadata.Name)
	}
	c := &spec.Containers[0]
	for _, m := range c.VolumeMounts {
		if !slices.Contains(volumes, m.Name) {
			t.Errorf("%s: no volume %s", name, m.Name)
		}
	}
	for _, p := range []probeOf{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		if c.port(p.HTTPGet.Port) == 0 {
			t.Errorf("%s: a probe asks port %q, which the container does not have", name, p.HTTPGet.Port)
		}
	}
}

// checkService checks that a service leads to ports of its pods, and the admin port to no
// address.
func checkService(t *testing.T, s *resource, sets ...*resource) {
	t.Helper()
	if s.Spec.Type != "" {
		t.Errorf("service %s is a %s, want one inside", s.Metadata.Name, s.Spec.Type)
	}
	for _, set := range sets {
		if set.Metadata.Name != labels(t, &s.Spec.Selector)["app"] {
			continue
		}
		c := &set.Spec.Template.Spec.Containers[0]
		for _, p := range s.Spec.Ports {
			number := p.Port
			if p.Target != "" {
				number = c.port(p.Target)
			}
			if i := slices.IndexFunc(c.Ports, func(q containerPort) bool { return q.Number == number }); i < 0 {
				t.Errorf("service %s leads to port %d, which its pods do not have", s.Metadata.Name, p.Port)
			} else if c.Ports[i].Name == "admin" && s.Spec.ClusterIP != "None" {
				t.Errorf("service %s gives the admin port an address", s.Metadata.Name)
			}
		}
		return
	}
	t.Errorf("service %s selects no pods", s.Metadata.Name)
}
