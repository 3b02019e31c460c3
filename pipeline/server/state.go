package server

import (
	"time"

	"github.com/penstock-io/penstock/pipeline/engine"
)

// State is what a pipeline of a server does, in a word; those that a person can want are
// Running, Paused and Stopped.
type State string

// The states.
const (
	Starting State = "STARTING"
	Running  State = "RUNNING"
	Standby  State = "STANDBY"  // another instance is active; goes on when that ends
	Paused   State = "PAUSED"   // reads nothing, and keeps its connections
	Stopped  State = "STOPPED"  // has none, or its sources are at their end
	Degraded State = "DEGRADED" // waits for something, and goes on by itself
	Failed   State = "FAILED"   // has ended with an error, and waits for a person
)

// stateOf gives the state that is that of an engine.
var stateOf = map[engine.StateName]State{
	engine.Starting: Starting, engine.Running: Running, engine.Standby: Standby, engine.Paused: Paused,
	engine.Stopped: Stopped, engine.Degraded: Degraded, engine.Failed: Failed,
}

// Status is what a pipeline does.
type Status struct {
	Name     string    `json:"name" doc:"The pipeline's name."`
	State    State     `json:"state" enum:"STARTING,RUNNING,STANDBY,PAUSED,STOPPED,DEGRADED,FAILED" doc:"What it does."`
	Reason   string    `json:"reason,omitempty" doc:"Why, where there is something to say."`
	Since    time.Time `json:"since" doc:"Since when it is in this state."`
	Wanted   State     `json:"wanted" enum:"RUNNING,PAUSED,STOPPED" doc:"The state that was asked for; kept over a restart."`
	Route    string    `json:"route,omitempty" doc:"Source and sink." example:"redis_list → kafka"`
	Origin   string    `json:"origin" doc:"api, or the file that it comes from."`
	Problem  string    `json:"problem,omitempty" doc:"What is wrong with its file now: what runs is what the file said before."`
	Revision uint64    `json:"revision" doc:"Counts its changes; the ETag."`
	Changed  time.Time `json:"changed" doc:"When it was changed last."`
	Figures  Figures   `json:"figures" doc:"Since it was started."`
}

// Figures are what a pipeline has moved.
type Figures struct {
	Read         uint64           `json:"read" doc:"Records read and committed."`
	Written      uint64           `json:"written" doc:"Records that the sink has."`
	Filtered     uint64           `json:"filtered" doc:"Records that transforms took out."`
	Duplicates   uint64           `json:"duplicates" doc:"Records that had come before."`
	Dropped      uint64           `json:"dropped" doc:"Records that were refused, and dropped."`
	DeadLettered uint64           `json:"dead_lettered" doc:"Records that were refused, and kept as dead letters."`
	Split        uint64           `json:"split" doc:"Records that transforms have made more than were read."`
	Lag          map[string]int64 `json:"lag,omitempty" doc:"Records that wait, by shard; those that cannot tell are missing."`
	Latency      float64          `json:"latency_seconds" doc:"From a record's time to its commit, mean, in seconds."`
}

// figuresOf gives the figures of an engine.
func figuresOf(e *engine.Engine) Figures {
	n, shards, latency := e.Stats().Progress()
	f := Figures{Latency: latency, Read: n.Read, Written: n.Written, Filtered: n.Filtered, Duplicates: n.Duplicates, Dropped: n.Dropped, DeadLettered: n.DeadLettered, Split: n.Split}
	for name, shard := range shards {
		if shard.Lag >= 0 && !shard.Measured.IsZero() {
			if f.Lag == nil {
				f.Lag = map[string]int64{}
			}
			f.Lag[name] = shard.Lag
		}
	}
	return f
}
