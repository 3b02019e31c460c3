package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// maxBody bounds what a request may send, in bytes.
const maxBody = 1 << 20

// API serves a set of pipelines over HTTP, at /v1.
type API struct {
	set     *Set
	version string
	desks   Desk            // nil: there are no operations on records
	logs    *Logs           // nil: no log can be followed
	closing <-chan struct{} // closed when the server ends
}

// register adds the operations to a mux, and their description at /openapi.json.
func (a *API) register(mux *http.ServeMux) huma.API {
	settings := huma.DefaultConfig("Penstock", a.version)
	settings.DocsPath, settings.SchemasPath = "", ""
	settings.CreateHooks = nil // no $schema in answers
	settings.Info.Description = "Pipelines of this server. Errors are problem+json (RFC 9457); ETag and If-Match guard changes."
	settings.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	api := humago.New(mux, settings)
	a.pipelines(api)
	a.turns(api)
	a.texts(api)
	a.more(api)
	if a.desks != nil {
		a.desk(api)
	}
	if a.logs != nil {
		a.live(api)
	}
	return api
}

// operation describes one, for huma.Register.
func operation(id, method, path, summary string, status int, errors ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: "/v1" + path, Summary: summary, DefaultStatus: status, MaxBodyBytes: maxBody,
		Errors: append(errors, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType), Tags: []string{strings.Split(path, "/")[1]},
	}
}

type named struct {
	Name string `path:"name" maxLength:"200" doc:"The pipeline's name." example:"user-behavior"`
}

type changed struct {
	Name    string `path:"name" maxLength:"200" doc:"The pipeline's name."`
	IfMatch string `header:"If-Match" doc:"Change only what has this ETag."`
}

// revisionOf reads If-Match; 0: whichever.
func revisionOf(ifMatch string) (uint64, error) {
	if ifMatch == "" || ifMatch == "*" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.Trim(ifMatch, `"`), 10, 64)
	if err != nil || n == 0 {
		return 0, problem(&Error{Kind: Stale, What: "If-Match names no revision of the pipeline"})
	}
	return n, nil
}

type text struct {
	RawBody []byte `contentType:"application/yaml" doc:"A pipeline, as YAML or JSON."`
}

type created struct {
	State   State  `query:"state" enum:"RUNNING,PAUSED,STOPPED" default:"RUNNING" doc:"What it is to do."`
	RawBody []byte `contentType:"application/yaml" doc:"A pipeline, as YAML or JSON."`
}

type replaced struct {
	Name    string `path:"name" maxLength:"200" doc:"The pipeline's name."`
	IfMatch string `header:"If-Match" doc:"Change only what has this ETag."`
	RawBody []byte `contentType:"application/yaml" doc:"A pipeline, as YAML or JSON."`
}

type patched struct {
	Name    string `path:"name" maxLength:"200" doc:"The pipeline's name."`
	IfMatch string `header:"If-Match" doc:"Change only what has this ETag."`
	RawBody []byte `contentType:"application/merge-patch+json" doc:"What is to change, as JSON or YAML (RFC 7396)."`
}

type answer[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

func answered(s Status, err error) (*answer[Status], error) {
	if err != nil {
		return nil, problem(err)
	}
	return &answer[Status]{etag(s.Revision), s}, nil
}

func etag(revision uint64) string { return fmt.Sprintf("%q", strconv.FormatUint(revision, 10)) }

// list is what there is.
type list struct {
	Pipelines []Status          `json:"pipelines" doc:"By name."`
	Files     map[string]string `json:"files" doc:"What is wrong with files of the folder, by their names."`
}

// pipelines are the operations on the pipelines themselves.
func (a *API) pipelines(api huma.API) {
	huma.Register(api, operation("list-pipelines", http.MethodGet, "/pipelines", "What each pipeline does", http.StatusOK),
		func(context.Context, *struct{}) (*struct{ Body list }, error) {
			return &struct{ Body list }{list{a.set.All(), a.set.Files()}}, nil
		})
	huma.Register(api, operation("create-pipeline", http.MethodPost, "/pipelines", "Add a pipeline", http.StatusCreated, 409, 422),
		func(ctx context.Context, in *created) (*answer[Status], error) {
			return answered(a.set.Create(ctx, in.RawBody, in.State))
		})
	huma.Register(api, operation("get-pipeline", http.MethodGet, "/pipelines/{name}", "What a pipeline does", http.StatusOK, 404),
		func(_ context.Context, in *named) (*answer[Status], error) { return answered(a.set.Status(in.Name)) })
	huma.Register(api, operation("replace-pipeline", http.MethodPut, "/pipelines/{name}", "Give a pipeline another text; what runs goes on where that does not start", http.StatusOK, 404, 409, 412, 422),
		func(ctx context.Context, in *replaced) (*answer[Status], error) {
			revision, err := revisionOf(in.IfMatch)
			if err != nil {
				return nil, err
			}
			return answered(a.set.Replace(ctx, in.Name, in.RawBody, revision))
		})
	huma.Register(api, operation("patch-pipeline", http.MethodPatch, "/pipelines/{name}", "Change parts of a pipeline's text", http.StatusOK, 404, 409, 412, 422),
		func(ctx context.Context, in *patched) (*answer[Status], error) {
			revision, err := revisionOf(in.IfMatch)
			if err != nil {
				return nil, err
			}
			return answered(a.set.Patch(ctx, in.Name, in.RawBody, revision))
		})
	huma.Register(api, operation("delete-pipeline", http.MethodDelete, "/pipelines/{name}", "End a pipeline and forget it; its positions stay", http.StatusNoContent, 404, 409, 412),
		func(_ context.Context, in *changed) (*struct{}, error) {
			revision, err := revisionOf(in.IfMatch)
			if err == nil {
				if err = a.set.Delete(in.Name, revision); err != nil {
					err = problem(err)
				}
			}
			return nil, err
		})
}

// turns are the operations that bring a pipeline into another state.
func (a *API) turns(api huma.API) {
	for _, turn := range []struct {
		name, summary string
		do            func(ctx context.Context, name string) error
	}{
		{"pause", "Read nothing until it is resumed, and keep the connections", a.set.Pause},
		{"resume", "Run", a.set.Resume},
		{"stop", "Settle what is under way, and free the connections", a.set.Stop},
		{"restart", "End the run and begin another one", a.set.Restart},
	} {
		huma.Register(api, operation(turn.name+"-pipeline", http.MethodPost, "/pipelines/{name}/"+turn.name, turn.summary, http.StatusOK, 404, 409),
			func(ctx context.Context, in *named) (*answer[Status], error) {
				if err := turn.do(ctx, in.Name); err != nil {
					return nil, problem(err)
				}
				return answered(a.set.Status(in.Name))
			})
	}
}

// texts are the operations on what pipelines say.
func (a *API) texts(api huma.API) {
	asText := operation("get-pipeline-text", http.MethodGet, "/pipelines/{name}/text", "A pipeline's YAML, secrets masked: sent back, they stay what they are", http.StatusOK, 404, 422)
	asText.Responses = map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"application/yaml": {}}}}
	huma.Register(api, asText,
		func(ctx context.Context, in *named) (*struct {
			ETag        string `header:"ETag"`
			ContentType string `header:"Content-Type"`
			Body        []byte `contentType:"application/yaml"`
		}, error) {
			text, revision, err := a.set.Text(ctx, in.Name)
			if err != nil {
				return nil, problem(err)
			}
			return &struct {
				ETag        string `header:"ETag"`
				ContentType string `header:"Content-Type"`
				Body        []byte `contentType:"application/yaml"`
			}{etag(revision), "application/yaml", text}, nil
		})
	huma.Register(api, operation("explain-pipeline", http.MethodGet, "/pipelines/{name}/explain", "What a pipeline means: guarantee, order, way, defaults", http.StatusOK, 404, 422),
		func(ctx context.Context, in *named) (*struct{ Body any }, error) {
			said, err := a.set.Explain(ctx, in.Name)
			if err != nil {
				return nil, problem(err)
			}
			return &struct{ Body any }{said}, nil
		})
	huma.Register(api, operation("validate", http.MethodPost, "/validate", "Every mistake of a pipeline's text, or what it means; nothing is connected to", http.StatusOK, 422),
		func(ctx context.Context, in *text) (*struct{ Body any }, error) {
			said, err := a.set.Check(ctx, in.RawBody)
			if err != nil {
				return nil, problem(err)
			}
			return &struct{ Body any }{said}, nil
		})
}

// more are the operations on what is around pipelines.
func (a *API) more(api huma.API) {
	huma.Register(api, operation("get-positions", http.MethodGet, "/pipelines/{name}/positions", "How far each shard is delivered, as the sink stores it", http.StatusOK, 404, 422, 503),
		func(ctx context.Context, in *named) (*struct{ Body positions }, error) {
			all, err := a.set.Positions(ctx, in.Name)
			if err != nil {
				return nil, problem(err)
			}
			return &struct{ Body positions }{positions{all}}, nil
		})
	huma.Register(api, operation("get-metrics", http.MethodGet, "/pipelines/{name}/metrics", "What a pipeline has moved since it was started", http.StatusOK, 404),
		func(_ context.Context, in *named) (*struct{ Body Figures }, error) {
			status, err := a.set.Status(in.Name)
			if err != nil {
				return nil, problem(err)
			}
			return &struct{ Body Figures }{status.Figures}, nil
		})
	huma.Register(api, operation("list-plugins", http.MethodGet, "/plugins", "Programs that do transforms of pipelines", http.StatusOK),
		func(context.Context, *struct{}) (*struct{ Body plugins }, error) {
			return &struct{ Body plugins }{plugins{a.set.plugins()}}, nil
		})
	huma.Register(api, operation("list-components", http.MethodGet, "/components", "What pipelines are made of", http.StatusOK),
		func(context.Context, *struct{}) (*struct{ Body components }, error) {
			return &struct{ Body components }{components{a.set.maker.Components()}}, nil
		})
}

type positions struct {
	Positions []Committed `json:"positions" doc:"By shard."`
}

type plugins struct {
	Plugins []PluginStatus `json:"plugins" doc:"By pipeline; their figures are among the metrics."`
}

type components struct {
	Components []Component `json:"components" doc:"In the order of the reference."`
}
