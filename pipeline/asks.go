package pipeline

import "context"

// Pinger is a Source or Sink that can tell whether its servers answer.
type Pinger interface {
	// Ping connects, logs in and asks for something. It takes nothing over and changes
	// nothing: the pipeline may be running elsewhere. Errors: Unreachable, or Permanent
	// where asking again cannot help.
	Ping(ctx context.Context) error
}

// Taker is a Source that takes away what it has delivered: two pipelines over the same would
// each get a part.
type Taker interface {
	// Takes names what is taken away.
	Takes() []TakenAway
}

// TakenAway is something that a Source takes away.
type TakenAway struct {
	// Server is where it is: the same text for the same place, without secrets.
	Server string
	// Key is what it is called there; * ? and [ match many, as in Redis's KEYS.
	Key string
}
