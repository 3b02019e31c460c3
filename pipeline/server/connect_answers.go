package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/penstock-io/penstock/pipeline/config"
)

// connectorInfo is a connector as Connect shows it.
type connectorInfo struct {
	Name   string            `json:"name"`
	Config map[string]string `json:"config"`
	Tasks  []taskID          `json:"tasks"`
	Type   string            `json:"type"`
}

type taskID struct {
	Connector string `json:"connector"`
	Task      int    `json:"task"`
}

// connectorStatus is what a connector does, as Connect tells it.
type connectorStatus struct {
	Name      string       `json:"name"`
	Connector workerState  `json:"connector"`
	Tasks     []taskStatus `json:"tasks"`
	Type      string       `json:"type"`
}

type workerState struct {
	State   string `json:"state"`
	Worker  string `json:"worker_id"`
	Version string `json:"version"`
	Trace   string `json:"trace,omitempty"`
}

type taskStatus struct {
	ID int `json:"id"`
	workerState
}

// connectState gives Connect's word for a state.
var connectState = map[State]string{
	Starting: "UNASSIGNED", Running: "RUNNING", Standby: "UNASSIGNED", Paused: "PAUSED", Stopped: "STOPPED",
	Degraded: "RUNNING", // and the trace says what it waits for
	Failed:   "FAILED",
}

// sourceType is what pipelines are to Connect: they bring records into Kafka.
const sourceType = "source"

func (c *connect) infoOf(ctx context.Context, name string) (*connectorInfo, error) {
	text, _, err := c.set.Text(ctx, name)
	if err != nil {
		return nil, c.unless(err, name, "Connector %s not found")
	}
	status, err := c.set.Status(name)
	if err != nil {
		return nil, c.unless(err, name, "Connector %s not found")
	}
	info := &connectorInfo{Name: name, Config: flattened(name, text, c.set.isFlat(name)), Tasks: []taskID{}, Type: sourceType}
	if status.Wanted != Stopped {
		info.Tasks = append(info.Tasks, taskID{name, 0})
	}
	return info, nil
}

func (c *connect) info(r *http.Request) (int, any, error) {
	info, err := c.infoOf(r.Context(), r.PathValue("name"))
	return http.StatusOK, info, err
}

func (c *connect) config(r *http.Request) (int, any, error) {
	info, err := c.infoOf(r.Context(), r.PathValue("name"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, info.Config, nil
}

func (c *connect) statusOf(name string) (*connectorStatus, error) {
	status, err := c.set.Status(name)
	if err != nil {
		return nil, c.unless(err, name, "No status found for connector %s")
	}
	state := workerState{connectState[status.State], c.worker, c.version, ""}
	if status.State == Failed || status.State == Degraded {
		state.Trace = status.Reason
	}
	out := &connectorStatus{Name: name, Connector: state, Tasks: []taskStatus{}, Type: sourceType}
	if status.Wanted != Stopped {
		out.Tasks = append(out.Tasks, taskStatus{0, state})
	}
	return out, nil
}

func (c *connect) status(r *http.Request) (int, any, error) {
	status, err := c.statusOf(r.PathValue("name"))
	return http.StatusOK, status, err
}

// list names the connectors; with expand, what they are and do (KIP-465).
func (c *connect) list(r *http.Request) (int, any, error) {
	expand := r.URL.Query()["expand"]
	names, expanded := []string{}, map[string]map[string]any{}
	for _, status := range c.set.All() {
		names = append(names, status.Name)
		one := map[string]any{}
		if slices.Contains(expand, "status") {
			if now, err := c.statusOf(status.Name); err == nil {
				one["status"] = now
			}
		}
		if slices.Contains(expand, "info") {
			if info, err := c.infoOf(r.Context(), status.Name); err == nil {
				one["info"] = info
			}
		}
		expanded[status.Name] = one
	}
	if len(expand) > 0 {
		return http.StatusOK, expanded, nil
	}
	return http.StatusOK, names, nil
}

func (c *connect) tasks(r *http.Request) (int, any, error) {
	info, err := c.infoOf(r.Context(), r.PathValue("name"))
	if err != nil {
		return 0, nil, err
	}
	type task struct {
		ID     taskID            `json:"id"`
		Config map[string]string `json:"config"`
	}
	all := []task{}
	for _, id := range info.Tasks {
		all = append(all, task{id, info.Config})
	}
	return http.StatusOK, all, nil
}

func (c *connect) taskStatus(r *http.Request) (int, any, error) {
	name, task := r.PathValue("name"), r.PathValue("task")
	status, err := c.statusOf(name)
	if err != nil || task != "0" || len(status.Tasks) == 0 {
		return 0, nil, connectFailure(http.StatusNotFound, "No status found for task %s-%s", name, task)
	}
	return http.StatusOK, status.Tasks[0], nil
}

// topics names those that the connector writes to, where that is one.
func (c *connect) topics(r *http.Request) (int, any, error) {
	name := r.PathValue("name")
	topics := c.set.topicsOf(name)
	if topics == nil {
		topics = []string{}
	}
	return http.StatusOK, map[string]any{name: map[string]any{"topics": topics}}, nil
}

// resetTopics does nothing: the topics are those that the pipeline's text names.
func (c *connect) resetTopics(*http.Request) (int, any, error) { return http.StatusAccepted, nil, nil }

// offsets are the committed positions, by shard (KIP-875).
func (c *connect) offsets(r *http.Request) (int, any, error) {
	name := r.PathValue("name")
	positions, err := c.set.Positions(r.Context(), name)
	if err != nil {
		return 0, nil, c.unless(err, name, "Connector %s not found")
	}
	type offset struct {
		Partition map[string]string `json:"partition"`
		Offset    map[string]string `json:"offset"`
	}
	all := []offset{}
	for _, p := range positions {
		all = append(all, offset{map[string]string{"shard": p.Shard}, map[string]string{"position": p.Position}})
	}
	return http.StatusOK, map[string]any{"offsets": all}, nil
}

// alterOffsets chooses where shards go on; null forgets one (KIP-875).
func (c *connect) alterOffsets(r *http.Request) (int, any, error) {
	var in struct {
		Offsets []struct {
			Partition struct {
				Shard string `json:"shard"`
			} `json:"partition"`
			Offset *struct {
				Position string `json:"position"`
			} `json:"offset"`
		} `json:"offsets"`
	}
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	if len(in.Offsets) == 0 {
		return 0, nil, connectFailure(http.StatusBadRequest, "Partitions / offsets need to be provided for an alter offsets request")
	}
	to := map[string]string{}
	for _, one := range in.Offsets {
		if one.Offset == nil {
			to[one.Partition.Shard] = ""
			continue
		}
		to[one.Partition.Shard] = one.Offset.Position
	}
	return c.moved(r, to, "altered")
}

// resetOffsets has a connector begin anew.
func (c *connect) resetOffsets(r *http.Request) (int, any, error) { return c.moved(r, nil, "reset") }

func (c *connect) moved(r *http.Request, to map[string]string, done string) (int, any, error) {
	name := r.PathValue("name")
	status, err := c.set.Status(name)
	switch {
	case err != nil:
		return 0, nil, c.unless(err, name, "Connector %s not found")
	case status.Wanted != Stopped || c.desk == nil:
		return 0, nil, connectFailure(http.StatusBadRequest, "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/%s/stop' endpoint", name)
	}
	if _, err := c.set.move(r.Context(), name, func(p *config.Pipeline) (any, error) { return c.desk.Move(r.Context(), p, to, true) }); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]string{"message": "The offsets for this connector have been " + done + " successfully"}, nil
}

func (c *connect) plugins(r *http.Request) (int, any, error) {
	type plugin struct {
		Class   string `json:"class"`
		Type    string `json:"type"`
		Version string `json:"version"`
	}
	all := []plugin{{className, sourceType, c.version}}
	if only, err := strconv.ParseBool(r.URL.Query().Get("connectorsOnly")); err == nil && !only {
		for _, component := range c.set.maker.Components() {
			switch component.Kind {
			case "transform":
				all = append(all, plugin{component.Name, "transformation", c.version})
			case "format":
				all = append(all, plugin{component.Name, "converter", c.version})
			}
		}
	}
	return http.StatusOK, all, nil
}

// root tells who answers.
func (c *connect) root(*http.Request) (int, any, error) {
	return http.StatusOK, map[string]string{"version": c.version, "commit": c.version, "kafka_cluster_id": ""}, nil
}

func (c *connect) health(*http.Request) (int, any, error) {
	if !c.ready() {
		return http.StatusServiceUnavailable, map[string]string{"status": "starting", "message": "Worker is still starting up."}, nil
	}
	return http.StatusOK, map[string]string{"status": "healthy", "message": "Worker has completed startup and is ready to handle requests."}, nil
}

// logger is the level of a logger.
type logger struct {
	Level    string `json:"level"`
	Modified *int64 `json:"last_modified"`
}

func (c *connect) loggers(*http.Request) (int, any, error) {
	return http.StatusOK, map[string]logger{"root": c.rootLogger()}, nil
}

func (c *connect) logger(r *http.Request) (int, any, error) {
	if name := r.PathValue("name"); name != "root" {
		return 0, nil, connectFailure(http.StatusNotFound, "Logger %s not found.", name)
	}
	return http.StatusOK, c.rootLogger(), nil
}

func (c *connect) rootLogger() logger {
	var modified *int64
	if at := c.leveled.Load(); at > 0 {
		modified = &at
	}
	for _, name := range []string{"DEBUG", "INFO", "WARN", "ERROR", "OFF"} {
		if levels[name] == c.level.Level() {
			return logger{name, modified}
		}
	}
	return logger{c.level.Level().String(), modified}
}
