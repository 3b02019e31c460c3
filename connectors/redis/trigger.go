package redis

import (
	"context"
	"sync"
	"time"

	cron "github.com/netresearch/go-cron"

	"github.com/penstock-io/penstock/pipeline"
)

// continuous tells whether records are read as they come.
func (t Trigger) continuous() bool { return t.Every == 0 && t.Cron == "" }

// Continuous makes a trigger read as records come, for a run that drains once.
func (t *Trigger) Continuous() { *t = Trigger{Mode: "continuous"} }

func (t Trigger) validate() []pipeline.Problem {
	var found []pipeline.Problem
	problem := func(field, what, do string) {
		found = append(found, pipeline.Problem{Field: "trigger." + field, What: what, Do: do})
	}
	if t.Every < 0 {
		problem("every", "less than nothing", "write a duration like 5s")
	}
	_, zoneErr := time.LoadLocation(t.TimeZone)
	switch {
	case zoneErr != nil:
		problem("time_zone", "not a known time zone", "write a name like Europe/Berlin")
	case t.Cron == "" && t.TimeZone != "":
		problem("time_zone", "there is no cron", "leave it out, or write cron too")
	}
	if t.Cron == "" {
		return found
	}
	if t.Every > 0 {
		problem("cron", "every stands beside it", "write one of the two")
	}
	switch schedule, err := cron.ParseStandard(t.Cron); {
	case err != nil:
		problem("cron", err.Error(), "write minute, hour, day of month, month, day of week, like */5 * * * *")
	case schedule.Next(time.Now()).IsZero():
		problem("cron", "this time never comes", "write a day that the month has")
	}
	return found
}

// next gives the function that tells when the next drain begins: of the time the
// last one began, and of now.
func (t Trigger) next() (func(last, now time.Time) time.Time, error) {
	if t.Every > 0 {
		return func(last, _ time.Time) time.Time { return last.Add(t.Every) }, nil
	}
	schedule, err := cron.ParseStandard(t.Cron)
	if err != nil {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "trigger.cron cannot be read", Err: err}
	}
	zone := time.Local
	if t.TimeZone != "" {
		if zone, err = time.LoadLocation(t.TimeZone); err != nil {
			return nil, &pipeline.Error{Class: pipeline.Permanent, What: "trigger.time_zone is not known", Err: err}
		}
	}
	return func(_, now time.Time) time.Time { return schedule.Next(now.In(zone)) }, nil
}

// schedule makes a reader drain at the trigger's times, and wait in between. One
// drain goes at a time: a time of cron that comes during a drain is passed over;
// with every, a drain that took longer is followed by the next at once.
func (t Trigger) schedule(r resting) (pipeline.Reader, error) {
	next, err := t.next()
	if err != nil {
		return nil, err
	}
	s := &scheduledReader{resting: r, next: next, cursor: r.Start().Offset, closed: make(chan struct{})}
	if t.Every > 0 {
		s.begins = time.Now()
	}
	return s, nil
}

// resting is a reader that may be idle for long.
type resting interface {
	pipeline.Reader
	// rest lets go of the connection until the next Wait: servers and what lies
	// before them end those on which nothing goes on.
	rest()
}

// scheduledReader reads up to the tail that a shard has at each time of a
// schedule.
type scheduledReader struct {
	resting
	next   func(last, now time.Time) time.Time
	began  time.Time       // the last drain
	begins time.Time       // the next drain; zero: not decided yet
	cursor pipeline.Offset // after what was read
	until  pipeline.Offset // the tail of the drain that goes on
	closed chan struct{}
	once   sync.Once
}

func (s *scheduledReader) Wait(ctx context.Context) error {
	for s.cursor.Compare(s.until) >= 0 {
		if s.begins.IsZero() {
			s.begins = s.next(s.began, time.Now())
		}
		if err := s.pause(ctx); err != nil {
			return err
		}
		tail, err := s.Tail(ctx)
		if err != nil {
			return err // the time stays: it drains as soon as the server answers
		}
		s.until, s.began, s.begins = tail.Offset, time.Now(), time.Time{}
	}
	return s.resting.Wait(ctx)
}

// pause waits until the next drain begins.
func (s *scheduledReader) pause(ctx context.Context) error {
	if s.begins.IsZero() {
		return &pipeline.Error{Class: pipeline.Permanent, What: "the next time of trigger.cron never comes", Do: "write another one"}
	}
	wait := time.Until(s.begins)
	if wait > 0 {
		s.rest()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.closed:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *scheduledReader) Read(ctx context.Context, b *pipeline.Batch, limit pipeline.Limit) error {
	if err := s.resting.Read(ctx, b, limit); err != nil {
		return err
	}
	if b.After != (pipeline.Position{}) {
		s.cursor = b.After.Offset
	}
	return nil
}

// Rewind goes on with the drain, where p is before its end.
func (s *scheduledReader) Rewind(p pipeline.Position) error {
	s.cursor = p.Offset
	return s.resting.Rewind(p)
}

// Close ends the waiting too.
func (s *scheduledReader) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.resting.Close()
}
