package hostile

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"fedtab/api"
	"fedtab/coordinator/hub/hubtest"
	"fedtab/coordinator/store"
	"fedtab/coordinator/swarm"
	"fedtab/learn/data"
	"fedtab/protocol/invite"
)

// Setting is what a world is made of.
type Setting struct {
	Name    string
	Task    string        // a task file without its name; empty: the case makes its worlds itself
	Honest  int           // participants of the crew
	Pace    time.Duration // the crew takes for an order, beside training
	Invited bool          // the crew joins by invite
	Owns    bool          // the crew brings data of its own, see brought
	Shared  bool          // its cases run side by side
	Share   float64       // of a shared world: honest rounds that must be left, percent of the baseline
	Slots   int64         // 0 is 1
}

func (s *Setting) slots() int64 { return cmp.Or(s.Slots, 1) }

// World is a coordinator with a crew of honest participants.
type World struct {
	URL  string // of the WebSocket
	Task string
	Crew *Crew

	code    string       // of the crew's invite; empty: it needs none
	schema  *data.Schema // of the crew's own data; nil: it has none
	http    string
	process *exec.Cmd // nil: it was running already
	dir     string    // of its database and its log; empty: it was running already
	local   bool      // loopback addresses reach it
	next    atomic.Uint32
	base    float64
}

// startTime bounds how long a coordinator takes to listen: it loads MNIST.
const startTime = time.Minute

// open starts a coordinator, or takes the one that is running, and its crew.
func (s *suite) open(ctx context.Context, setting *Setting) (w *World, err error) {
	w = &World{Task: setting.Name, local: true}
	w.next.Store(1)
	if s.URL != "" {
		err = w.attach(ctx, s.URL)
	} else {
		err = w.start(ctx, s, setting)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	if setting.Owns {
		t, err := swarm.OwnTask(ctx, w.URL, setting.Name, nil)
		if err != nil {
			w.Close()
			return nil, err
		}
		w.schema = t.Data.Own
	}
	w.Crew = newCrew(ctx, w, setting.Pace)
	w.Crew.Add(setting.Honest)
	return w, nil
}

// start starts a coordinator in a temporary directory.
func (w *World) start(ctx context.Context, s *suite, setting *Setting) error {
	var err error
	if w.dir, err = os.MkdirTemp("", "fedtab-hostile-"); err != nil {
		return err
	}
	file := filepath.Join(w.dir, setting.Name+".yaml")
	if err := os.WriteFile(file, []byte("name: "+setting.Name+"\n"+setting.Task), 0o644); err != nil {
		return err
	}
	args := append(s.Command[1:len(s.Command):len(s.Command)],
		"serve", "--addr", "127.0.0.1:0", "--data", w.dir, "--task", file, "--count-loopback")
	w.process = exec.CommandContext(ctx, s.Command[0], args...)
	w.process.Cancel = func() error { return w.process.Process.Signal(syscall.SIGTERM) }
	w.process.WaitDelay = 10 * time.Second
	w.process.Stderr = s.Log
	out, err := w.process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := w.process.Start(); err != nil {
		w.process = nil
		return err
	}
	stop := time.AfterFunc(startTime, func() { w.process.Process.Kill() })
	defer stop.Stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	_, rest, ok := strings.Cut(line, "http://")
	host, _, _ := strings.Cut(rest, " ")
	if !ok {
		return fmt.Errorf("the coordinator printed %q (%v), want its address", line, err)
	}
	w.http, w.URL = "http://"+host, "ws://"+host+"/ws"
	if !setting.Invited {
		return nil
	}
	w.code, err = w.invite(ctx, s.Command, invite.MaxUses)
	return err
}

// minParameters is the size of a model with which all breaches and lies can be shown.
const minParameters = 20_001

// attach takes the first task of a running coordinator.
func (w *World) attach(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	ip := net.ParseIP(u.Hostname())
	w.local = u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	w.URL = address
	w.http = map[string]string{"ws": "http://", "wss": "https://"}[u.Scheme] + u.Host + u.Path[:max(strings.LastIndexByte(u.Path, '/'), 0)]
	conn, err := swarm.Dial(ctx, dialerFrom(nil), address)
	if err != nil {
		return fmt.Errorf("cannot connect: %w", err)
	}
	conn.Close()
	var names []api.Card
	if err := w.get(ctx, "/api/tasks", &names); err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%s/api/tasks: empty, want a task", w.http)
	}
	w.Task = names[0].Name
	task, err := w.State(ctx)
	if err != nil {
		return err
	}
	if task.Strategy.Kind != "fedavg" || task.Model.Parameters < minParameters || !task.Data.Public || task.Finished != "" {
		return fmt.Errorf("task %s: strategy %s, %d parameters, public data %t, finished %q, want fedavg, at least %d parameters, public data, and a run that goes on",
			w.Task, task.Strategy.Kind, task.Model.Parameters, task.Data.Public, task.Finished, minParameters)
	}
	return nil
}

// Close ends the crew and the coordinator, and removes its directory.
func (w *World) Close() {
	if w.Crew != nil {
		w.Crew.Stop()
	}
	if w.process != nil {
		w.process.Process.Kill() // nothing of its run is needed
		w.process.Wait()
	}
	if w.dir != "" {
		os.RemoveAll(w.dir)
	}
}

// Address returns an address that no other case attacks from, 127.0.0.2 and so on;
// nil if the coordinator is not on this machine.
func (w *World) Address() net.IP {
	if !w.local {
		return nil
	}
	n := w.next.Add(1)
	return net.IPv4(127, 0, byte(n>>8), byte(n))
}

// get reads JSON from the coordinator.
func (w *World) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, hubtest.Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.http+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return swarm.Refused(w.http+path, response)
	}
	b, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// State asks how the run stands, with its newest ten rounds.
func (w *World) State(ctx context.Context) (t api.Task, err error) {
	return t, w.get(ctx, "/api/tasks/"+w.Task+"?limit=10", &t)
}

// Resident returns the memory of the coordinator's process, in MiB.
func (w *World) Resident() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.process.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		if text, ok := strings.CutPrefix(string(line), "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(text)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status: no VmRSS", w.process.Process.Pid)
}

// eventOverhead is what an entry of the event log takes beside its detail, bytes.
const eventOverhead = 80

// EventBytes returns about how many bytes the event log takes in the database.
func (w *World) EventBytes(ctx context.Context) (n float64, err error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.dir, store.File)+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, "SELECT count(*) * ? + coalesce(sum(length(detail)), 0) FROM events", eventOverhead).Scan(&n)
	return n, err
}
