package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// connect answers as a worker of Kafka Connect does (KIP-26, KIP-475, KIP-875; names, verbs
// and codes are Kafka 4.3's), so that its clients see pipelines as connectors of one task.
type connect struct {
	set     *Set
	desk    Desk // nil: offsets cannot be changed
	version string
	worker  string // host:port
	ready   func() bool
	level   *slog.LevelVar
	leveled atomic.Int64 // when the level was changed, in milliseconds of Unix; 0: never
}

// connectError is an answer that says why not.
type connectError struct {
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func (e *connectError) Error() string { return e.Message }

func connectFailure(code int, message string, args ...any) error {
	return &connectError{code, fmt.Sprintf(message, args...)}
}

// deed answers one method of a path: a code, and what is written as JSON; nil: nothing is.
type deed func(r *http.Request) (code int, answer any, err error)

// register adds the resources to a mux.
func (c *connect) register(mux *http.ServeMux) {
	for path, deeds := range map[string]map[string]deed{
		"/connectors":                                {"GET": c.list, "POST": c.create},
		"/connectors/{name}":                         {"GET": c.info, "DELETE": c.remove},
		"/connectors/{name}/config":                  {"GET": c.config, "PUT": c.reconfigure, "PATCH": c.patch},
		"/connectors/{name}/status":                  {"GET": c.status},
		"/connectors/{name}/pause":                   {"PUT": c.turn(http.StatusAccepted, c.set.Pause)},
		"/connectors/{name}/resume":                  {"PUT": c.turn(http.StatusAccepted, c.set.Resume)},
		"/connectors/{name}/stop":                    {"PUT": c.turn(http.StatusNoContent, c.set.Stop)},
		"/connectors/{name}/restart":                 {"POST": c.restart},
		"/connectors/{name}/tasks":                   {"GET": c.tasks},
		"/connectors/{name}/tasks/{task}/status":     {"GET": c.taskStatus},
		"/connectors/{name}/tasks/{task}/restart":    {"POST": c.restartTask},
		"/connectors/{name}/topics":                  {"GET": c.topics},
		"/connectors/{name}/topics/reset":            {"PUT": c.resetTopics},
		"/connectors/{name}/offsets":                 {"GET": c.offsets, "PATCH": c.alterOffsets, "DELETE": c.resetOffsets},
		"/connector-plugins":                         {"GET": c.plugins},
		"/connector-plugins/{class}/config":          {"GET": c.pluginConfig},
		"/connector-plugins/{class}/config/validate": {"PUT": c.validate},
		"/health":               {"GET": c.health},
		"/admin/loggers":        {"GET": c.loggers},
		"/admin/loggers/{name}": {"GET": c.logger, "PUT": c.setLogger},
	} {
		mux.HandleFunc(path, dispatch(deeds))
	}
	for _, path := range []string{"/connectors/", "/connector-plugins/", "/admin/"} {
		mux.HandleFunc(path, dispatch(nil))
	}
}

// dispatch answers a path.
func dispatch(deeds map[string]deed) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		code, answer, err := http.StatusNotFound, any(nil), error(nil)
		do, known := deeds[r.Method]
		switch {
		case len(deeds) == 0:
			err = connectFailure(http.StatusNotFound, "HTTP 404 Not Found")
		case !known:
			err = connectFailure(http.StatusMethodNotAllowed, "HTTP 405 Method Not Allowed")
		case r.ContentLength != 0 && !isJSON(r):
			err = connectFailure(http.StatusUnsupportedMediaType, "HTTP 415 Unsupported Media Type")
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
			code, answer, err = do(r)
		}
		if err != nil {
			e := asConnect(err)
			code, answer = e.Code, e
		}
		if created, ok := answer.(*connectorInfo); ok && code == http.StatusCreated {
			w.Header().Set("Location", "/connectors/"+created.Name)
		}
		if answer == nil {
			w.WriteHeader(code)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		encoder.Encode(answer) //nolint:errcheck // who asked is gone
	}
}

func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// asConnect gives an error Connect's code.
func asConnect(err error) *connectError {
	if e, ok := errors.AsType[*connectError](err); ok {
		return e
	}
	code := http.StatusInternalServerError
	switch pipeline.ClassOf(err) {
	case pipeline.Permanent, pipeline.Gap, pipeline.Fenced:
		code = http.StatusBadRequest
	case pipeline.Unreachable:
		code = http.StatusServiceUnavailable
	}
	if e, ok := errors.AsType[*Error](err); ok {
		code = map[Kind]int{Invalid: http.StatusBadRequest, Missing: http.StatusNotFound, Conflict: http.StatusConflict, Stale: http.StatusConflict}[e.Kind]
	}
	return &connectError{code, err.Error()}
}

// read reads a request.
func read(r *http.Request, into any) error {
	text, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return connectFailure(http.StatusBadRequest, "%v", err)
	}
	return nil
}

// create adds a connector.
func (c *connect) create(r *http.Request) (int, any, error) {
	var in struct {
		Name   string            `json:"name"`
		Config map[string]string `json:"config"`
		State  State             `json:"initial_state"`
	}
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	if in.State == "" {
		in.State = Running
	}
	if in.State != Running && in.State != Paused && in.State != Stopped {
		return 0, nil, connectFailure(http.StatusBadRequest, "initial_state is RUNNING, PAUSED or STOPPED, not %s", in.State)
	}
	if own, ok := in.Config["name"]; ok && own != in.Name {
		return 0, nil, connectFailure(http.StatusBadRequest, "Connector name configuration (%s) doesn't match connector name in the request (%s)", own, in.Name)
	}
	return c.put(r.Context(), in.Name, in.Config, in.State)
}

// put makes a connector, or gives it another configuration.
func (c *connect) put(ctx context.Context, name string, settings map[string]string, state State) (int, any, error) {
	class := settings[classKey]
	if class != "" && class != className && class != "Pipeline" {
		return 0, nil, connectFailure(http.StatusBadRequest, "Failed to find any class that implements Connector and which name matches %s, available connectors are: %s", class, className)
	}
	if _, err := c.set.Status(name); err == nil && state != "" {
		return 0, nil, connectFailure(http.StatusConflict, "Connector %s already exists", name)
	}
	text, flat, err := unflattened(name, settings)
	if err != nil {
		return 0, nil, connectFailure(http.StatusBadRequest, "%v", err)
	}
	code := http.StatusCreated
	if _, missing := c.set.Status(name); missing == nil {
		code = http.StatusOK
		_, err = c.set.replaceAs(ctx, name, text, 0, flat)
	} else {
		if state == "" {
			state = Running
		}
		_, err = c.set.create(ctx, name, text, state, flat)
	}
	if err != nil {
		return 0, nil, err
	}
	info, err := c.infoOf(ctx, name)
	return code, info, err
}

// reconfigure makes a connector, or gives it another configuration.
func (c *connect) reconfigure(r *http.Request) (int, any, error) {
	var settings map[string]string
	if err := read(r, &settings); err != nil {
		return 0, nil, err
	}
	name := r.PathValue("name")
	if own, ok := settings["name"]; ok && own != name {
		return 0, nil, connectFailure(http.StatusBadRequest, "Connector name configuration (%s) doesn't match connector name in the URL (%s)", own, name)
	}
	return c.put(r.Context(), name, settings, "")
}

// patch changes some keys of a configuration; null removes one (KIP-477).
func (c *connect) patch(r *http.Request) (int, any, error) {
	var changes map[string]*string
	if err := read(r, &changes); err != nil {
		return 0, nil, err
	}
	info, err := c.infoOf(r.Context(), r.PathValue("name"))
	if err != nil {
		return 0, nil, err
	}
	for key, value := range changes {
		if value == nil {
			delete(info.Config, key)
			continue
		}
		info.Config[key] = *value
	}
	return c.put(r.Context(), info.Name, info.Config, "")
}

func (c *connect) remove(r *http.Request) (int, any, error) {
	name := r.PathValue("name")
	err := c.set.Delete(name, 0)
	return http.StatusNoContent, nil, c.unless(err, name, "Connector %s not found")
}

// unless words the error of a connector that there is not.
func (c *connect) unless(err error, name, message string) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == Missing {
		return connectFailure(http.StatusNotFound, message, name)
	}
	return err
}

// turn answers a request for another state.
func (c *connect) turn(code int, do func(context.Context, string) error) deed {
	return func(r *http.Request) (int, any, error) {
		name := r.PathValue("name")
		return code, nil, c.unless(do(r.Context(), name), name, "Unknown connector %s")
	}
}

// restart begins a connector anew; one that is stopped stays it (KIP-745).
func (c *connect) restart(r *http.Request) (int, any, error) {
	name := r.PathValue("name")
	status, err := c.set.Status(name)
	if err != nil {
		return 0, nil, c.unless(err, name, "Unknown connector: %s")
	}
	query := r.URL.Query()
	onlyFailed, _ := strconv.ParseBool(query.Get("onlyFailed"))
	if status.Wanted != Stopped && (!onlyFailed || status.State == Failed) {
		if err := c.set.Restart(r.Context(), name); err != nil {
			return 0, nil, err
		}
	}
	if tasks, _ := strconv.ParseBool(query.Get("includeTasks")); tasks {
		now, err := c.statusOf(name)
		return http.StatusAccepted, now, err
	}
	return http.StatusNoContent, nil, nil
}

// restartTask restarts the connector, whose only task it is.
func (c *connect) restartTask(r *http.Request) (int, any, error) {
	name, task := r.PathValue("name"), r.PathValue("task")
	if task != "0" {
		return 0, nil, connectFailure(http.StatusNotFound, "Task %s-%s not found", name, task)
	}
	if err := c.set.Restart(r.Context(), name); err != nil {
		return 0, nil, c.unless(err, name, "Connector %s not found")
	}
	return http.StatusNoContent, nil, nil
}

// setLogger changes what is logged: the server has one logger.
func (c *connect) setLogger(r *http.Request) (int, any, error) {
	var in struct {
		Level string `json:"level"`
	}
	if err := read(r, &in); err != nil {
		return 0, nil, err
	}
	if in.Level == "" {
		return 0, nil, connectFailure(http.StatusBadRequest, "Desired 'level' parameter was not specified in request.")
	}
	level, known := levels[strings.ToUpper(in.Level)]
	if !known {
		return 0, nil, connectFailure(http.StatusNotFound, "invalid log level '%s'.", in.Level)
	}
	if name := r.PathValue("name"); name != "root" {
		return 0, nil, connectFailure(http.StatusNotFound, "Logger %s not found.", name)
	}
	c.level.Set(level)
	c.leveled.Store(time.Now().UnixMilli())
	return http.StatusOK, []string{"root"}, nil
}

// levels are those of Connect's loggers.
var levels = map[string]slog.Level{
	"TRACE": slog.LevelDebug, "DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "ERROR": slog.LevelError, "FATAL": slog.LevelError, "OFF": slog.LevelError + 4,
}
