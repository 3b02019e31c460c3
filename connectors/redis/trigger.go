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
	switch {
	case t.Every < 0:
		return []pipeline.Problem{{Field: "trigger.every", What: "less than nothing", Do: "write a duration like 5s"}}
	case t.Every > 0 && t.Cron != "":
		return []pipeline.Problem{{Field: "trigger.cron", What: "every stands beside it", Do: "write one of the two"}}
	case t.Cron == "" && t.TimeZone != "":
		return []pipeline.Problem{{Field: "trigger.time_zone", What: "there is no cron", Do: "leave it out, or write cron too"}}
	}
	if t.Cron == "" {
		return nil
	}
	if _, err := time.LoadLocation(t.TimeZone); err != nil {
		return []pipeline.Problem{{Field: "trigger.time_zone", What: "not a known time zone", Do: "write a name like Europe/Berlin"}}
	}
	if _, err := cron.ParseStandard(t.Cron); err != nil {
		return []pipeline.Problem{{Field: "trigger.cron", What: err.Error(), Do: "write minute, hour, day of month, month, day of week, like */5 * * * *"}}
	}
	return nil
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
func (t Trigger) schedule(r pipeline.Reader) (pipeline.Reader, error) {
	next, err := t.next()
	if err != nil {
		return nil, err
	}
	s := &scheduledReader{Reader: r, next: next, cursor: r.Start().Offset, closed: make(chan struct{})}
	if t.Every > 0 {
		s.begins = time.Now()
	}
	return s, nil
}

// scheduledReader reads up to the tail that a shard has at each time of a
// schedule.
type scheduledReader struct {
	pipeline.Reader
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
		timer := time.NewTimer(time.Until(s.begins))
		select {
		case <-timer.C:
		case <-s.closed:
			timer.Stop()
			return errClosed
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		tail, err := s.Tail(ctx)
		if err != nil {
			return err // the time stays: it drains as soon as the server answers
		}
		s.until, s.began, s.begins = tail.Offset, time.Now(), time.Time{}
	}
	return s.Reader.Wait(ctx)
}

func (s *scheduledReader) Read(ctx context.Context, b *pipeline.Batch, limit pipeline.Limit) error {
	if err := s.Reader.Read(ctx, b, limit); err != nil {
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
	return s.Reader.Rewind(p)
}

// Close ends the waiting too.
func (s *scheduledReader) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Reader.Close()
}
