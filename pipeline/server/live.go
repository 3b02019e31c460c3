package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/sse"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// logLine is a line of a pipeline's log.
type logLine map[string]any

// tapped is a record on its way, as the API shows it.
type tapped struct {
	Time     time.Time     `json:"time" doc:"When it was read."`
	Shard    string        `json:"shard" doc:"Where it comes from."`
	Position string        `json:"position" doc:"Which record of the shard it is."`
	Value    string        `json:"value" doc:"As it came; what is no UTF-8 is replaced."`
	Cut      bool          `json:"cut,omitempty" doc:"A value is longer than what is shown."`
	Stages   []tappedStage `json:"stages" doc:"What each stage has made of it, up to the last."`
}

type tappedStage struct {
	Stage   string `json:"stage" doc:"transforms[0].filter, for example."`
	Outcome string `json:"outcome" enum:"goes on,filtered,duplicate,refused" doc:"What became of it."`
	Value   string `json:"value,omitempty" doc:"As it left the stage."`
	Parts   int    `json:"parts,omitempty" doc:"How many records it is, where it is more than one."`
	Error   string `json:"error,omitempty" doc:"Why it was refused."`
}

// outcomeOf gives the word for a fate.
func outcomeOf(f pipeline.Fate) string {
	switch f {
	case pipeline.Deliver:
		return "goes on"
	case pipeline.Filtered:
		return "filtered"
	case pipeline.Duplicate:
		return "duplicate"
	default:
		return "refused"
	}
}

func shownTap(t engine.Tapped) tapped {
	out := tapped{Time: t.Time, Shard: t.Shard, Position: t.Offset.String(), Value: string(t.Value), Cut: t.Cut, Stages: []tappedStage{}}
	for _, s := range t.Stages {
		one := tappedStage{Stage: s.Name, Outcome: outcomeOf(s.Fate), Value: string(s.Value), Error: s.Error}
		if s.Parts > 1 {
			one.Parts = s.Parts
		}
		out.Stages = append(out.Stages, one)
	}
	return out
}

const (
	// room is how many events wait for a reader that is slow; more are left out.
	room = 64
	// beat is how often a stream shows that it is alive, and sees whether its pipeline is
	// another run by now.
	beat = 2 * time.Second
)

// live are the operations that never end: server-sent events.
func (a *API) live(api huma.API) {
	sse.Register(api, operation("follow-log", http.MethodGet, "/pipelines/{name}/logs", "A pipeline's log: its newest lines, and those that come", http.StatusOK, 404),
		map[string]any{"message": logLine{}},
		func(ctx context.Context, in *named, send sse.Sender) {
			if a.set.find(in.Name) == nil {
				return
			}
			lines := make(chan []byte, room)
			newest, stop := a.logs.follow(in.Name, lines)
			defer stop()
			one := func(text []byte) bool {
				var line logLine
				return json.Unmarshal(text, &line) != nil || send.Data(line) == nil
			}
			for _, line := range newest {
				if !one(line) {
					return
				}
			}
			for {
				select {
				case <-ctx.Done():
					return
				case <-a.closing:
					return
				case line := <-lines:
					if !one(line) {
						return
					}
				}
			}
		})
	sse.Register(api, operation("tap-records", http.MethodGet, "/pipelines/{name}/tap", "Records on their way, five a second at most: as they came, and after each stage", http.StatusOK, 404),
		map[string]any{"message": tapped{}},
		func(ctx context.Context, in *named, send sse.Sender) {
			for ctx.Err() == nil && a.tapOne(ctx, in.Name, send) {
			}
		})
}

// tapOne shows the records of one run of a pipeline; false: nobody looks any more.
func (a *API) tapOne(ctx context.Context, name string, send sse.Sender) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e := a.set.find(name)
	if e == nil {
		return false
	}
	now := e.now()
	records := make(chan engine.Tapped, room)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if now != nil && now.job != nil {
			now.job.Engine.Tap(ctx, records)
		}
	}()
	defer func() { cancel(); <-ended }()
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-a.closing:
			return false
		case t := <-records:
			if send.Data(shownTap(t)) != nil {
				return false
			}
		case <-ticker.C:
			if e.now() != now {
				return true
			}
		}
	}
}
