package engine_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

const life = 9 * time.Second

// register is where leases are kept: who has the one there is, and how long.
type register struct {
	mu    sync.Mutex
	who   string
	since time.Time
	until time.Time
	away  atomic.Bool // nobody answers
}

// lease is one instance's view of the register.
type lease struct {
	register *register
	instance string
	cutOff   atomic.Bool // its calls do not come back
}

var _ pipeline.Lease = (*lease)(nil)

func (l *lease) Take(ctx context.Context) (bool, error) {
	r := l.register
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if l.cutOff.Load() {
		<-ctx.Done()
	}
	if r.away.Load() || ctx.Err() != nil {
		return false, unreachable("the register")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	held := r.who != "" && now.Before(r.until)
	if held && r.who != l.instance {
		return false, &pipeline.Taken{Instance: r.who, Since: r.since}
	}
	if !held {
		r.since = now
	}
	r.who, r.until = l.instance, now.Add(life)
	return !held, nil
}

func (l *lease) Release(context.Context) error {
	r := l.register
	if r.away.Load() {
		return unreachable("the register")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.who == l.instance {
		r.who = ""
	}
	return nil
}

func (l *lease) Life() time.Duration { return life }

// holder gives who has the lease.
func (r *register) holder() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !time.Now().Before(r.until) {
		return ""
	}
	return r.who
}

// lose takes the lease from whoever has it.
func (r *register) lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.who = ""
}

// instance is one engine of several, over the same source and sink.
type instance struct {
	*engine.Engine
	lease *lease
	log   *lines
	stop  func() error
}

// join starts an instance of the rig's pipeline.
func (r *rig) join(name string, at *register) *instance {
	i := &instance{lease: &lease{register: at, instance: name}, log: &lines{}}
	cfg := r.cfg
	cfg.Instance, cfg.Lease, cfg.Log = name, i.lease, slog.New(slog.NewTextHandler(i.log, nil))
	i.Engine = engine.New(cfg)
	r.engine = i.Engine
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan error, 1)
	go func() { done <- i.Run(ctx) }()
	i.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	return i
}

func (i *instance) is(name engine.StateName) func() bool {
	return func() bool { return i.State().Name == name }
}

// TestStandby: of two instances one works and the other says who; a stop hands over
// in half a second, with what was under way settled.
func TestStandby(t *testing.T) {
	bubble(t, func(r *rig) {
		at := &register{}
		r.source.fill("a", 1000)
		first := r.join("first", at)
		r.until("the first moves", func() bool { return len(r.sink.got("a")) == 1000 })
		second := r.join("second", at)
		r.until("the second stands by", second.is(engine.Standby))
		since := second.State().Since
		pause(r.Context(), time.Minute)
		synctest.Wait()
		if s := second.State(); !strings.HasPrefix(s.Reason, "instance first is active since ") || !s.Since.Equal(since) {
			r.Errorf("standing by: %+v, since %v", s, since)
		}
		if opens := r.sink.opens.Load(); opens != 1 {
			r.Errorf("the lane was opened %d times while the first was active", opens)
		}
		r.source.fill("a", 500)
		if err := first.stop(); err != nil {
			r.Error(err)
		}
		began := time.Now()
		r.until("the second goes on", func() bool { return r.source.settled("a") == 1500 })
		if took := time.Since(began); took > 600*time.Millisecond {
			r.Errorf("the handing over took %v", took)
		}
		if err := second.stop(); err != nil {
			r.Error(err)
		}
		r.complete("a")
		if who := at.holder(); who != "" {
			r.Errorf("after the end %s has the lease", who)
		}
		if said := second.log.with("standing by"); len(said) != 1 {
			r.Errorf("said %v", said)
		}
		if said := second.log.with("active: no other instance is any more"); len(said) != 1 || !strings.Contains(said[0], "stood_by_seconds=60.5") {
			r.Errorf("said %v", said)
		}
		if said := append(first.log.with("level=WARN"), second.log.with("level=WARN")...); len(said) > 0 {
			r.Errorf("said %v", said)
		}
	})
}

// TestZombie: an instance that could not renew its lease, and works on, is fenced by
// the one that has it, delivers nothing, and stands by; then it has its turn again.
func TestZombie(t *testing.T) {
	eachSeed(t, func(r *rig, d *dice) {
		at, shards := &register{}, []string{"a", "b", "c"}
		r.cfg.Tasks = 1 + d.below(3)
		push := func(n int) {
			for _, shard := range shards {
				r.source.fill(shard, n)
			}
		}
		moved := func() bool {
			return !slices.ContainsFunc(shards, func(shard string) bool { return r.source.settled(shard) != len(r.source.all(shard)) })
		}
		push(500)
		first := r.join("first", at)
		r.until("the first moves", moved)
		second := r.join("second", at)
		r.until("the second stands by", second.is(engine.Standby))
		first.lease.cutOff.Store(true)
		r.until("the second is active", second.is(engine.Running))
		for range 5 { // both read
			push(1 + d.below(200))
			pause(r.Context(), time.Duration(d.below(100))*time.Millisecond)
		}
		first.lease.cutOff.Store(false)
		r.until("the first stands by", first.is(engine.Standby))
		push(100)
		r.until("the second moves it", moved)
		if err := second.stop(); err != nil {
			r.Error(err)
		}
		push(100)
		r.until("the first moves again", moved)
		if err := first.stop(); err != nil {
			r.Error(err)
		}
		r.complete(shards...)
	})
}

// TestKilledInstance: the lease of one that cannot give it back runs out.
func TestKilledInstance(t *testing.T) {
	bubble(t, func(r *rig) {
		at := &register{who: "of the dead", since: time.Now(), until: time.Now().Add(life)}
		r.source.fill("a", 100)
		began := time.Now()
		next := r.join("next", at)
		r.until("it moves", func() bool { return r.source.settled("a") == 100 })
		if took := time.Since(began); took < life || took > life+time.Second {
			r.Errorf("it took %v", took)
		}
		if err := next.stop(); err != nil {
			r.Error(err)
		}
	})
}

// TestLeaseIsLost: whoever has it in the end works, once the other has noticed.
func TestLeaseIsLost(t *testing.T) {
	bubble(t, func(r *rig) {
		at := &register{}
		first := r.join("first", at)
		r.source.fill("a", 100)
		r.until("the first moves", func() bool { return r.source.settled("a") == 100 })
		second := r.join("second", at)
		r.until("the second stands by", second.is(engine.Standby))
		at.lose()
		r.until("the second is active", second.is(engine.Running))
		r.until("the first stands by", first.is(engine.Standby))
		if said := first.log.with("lost its lease"); len(said) != 1 {
			r.Errorf("the first said %v", said)
		}
		r.source.fill("a", 100)
		r.until("the second moves", func() bool { return r.source.settled("a") == 200 })
		for _, i := range []*instance{first, second} {
			if err := i.stop(); err != nil {
				r.Error(err)
			}
		}
		r.complete("a")
	})
}

// TestRegisterIsAway: who works goes on, and who starts waits.
func TestRegisterIsAway(t *testing.T) {
	bubble(t, func(r *rig) {
		at := &register{}
		first := r.join("first", at)
		r.until("the first is active", first.is(engine.Running))
		at.away.Store(true)
		pause(r.Context(), time.Minute)
		second := r.join("second", at)
		pause(r.Context(), time.Minute)
		r.source.fill("a", 100)
		r.until("the first moves", func() bool { return r.source.settled("a") == 100 })
		if s := second.State(); s.Name != engine.Degraded || s.Reason != "the register does not answer" {
			r.Errorf("who starts: %+v", s)
		}
		if s := first.State(); s.Name != engine.Running {
			r.Errorf("who works: %+v", s)
		}
		at.lose()
		if err := second.stop(); err != nil { // it would take what has run out
			r.Error(err)
		}
		at.away.Store(false)
		r.until("the first has it again", func() bool { return at.holder() == "first" })
		if err := first.stop(); err != nil {
			r.Error(err)
		}
		for _, word := range []string{"the lease is not renewed", "it had none for a while"} {
			if said := first.log.with(word); len(said) != 1 {
				r.Errorf("%s: said %v", word, said)
			}
		}
	})
}

// TestRivalWithoutALease takes the lane over while this instance has the lease: once may
// be one that was asleep, from which the lane is taken back; one that comes again does
// not heed the lease, and this instance ends as without one, since taking the lane back
// would go on for ever. Long after it may be one that was asleep again.
func TestRivalWithoutALease(t *testing.T) {
	bubble(t, func(r *rig) {
		at := &register{}
		r.source.fill("a", 100)
		first := r.join("first", at)
		moved := func() bool { return r.source.settled("a") == len(r.source.all("a")) }
		r.until("the first moves", moved)
		fence := func() {
			if _, _, err := r.sink.Open(r.Context(), pipeline.LaneID{Pipeline: "test"}); err != nil {
				r.Fatal(err)
			}
			r.watch.lanes.Add(-1) // the rival's is never closed
			r.source.fill("a", 10)
		}
		for range 3 {
			fence()
			r.until("it has taken the lane back", moved)
			pause(r.Context(), 10*life+time.Second)
		}
		fence()
		r.until("it has taken the lane back", moved)
		fence()
		r.until("it is fenced", first.is(engine.Failed))
		if err := first.stop(); pipeline.ClassOf(err) != pipeline.Fenced {
			r.Error(err)
		}
		if who := at.holder(); who != "" {
			r.Errorf("%s still has the lease", who)
		}
	})
}

func TestStandbyHasPatience(t *testing.T) {
	bubble(t, func(r *rig) {
		at := &register{}
		first := r.join("first", at)
		r.until("the first is active", first.is(engine.Running))
		r.cfg.UntilDrained, r.cfg.Patience = true, 30*time.Second
		began := time.Now()
		second := r.join("second", at)
		r.until("its patience is over", second.is(engine.Failed))
		if took := time.Since(began); took < 30*time.Second || took > 31*time.Second {
			r.Errorf("it took %v", took)
		}
		err := second.stop()
		if pipeline.ClassOf(err) != pipeline.Unreachable || !strings.Contains(err.Error(), "waited 30s (--patience) in vain: instance first is active") {
			r.Errorf("it ended with %v", err)
		}
		if err := first.stop(); err != nil {
			r.Error(err)
		}
	})
}

// TestGapWhileTheLeaseIsHeld halts at once: nobody else was active, and to begin anew would
// be to forget what shows the gap.
func TestGapWhileTheLeaseIsHeld(t *testing.T) {
	bubble(t, func(r *rig) {
		at := &register{}
		r.source.fill("a", 100)
		first := r.join("first", at)
		r.until("the first moves", func() bool { return r.source.settled("a") == 100 })
		var tried atomic.Int64
		r.sink.commit = func(context.Context, *entry) (bool, error) {
			tried.Add(1)
			return false, &pipeline.Error{Class: pipeline.Gap, What: "something is missing"}
		}
		r.source.fill("a", 10)
		r.until("it has halted", first.is(engine.Failed))
		if err := first.stop(); pipeline.ClassOf(err) != pipeline.Gap {
			r.Error(err)
		}
		if n := tried.Load(); n != 1 {
			r.Errorf("it has tried %d times", n)
		}
	})
}
