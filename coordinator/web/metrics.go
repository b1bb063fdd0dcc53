package web

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"fedtab/coordinator/hub"
	"fedtab/coordinator/quota"
	"fedtab/protocol"
	"fedtab/run"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// Sockets is the hub as the web server sees it.
type Sockets interface {
	http.Handler // takes WebSocket handshakes
	Counts() hub.Counts
	Door(r *http.Request) *quota.Refusal // of a handshake from where r comes from, nil if it would be taken
	Refused(why string)                  // counts a handshake that was refused before
}

// askTimeout bounds how long a scrape or a probe waits for a run's owner, which
// answers in microseconds unless something is badly wrong.
const askTimeout = 2 * time.Second

// metrics serves the figures of all runs and sockets in Prometheus' format.
// They are read when they are asked for; nothing counts twice.
func metrics(studies *Studies, sockets Sockets, proxies *quota.Proxies) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		&collector{studies, sockets, proxies},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(gatherer{registry, studies}, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// gatherer leaves out the bytes of the process while it serves a run with noise: they add up who
// was drawn.
type gatherer struct {
	all     prometheus.Gatherer
	studies *Studies
}

// Gather implements prometheus.Gatherer.
func (g gatherer) Gather() ([]*dto.MetricFamily, error) {
	families, err := g.all.Gather()
	if g.studies.withhold() {
		families = slices.DeleteFunc(families, func(f *dto.MetricFamily) bool { return strings.HasPrefix(f.GetName(), "process_network_") })
	}
	return families, err
}

// withhold reports whether a run with noise is among the studies.
func (s *Studies) withhold() bool {
	return slices.ContainsFunc(s.All(), func(st *Study) bool { return st.Task.Privacy.Differential() })
}

// collector turns what runs and hub tell into metrics.
type collector struct {
	studies *Studies
	sockets Sockets
	proxies *quota.Proxies
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fedtab_"+name, help, labels, nil)
}

var (
	sessionsDesc = desc("sessions", "WebSocket sessions that are open.")
	closedDesc   = desc("sessions_closed_total", "Sessions that have ended, by close code; 1000 are those that were left or lost.", "code", "reason")
	refusedDesc  = desc("handshakes_refused_total", "WebSocket handshakes that were refused, by reason.", "reason")
	proxyDesc    = desc("proxy_headers_invalid_total", "Requests of trusted proxies whose headers name no client, or contradict each other.")
	ignoredDesc  = desc("messages_unknown_total", "Messages of kinds that this coordinator does not know.")
	skippedDesc  = desc("bodies_skipped_total", "Bodies of contributions that were not wanted and not kept.")

	participantsDesc = desc("participants", "Participants present, or lost and still waited for.", "task", "run")
	roundDesc        = desc("round", "The round that is open, or the last one.", "task", "run")
	versionDesc      = desc("version", "Newest committed version.", "task", "run")
	phaseDesc        = desc("phase", "1 for the phase that the run is in.", "task", "run", "phase")
	accuracyDesc     = desc("test_accuracy", "Test accuracy of the version evaluated last, 0 to 1.", "task", "run")
	balancedDesc     = desc("test_balanced_accuracy", "Mean of the classes' recalls of the version evaluated last, 0 to 1.", "task", "run")
	f1Desc           = desc("test_f1", "Mean of the classes' F1 of the version evaluated last, 0 to 1.", "task", "run")
	rmseDesc         = desc("test_rmse", "Root of the mean squared test error of the version evaluated last, in the unit of the target.", "task", "run")
	maeDesc          = desc("test_mae", "Mean absolute test error of the version evaluated last, in the unit of the target.", "task", "run")
	r2Desc           = desc("test_r2", "Share of the test targets' variance that the version evaluated last explains.", "task", "run")
	lossDesc         = desc("test_loss", "Mean test loss of the version evaluated last.", "task", "run")
	// Bits for a parameter and the ratio to raw float32 follow from these, over any
	// period of time:
	//
	//	8 * rate(fedtab_bytes_total[5m]) / (rate(fedtab_models_total[5m]) * on (task, run) group_left () fedtab_parameters)
	parametersDesc = desc("parameters", "Parameters of the model.", "task", "run")
	bytesDesc      = desc("bytes_total", "Bytes of WebSocket data frames of the run.", "task", "run", "direction")
	kindBytesDesc  = desc("message_bytes_total", "Bytes of WebSocket data frames of the run, by kind of message.", "task", "run", "direction", "kind")
	messagesDesc   = desc("messages_total", "Messages of the run.", "task", "run", "direction")
	modelsDesc     = desc("models_total", "Vectors as long as the model that were carried in the run.", "task", "run", "direction")
	answersDesc    = desc("contributions_total", "Contributions, by the answer they got.", "task", "run", "reason")
	abandonedDesc  = desc("rounds_abandoned_total", "Attempts at rounds of the run that were given up.", "task", "run")
	rolledBackDesc = desc("rounds_rolled_back_total", "Versions that were not made because they would have diverged.", "task", "run")
	failuresDesc   = desc("store_failures_total", "Writes to the database that failed since this process began.", "task", "run")
	storeDesc      = desc("store_up", "1 while the last write to the database has worked.", "task", "run")
	upDesc         = desc("run_up", "1 if the run's owner answers.", "task", "run")
	roleDesc       = desc("cluster_role", "1 for what this node of a cluster is for the run: owner, edge, or vacant if it reaches nobody who drives it.", "task", "run", "role")
)

// refusals are the reasons for which a handshake is refused.
var refusals = []string{"address", "full", "host", "origin", "pace", "proxy", "request", "requests", "stopping"}

// Describe sends nothing: the series depend on what has happened.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	counts := c.sockets.Counts()
	gauge(sessionsDesc, float64(counts.Sessions))
	// What has not happened yet is 0: the first refusal must be an increase.
	for _, code := range protocol.CloseCodes() {
		counts.Closed[code] += 0
	}
	for _, reason := range refusals {
		counts.Refused[reason] += 0
	}
	for code, n := range counts.Closed {
		counter(closedDesc, float64(n), code.Number(), label(code.String()))
	}
	for reason, n := range counts.Refused {
		counter(refusedDesc, float64(n), reason)
	}
	counter(proxyDesc, float64(c.proxies.Invalid()))
	counter(ignoredDesc, float64(counts.Ignored))
	if !c.studies.withhold() { // a late answer is one of those
		counter(skippedDesc, float64(counts.Skipped))
	}

	for _, st := range c.studies.All() {
		is := []string{st.Task.Name, st.Run()}
		with := func(more string) []string { return append(is[:2:2], more) }
		if st.Role != nil {
			gauge(roleDesc, 1, with(st.Role())...)
		}
		ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
		s, err := st.State(ctx)
		cancel()
		if err != nil {
			gauge(upDesc, 0, is...)
			continue
		}
		gauge(upDesc, 1, is...)
		gauge(parametersDesc, float64(st.Model.Layout().Size), is...)
		gauge(participantsDesc, float64(s.Participants), is...)
		gauge(roundDesc, float64(s.Round), is...)
		gauge(versionDesc, float64(s.Version), is...)
		gauge(phaseDesc, 1, with(s.Phase.String())...)
		if e := s.Evaluated; e != nil {
			for _, f := range []struct {
				desc  *prometheus.Desc
				value float64
			}{
				{lossDesc, e.Loss}, {accuracyDesc, e.Accuracy}, {balancedDesc, e.BalancedAccuracy}, {f1Desc, e.F1},
				{rmseDesc, e.RMSE}, {maeDesc, e.MAE}, {r2Desc, e.R2},
			} {
				if !math.IsNaN(f.value) {
					gauge(f.desc, f.value, is...)
				}
			}
		}
		if !s.Withheld {
			c.ledger(counter, with, s.Ledger)
		}
		counter(abandonedDesc, float64(s.Ledger.Abandoned), is...)
		counter(rolledBackDesc, float64(s.Ledger.RolledBack), is...)
		counter(failuresDesc, float64(s.StoreFailed), is...)
		working := 1.0
		if s.StoreError != "" {
			working = 0
		}
		gauge(storeDesc, working, is...)
	}
}

func (c *collector) ledger(counter func(*prometheus.Desc, float64, ...string), with func(string) []string, l run.Ledger) {
	counter(bytesDesc, float64(l.Up), with("up")...)
	counter(bytesDesc, float64(l.Down), with("down")...)
	for k, n := range l.Kinds {
		name := run.KindName(k)
		counter(kindBytesDesc, float64(n.Up), append(with("up"), name)...)
		counter(kindBytesDesc, float64(n.Down), append(with("down"), name)...)
	}
	counter(messagesDesc, float64(l.MessagesUp), with("up")...)
	counter(messagesDesc, float64(l.MessagesDown), with("down")...)
	counter(modelsDesc, float64(l.ModelsUp), with("up")...)
	counter(modelsDesc, float64(l.ModelsDown), with("down")...)
	for reason, n := range l.Answers {
		counter(answersDesc, float64(n), with(label(protocol.Reason(reason).String()))...)
	}
}

// label writes words as a label's value.
func label(words string) string { return strings.ReplaceAll(words, " ", "_") }
