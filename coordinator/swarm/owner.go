package swarm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"

	"fedtab/api"
	"fedtab/client"
	"fedtab/learn/data"
	"fedtab/protocol"
)

// An Owner is a participant with data of its own, which never leaves the process.
type Owner struct {
	URL    string    // of the page or the WebSocket, see SocketURL
	Task   *api.Task // as OwnTask returns it
	Invite string    // code of an invite, for a task that is joined by invite
	Data   *data.Own // read under the task's schema
	Log    *slog.Logger
	Secure *client.Secure // of a member; nil: of a participant that signs nothing
}

// End is how an Owner's part in a run has ended.
type End struct {
	Finished           string // why the run is over; empty if it is not
	Accepted, Rejected int    // contributions
	Evaluated          *client.Evaluation
	Constants          *data.Constants // that standardise the owner's numbers; nil: never known
}

// Run takes part until the run is over or ctx ends, when it leaves. It reconnects as the
// same participant, and the log says why. An error says why it can not take part.
func (o Owner) Run(ctx context.Context) (End, error) {
	socket, err := SocketURL(o.URL)
	if err != nil {
		return End{}, err
	}
	secure := o.Secure
	if secure == nil {
		secure = Secure()
	}
	c := client.New(client.Config{Name: "fedtab-client", Task: o.Task.Name, Invite: o.Invite, Secure: secure})
	if err := c.SetOwn(o.Data); err != nil {
		return End{}, err
	}
	way := newLink(socket, o.Log)
	watched, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { way.watch(watched) })
	s := &stay{
		url: socket, task: o.Task.Name, client: c, way: way, leaves: true, only: o.Task.Run,
		onMessage: func(protocol.Message, bool) {},
	}
	err = s.run(ctx)
	stop()
	watching.Wait()
	p := c.Progress()
	end := End{Accepted: p.Accepted, Rejected: p.Rejected, Evaluated: c.Evaluated(), Constants: c.Constants()}
	var ended over
	if errors.As(err, &ended) {
		end.Finished, err = string(ended), nil
	}
	return end, err
}

// OwnTask returns the task with a name from a coordinator, which is waited for while it
// starts. Without a name it is the only one for which participants bring data. The error
// lists the tasks if there is no such one.
func OwnTask(ctx context.Context, address, name string, log *slog.Logger) (*api.Task, error) {
	socket, err := SocketURL(address)
	if err != nil {
		return nil, err
	}
	way := newLink(socket, log)
	var names []api.Card
	for attempts := 1; ; attempts++ {
		if err = get(ctx, socket, "/api/tasks", &names); err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := way.failed(err, false, attempts); err != nil {
			return nil, err
		}
		pause(ctx, protocol.Backoff(attempts-1, rand.Float64()))
	}
	var own []*api.Task
	var others []string
	for _, n := range names {
		if name != "" && n.Name != name {
			others = append(others, n.Name)
			continue
		}
		t := new(api.Task)
		if err := get(ctx, socket, "/api/tasks/"+n.Name, t); err != nil {
			return nil, err
		}
		if t.Data.Own == nil {
			others = append(others, n.Name+" (whose data the coordinator has)")
			continue
		}
		if err := t.Data.Own.Check(); err != nil {
			return nil, fmt.Errorf("task %s: %w", n.Name, err)
		}
		own = append(own, t)
	}
	switch {
	case len(own) == 1:
		return own[0], nil
	case len(own) == 0 && name == "":
		return nil, fmt.Errorf("no task takes data of participants: the coordinator has %s", listed(others))
	case len(own) == 0 && slices.Contains(others, name+" (whose data the coordinator has)"):
		return nil, fmt.Errorf("task %s takes no data of participants: the coordinator has its data", name)
	case len(own) == 0:
		return nil, fmt.Errorf("no task is called %s: the coordinator has %s", name, listed(others))
	}
	var several []string
	for _, t := range own {
		several = append(several, t.Name)
	}
	return nil, &SeveralTasksError{several}
}

// SeveralTasksError is returned where one of several tasks must be chosen.
type SeveralTasksError struct{ Names []string }

// Error lists the tasks.
func (e *SeveralTasksError) Error() string {
	return "several tasks take data of participants: " + strings.Join(e.Names, ", ")
}

// listed lists names; there may be none.
func listed(names []string) string {
	if len(names) == 0 {
		return "no other"
	}
	return strings.Join(names, ", ")
}

// answerLimit is the max size of an answer of the API, in bytes: a schema of 4,096
// columns with their values.
const answerLimit = 32 << 20

// get reads an answer of the API beside a WebSocket.
func get(ctx context.Context, socket, path string, into any) error {
	u, err := besideURL(socket, path)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, protocol.HelloTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return Refused(u, response)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, answerLimit)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w, want the API of a coordinator", u, err)
	}
	return nil
}
