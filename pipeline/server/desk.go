package server

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/penstock-io/penstock/pipeline/config"
)

// Desk looks at what pipelines have refused, and tries what they would make of records. Who
// gives a Maker implements it too. What it gives is for JSON.
type Desk interface {
	// Letters gives dead letters of a pipeline that were not given back, the oldest first.
	Letters(ctx context.Context, p *config.Pipeline, limit int) (any, error)
	// Replay gives letters back to the source: those that are named; none named: all. It
	// tells how many, and which not.
	Replay(ctx context.Context, p *config.Pipeline, ids []string) (any, error)
	// Try follows records, JSON values, through the stages; it reads and writes nothing.
	Try(ctx context.Context, p *config.Pipeline, records []json.RawMessage) (any, error)
	// Move chooses where shards of a pipeline that is stopped go on, by shard: after a place, at
	// oldest or newest; empty: what is known of the shard is forgotten. No shards: all are
	// forgotten. force goes on where nothing tells whether an instance runs elsewhere.
	Move(ctx context.Context, p *config.Pipeline, to map[string]string, force bool) (any, error)
	// Peek follows records that wait in the source, without taking them.
	Peek(ctx context.Context, p *config.Pipeline, records int) (any, error)
}

type limited struct {
	Name  string `path:"name" maxLength:"200" doc:"The pipeline's name."`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"So many at most."`
}

type replay struct {
	Name string `path:"name" maxLength:"200" doc:"The pipeline's name."`
	Body struct {
		IDs []string `json:"ids" maxItems:"10000" doc:"Which; none: all there are."`
	}
}

type move struct {
	Name string `path:"name" maxLength:"200" doc:"The pipeline's name."`
	Body struct {
		Positions map[string]string `json:"positions" minProperties:"1" maxProperties:"10000" doc:"By shard: a place (1700000000000-0 of a stream, a count of a list), oldest or newest; empty: forget it."`
		Force     bool              `json:"force,omitempty" doc:"Go on where no lease tells whether the pipeline runs elsewhere; an instance that does is stopped by it."`
	}
}

type forget struct {
	Name  string `path:"name" maxLength:"200" doc:"The pipeline's name."`
	Force bool   `query:"force" doc:"Go on where no lease tells whether the pipeline runs elsewhere."`
}

type try struct {
	Body struct {
		Text    string            `json:"text" maxLength:"1048576" doc:"A pipeline, as YAML or JSON."`
		Records []json.RawMessage `json:"records" maxItems:"100" doc:"Values, as they would come from the source."`
	}
}

type said struct{ Body any }

// desk are the operations on records.
func (a *API) desk(api huma.API) {
	ofPipeline := func(ctx context.Context, name string, do func(p *config.Pipeline) (any, error)) (*said, error) {
		p, _, err := a.set.parsed(ctx, name)
		var found any
		if err == nil {
			found, err = do(p)
		}
		if err != nil {
			return nil, problem(err)
		}
		return &said{found}, nil
	}
	huma.Register(api, operation("list-dead-letters", http.MethodGet, "/pipelines/{name}/dead-letters", "What was refused, and not given back, the oldest first", http.StatusOK, 404, 409, 422, 503),
		func(ctx context.Context, in *limited) (*said, error) {
			return ofPipeline(ctx, in.Name, func(p *config.Pipeline) (any, error) { return a.desks.Letters(ctx, p, in.Limit) })
		})
	huma.Register(api, operation("replay-dead-letters", http.MethodPost, "/pipelines/{name}/dead-letters/replay", "Give what was refused back to the source, at least once", http.StatusOK, 404, 409, 422, 503),
		func(ctx context.Context, in *replay) (*said, error) {
			return ofPipeline(ctx, in.Name, func(p *config.Pipeline) (any, error) { return a.desks.Replay(ctx, p, in.Body.IDs) })
		})
	huma.Register(api, operation("set-positions", http.MethodPatch, "/pipelines/{name}/positions", "Choose where shards of a pipeline that is stopped go on", http.StatusOK, 404, 409, 422, 503),
		func(ctx context.Context, in *move) (*said, error) {
			return a.moved(ctx, in.Name, in.Body.Positions, in.Body.Force)
		})
	huma.Register(api, operation("forget-positions", http.MethodDelete, "/pipelines/{name}/positions", "Forget how far a pipeline that is stopped is delivered: it begins anew", http.StatusOK, 404, 409, 422, 503),
		func(ctx context.Context, in *forget) (*said, error) { return a.moved(ctx, in.Name, nil, in.Force) })
	huma.Register(api, operation("peek-records", http.MethodGet, "/pipelines/{name}/preview", "Records that wait in the source, through each stage; nothing is taken", http.StatusOK, 404, 409, 422, 503),
		func(ctx context.Context, in *limited) (*said, error) {
			return ofPipeline(ctx, in.Name, func(p *config.Pipeline) (any, error) { return a.desks.Peek(ctx, p, in.Limit) })
		})
	huma.Register(api, operation("try-records", http.MethodPost, "/preview", "Records of yours through the stages of a text; nothing is read or written", http.StatusOK, 422),
		func(ctx context.Context, in *try) (*said, error) {
			found, err := a.try(ctx, in)
			if err != nil {
				return nil, problem(err)
			}
			return &said{found}, nil
		})
}

func (a *API) moved(ctx context.Context, name string, to map[string]string, force bool) (*said, error) {
	found, err := a.set.move(ctx, name, func(p *config.Pipeline) (any, error) { return a.desks.Move(ctx, p, to, force) })
	if err != nil {
		return nil, problem(err)
	}
	return &said{found}, nil
}

func (a *API) try(ctx context.Context, in *try) (any, error) {
	p, err := a.set.unmasked(ctx, []byte(in.Body.Text))
	if err != nil {
		return nil, err
	}
	return a.desks.Try(ctx, p, in.Body.Records)
}
