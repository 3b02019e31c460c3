package redis

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

const (
	// claimAtMost bounds how long what others have left waits to be looked for.
	claimAtMost = 5 * time.Second
	// leavePatience bounds what a subscription says to Redis when it ends.
	leavePatience = 5 * time.Second
	// handedBack is how long ago entries seem to have been handed out that a
	// subscription gives back: longer than anybody's ClaimIdle.
	handedBack = 24 * time.Hour
)

// fetchShared reads as a consumer of the group: what others have left is claimed, then
// comes what is pending for this consumer, then what is new. After an error it looks for
// what is pending: a reply that was lost may have handed out entries.
func (s *subscription) fetchShared(ctx context.Context) (entries []redis.XMessage, err error) {
	if epoch := s.epoch.Load(); epoch != s.read {
		s.read = epoch
		s.lookAgain()
	}
	if time.Since(s.claimed) >= min(s.config.ClaimIdle/2, claimAtMost) {
		err = s.claim(ctx)
	}
	switch {
	case err != nil:
	case s.pending:
		entries, err = s.fetchPending(ctx)
	default:
		entries, err = s.ask(ctx, "XREADGROUP", "GROUP", s.config.Group, s.consumer, "COUNT", s.count, "BLOCK", pollFor.Milliseconds(), "STREAMS", s.topic, ">")
		entries = s.hold(entries)
	}
	if err != nil {
		s.lookAgain()
	}
	if isNoGroup(err) {
		return nil, s.regroup(ctx)
	}
	return entries, err
}

// lookAgain makes what is pending come first.
func (s *subscription) lookAgain() { s.pending, s.cursor = true, "0" }

// fetchPending reads what is pending for the consumer after the cursor, and not held.
func (s *subscription) fetchPending(ctx context.Context) ([]redis.XMessage, error) {
	s.acking.Lock()
	defer s.acking.Unlock()
	entries, err := s.ask(ctx, "XREADGROUP", "GROUP", s.config.Group, s.consumer, "COUNT", max(s.count, firstCount), "STREAMS", s.topic, s.cursor)
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		s.pending = false
		return nil, nil
	}
	s.cursor = entries[len(entries)-1].ID
	return s.hold(entries), s.forget(ctx, entries)
}

// hold takes entries in, without those that are held already, and those without a body.
func (s *subscription) hold(entries []redis.XMessage) []redis.XMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := make([]redis.XMessage, 0, len(entries))
	for _, e := range entries {
		if _, held := s.held[e.ID]; !held && e.Values != nil {
			s.held[e.ID] = false
			fresh = append(fresh, e)
		}
	}
	return fresh
}

// forget acknowledges entries without a body: they were trimmed or deleted while they
// were pending.
func (s *subscription) forget(ctx context.Context, entries []redis.XMessage) error {
	var gone []string
	for _, e := range entries {
		if e.Values == nil {
			gone = append(gone, e.ID)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	s.config.Logger.Error("entries were removed from the stream before they were acked", errGone,
		s.fields.Add(watermill.LogFields{"entries": len(gone), "ids": few(gone)}))
	return s.config.Client.XAck(ctx, s.topic, s.config.Group, gone...).Err()
}

var errGone = errors.New("XTRIM, MAXLEN or XDEL has removed what was pending; let the writer keep more")

// claim takes over what other consumers have left: it is pending for this one then. It
// removes consumers that have left nothing and are silent for long.
func (s *subscription) claim(ctx context.Context) error {
	start := "0-0"
	for {
		ids, next, err := s.config.Client.XAutoClaimJustID(ctx, &redis.XAutoClaimArgs{
			Stream: s.topic, Group: s.config.Group, Consumer: s.consumer, MinIdle: s.config.ClaimIdle, Start: start, Count: claimPage,
		}).Result()
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			s.lookAgain()
		}
		if start = next; start == "0-0" || start == "" {
			break
		}
	}
	s.claimed = time.Now()
	if _, err := removeIdle(ctx, s.config.Client, s.topic, s.config.Group, s.own, forgetAfter*s.config.ClaimIdle); err != nil {
		return err
	}
	return s.lookForMark(ctx)
}

// lookForMark remembers up to where the group has acknowledged all.
func (s *subscription) lookForMark(ctx context.Context) error {
	groups, err := s.config.Client.XInfoGroups(ctx, s.topic).Result() // first: what is handed out after it does not count
	if err != nil {
		return err
	}
	pending, err := s.config.Client.XPending(ctx, s.topic, s.config.Group).Result()
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.Name == s.config.Group {
			s.mark = g.LastDeliveredID
		}
	}
	if first, ok := parseID([]byte(pending.Lower)); ok && pending.Count > 0 {
		s.mark = before(first).String()
	}
	return nil
}

// regroup makes the group again where it had acknowledged all, a few seconds ago at most:
// better twice than never. A stream that ends before that is another one, and is read
// from its start.
func (s *subscription) regroup(ctx context.Context) error {
	at := s.mark
	info, err := s.config.Client.XInfoStream(ctx, s.topic).Result()
	switch {
	case err != nil && !strings.Contains(err.Error(), "no such key"):
		return err
	case err != nil || at != "$" && compareIDs(info.LastGeneratedID, at) < 0:
		at = "0"
	}
	s.config.Logger.Info("the consumer group is gone; it is made again", s.fields.Add(watermill.LogFields{"after": at}))
	return makeGroup(ctx, s.config.Client, s.topic, s.config.Group, at)
}

// compareIDs compares entry ids; what is none comes first.
func compareIDs(a, b string) int {
	x, _ := parseID([]byte(a))
	y, _ := parseID([]byte(b))
	return pipeline.Offset.Compare(x, y)
}

// leave gives back what the subscription was handed and has not handed out: others may
// claim it at once. A consumer that has no name of its own and holds nothing is removed.
func (s *subscription) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, leavePatience)
	defer cancel()
	var ids []any
	for id, out := range s.held { // nobody else is left
		if !out {
			ids = append(ids, id)
		}
	}
	var err error
	for chunk := range slices.Chunk(ids, claimPage) {
		args := append([]any{"XCLAIM", s.topic, s.config.Group, s.consumer, 0}, chunk...)
		if err = s.config.Client.Do(ctx, append(args, "IDLE", handedBack.Milliseconds(), "JUSTID")...).Err(); err != nil {
			break
		}
	}
	if err == nil && s.config.Consumer == "" {
		err = removeScript.Run(ctx, s.config.Client, []string{s.topic}, s.config.Group, s.consumer).Err()
	}
	if err != nil && !isNoGroup(err) {
		s.config.Logger.Error("the subscription could not leave its group; others go on after ClaimIdle", classify("Redis", "leaving group "+s.config.Group, err), s.fields)
	}
}
