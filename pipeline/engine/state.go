package engine

import (
	"log/slog"
	"sync"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// StateName is what a pipeline is doing, in one word.
type StateName string

// The states.
const (
	Starting StateName = "starting"
	Standby  StateName = "standby" // another instance is active; goes on when that ends
	Running  StateName = "running"
	Degraded StateName = "degraded" // waits for something, and goes on by itself
	Paused   StateName = "paused"   // reads nothing until Resume, and keeps what it is connected to
	Failed   StateName = "failed"   // has ended with an error
	Stopped  StateName = "stopped"  // has ended as it was told to
)

// State is what a pipeline is doing, since when, and why.
type State struct {
	Name   StateName
	Reason string // empty where there is nothing to say
	Since  time.Time
}

// What of a task can be in trouble; the last three go with the name of a shard.
const (
	leaseTrouble   = "lease"   // nobody can tell who is active
	laneTrouble    = "lane"    // opening it, and the shards
	sessionTrouble = "session" // using the lane; a session that opens does not end it, a commit does
	sourceTrouble  = "source"  // looking for shards
	shardTrouble   = "shard "  // reading it
	batchTrouble   = "batch "  // its way through the stages
	settleTrouble  = "settle " // cleaning up
)

// state is the State with the troubles it comes from. A trouble is logged when
// it begins, when its class changes, when its reason does (not too often), and when
// it is over; the State has its newest reason. Safe for concurrent use.
type state struct {
	log *slog.Logger

	mu       sync.Mutex
	current  State
	troubles map[troubled]trouble
}

// troubled is what is in trouble.
type troubled struct {
	task int
	of   string
}

type trouble struct {
	since  time.Time
	reason string
	class  pipeline.Class
	said   string // the reason that was logged last
	saidAt time.Time
}

// reasonsEvery is how often a changed reason of one trouble is logged, at most.
const reasonsEvery = 30 * time.Second

func newState(log *slog.Logger) *state {
	return &state{log: log, troubles: map[troubled]trouble{}, current: State{Name: Starting, Since: time.Now()}}
}

func (s *state) get() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

// trouble says that something does not go on, and why.
func (s *state) trouble(of troubled, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	t, known := s.troubles[of]
	if !known {
		t.since = now
	}
	fresh := !known || t.class != pipeline.ClassOf(err)
	t.reason, t.class = err.Error(), pipeline.ClassOf(err)
	if fresh || t.reason != t.said && now.Sub(t.saidAt) >= reasonsEvery {
		t.said, t.saidAt = t.reason, now
		s.log.Warn("degraded: waiting, and trying again", "reason", t.reason)
	}
	s.troubles[of] = t
	s.derive()
}

// well says that something goes on.
func (s *state) well(of troubled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.troubles[of]; !known && s.current.Name != Starting {
		return
	}
	s.over(of)
	s.derive()
}

// over ends a trouble, if there is one.
func (s *state) over(of troubled) {
	t, known := s.troubles[of]
	delete(s.troubles, of)
	if known {
		s.log.Info("going on", "after_seconds", seconds(time.Since(t.since)), "was", t.reason)
	}
}

func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// standBy says that another instance is active. What this one ran into before is
// over.
func (s *state) standBy(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.troubles)
	since := time.Now()
	if s.current.Name == Standby {
		since = s.current.Since
	}
	if s.current.Name != Standby || s.current.Reason != reason {
		s.log.Info("standing by", "reason", reason)
	}
	s.current = State{Name: Standby, Reason: reason, Since: since}
}

// activate says that this instance is the active one.
func (s *state) activate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over(troubled{of: leaseTrouble})
	clear(s.troubles)
	if s.current.Name == Standby {
		s.log.Info("active: no other instance is any more", "stood_by_seconds", seconds(time.Since(s.current.Since)))
	}
	if s.current.Name != Starting {
		s.current = State{Name: Starting, Since: time.Now()}
	}
}

// has tells whether something is in trouble.
func (s *state) has(of troubled) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.troubles[of]
	return known
}

// derive makes the current state from the troubles: the oldest one is its
// reason.
func (s *state) derive() {
	next := State{Name: Running, Since: time.Now()}
	for _, t := range s.troubles {
		if next.Name != Degraded || t.since.Before(next.Since) {
			next = State{Name: Degraded, Reason: t.reason, Since: t.since}
		}
	}
	if next.Name == Running && s.current.Name == Running {
		return
	}
	s.current = next
}

// stop says that the pipeline has ended; nil: as it was told to.
func (s *state) stop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = State{Name: Stopped, Since: time.Now()}
	if err != nil {
		s.current.Name, s.current.Reason = Failed, err.Error()
	}
}

// waitsSince gives when the standing by, or the oldest trouble with a server that
// does not answer, began, and the reason; false where there is neither.
func (s *state) waitsSince() (time.Time, string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Name == Standby {
		return s.current.Since, s.current.Reason, true
	}
	var oldest trouble
	for _, t := range s.troubles {
		if t.class == pipeline.Unreachable && (oldest.reason == "" || t.since.Before(oldest.since)) {
			oldest = t
		}
	}
	return oldest.since, oldest.reason, oldest.reason != ""
}
