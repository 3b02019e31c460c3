package redis

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

// handOut hands out one message after the other, each until it is acked, and ends with
// ctx. Several of it take turns, so that messages come in order the first time.
func (s *subscription) handOut(ctx context.Context) {
	for {
		s.turn.Lock()
		entry, m, ok := s.next(ctx)
		if ok {
			ok = s.send(ctx, entry.ID, m)
		}
		s.turn.Unlock()
		for ok && !s.settled(ctx, entry.ID, m) {
			m.again(entry)
			ok = s.send(ctx, entry.ID, m)
		}
		if !ok {
			return
		}
	}
}

// delivery is a message and the end of its context.
type delivery struct {
	*message.Message
	done context.CancelFunc
}

// next takes the next entry that is a message. It is false when ctx has ended.
func (s *subscription) next(ctx context.Context) (redis.XMessage, *delivery, bool) {
	for ctx.Err() == nil {
		if len(s.now.entries) == 0 && !s.nextBatch(ctx) {
			break
		}
		if s.outdated() {
			s.drop()
			continue
		}
		entry := s.now.entries[0]
		s.now.entries = s.now.entries[1:]
		m, err := messageOf(entry.Values)
		if err == nil {
			return entry, &delivery{Message: m}, true
		}
		s.note(entry.ID, true)
		s.config.Logger.Error("an entry is passed over", err, s.fields.Add(watermill.LogFields{"id": entry.ID}))
	}
	return redis.XMessage{}, nil, false
}

// nextBatch waits for a batch. It says how fast the last one was worked off.
func (s *subscription) nextBatch(ctx context.Context) bool {
	if s.now.size > 0 {
		s.pace.Store(max(1, int64(time.Since(s.began))/int64(s.now.size)))
	}
	select {
	case s.demand <- struct{}{}:
	default:
	}
	select {
	case s.now = <-s.batches:
	case <-ctx.Done():
		return false
	}
	s.began = time.Now()
	return true
}

// outdated tells whether somebody else may have claimed what is left of the batch, or of
// one before it.
func (s *subscription) outdated() bool {
	if s.config.Group == "" {
		return false
	}
	if epoch := s.epoch.Load(); s.now.epoch == epoch && time.Since(s.now.read) > s.config.ClaimIdle/2 {
		s.epoch.Store(epoch + 1)
	}
	return s.now.epoch != s.epoch.Load()
}

// drop throws the batch away. What of it is still pending for this consumer is read
// again.
func (s *subscription) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.now.entries {
		delete(s.held, e.ID)
	}
	s.now = batch{}
}

// send hands a message out. It is false when ctx has ended.
func (s *subscription) send(ctx context.Context, id string, m *delivery) bool {
	own, done := context.WithCancel(ctx)
	m.done = done
	m.SetContext(own)
	s.note(id, true)
	select {
	case s.out <- m.Message:
		return true
	case <-ctx.Done():
		done()
		s.note(id, false)
		return false
	}
}

// again makes a new message of the entry: a nacked one is used up, and may be changed.
func (m *delivery) again(entry redis.XMessage) {
	m.Message, _ = messageOf(entry.Values) // it was one before
}

// settled waits for what becomes of a message, and is false when it is to come again.
func (s *subscription) settled(ctx context.Context, id string, m *delivery) bool {
	defer m.done()
	select {
	case <-m.Acked():
	case <-m.Nacked():
		s.note(id, false)
		m.done()
		return !s.pause(ctx)
	case <-ctx.Done():
		select {
		case <-m.Acked():
		case <-m.Nacked():
			s.note(id, false)
			return true
		default:
			return true
		}
	}
	if s.config.Group != "" {
		s.acks <- id
	}
	return true
}

// pause waits for NackDelay, and is false when ctx has ended.
func (s *subscription) pause(ctx context.Context) bool {
	if s.config.NackDelay == 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(s.config.NackDelay):
		return true
	case <-ctx.Done():
		return false
	}
}

// note notes whether an entry is handed out.
func (s *subscription) note(id string, out bool) {
	if s.config.Group == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[id] = out
}

// acknowledge tells Redis of acks, many at a time, until there are no more to come.
func (s *subscription) acknowledge(ctx context.Context) {
	var trouble trouble
	for id := range s.acks {
		ids := []string{id}
		for more := true; more && len(ids) < ackQueue; {
			select {
			case id, more = <-s.acks:
				if more {
					ids = append(ids, id)
				}
			default:
				more = false
			}
		}
		s.acknowledgeAll(ctx, ids, &trouble)
	}
}

// acknowledgeAll tries until it succeeds, or has failed after ctx has ended: then the
// messages come again.
func (s *subscription) acknowledgeAll(ctx context.Context, ids []string, trouble *trouble) {
	for !trouble.gaveUp {
		err := s.xack(context.WithoutCancel(ctx), ids)
		trouble.gaveUp = err != nil && ctx.Err() != nil
		trouble.follow(ctx, s, "acknowledging", err)
		if err == nil {
			return
		}
	}
}

// xack acknowledges entries (https://redis.io/docs/latest/commands/xack/).
func (s *subscription) xack(ctx context.Context, ids []string) error {
	s.acking.Lock()
	defer s.acking.Unlock()
	if err := s.config.Client.XAck(ctx, s.topic, s.config.Group, ids...).Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.held, id)
	}
	return nil
}
