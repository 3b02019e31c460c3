package redis

import (
	"bytes"
	"context"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

var (
	_ pipeline.Returner = (*ListSource)(nil)
	_ pipeline.Returner = (*StreamSource)(nil)
	_ pipeline.Returner = (*GroupSource)(nil)
)

// Returns refuses letters that are not whole, and those of lists that are not read
// any more.
func (s *ListSource) Returns(l *pipeline.DeadLetter) error {
	if err := returnable(l, l.Shard, s.settings.Keys); err != nil {
		return err
	}
	if l.Value == nil {
		return invalid("the letter has no value, and an item of a list has one", "see where it comes from")
	}
	return nil
}

// Return pushes the values at the end at which writers push, in order
// (https://redis.io/docs/latest/commands/rpush/).
func (s *ListSource) Return(ctx context.Context, letters []pipeline.DeadLetter) error {
	return s.client.giveBack(ctx, letters, func(tx redis.Pipeliner, l *pipeline.DeadLetter) error {
		if s.settings.PushedBy == "lpush" {
			return tx.LPush(ctx, l.Shard, l.Value).Err()
		}
		return tx.RPush(ctx, l.Shard, l.Value).Err()
	})
}

// Returns refuses letters that are not whole, those of streams that are not read any
// more, and entries that were none of the kind that the source reads.
func (s *StreamSource) Returns(l *pipeline.DeadLetter) error {
	_, err := s.settings.returned(l, l.Shard)
	return err
}

// Return adds the entries to their streams, as new ones, in order.
func (s *StreamSource) Return(ctx context.Context, letters []pipeline.DeadLetter) error {
	return s.settings.add(ctx, s.client, letters, func(shard string) string { return shard })
}

// Returns is that of StreamSource.
func (s *GroupSource) Returns(l *pipeline.DeadLetter) error {
	_, err := s.settings.returned(l, s.keyOf(l.Shard))
	return err
}

// Return adds the entries to their streams, as new ones, in order: whichever consumer
// is next reads them.
func (s *GroupSource) Return(ctx context.Context, letters []pipeline.DeadLetter) error {
	return s.settings.add(ctx, s.client, letters, s.keyOf)
}

// keyOf gives the key of a shard.
func (s *GroupSource) keyOf(shard string) string {
	if s.settings.Group.Consumers > 1 {
		if at := strings.LastIndexByte(shard, '#'); at >= 0 {
			return shard[:at]
		}
	}
	return shard
}

// Reads tells whether keys name a stream, or match it.
func (s *StreamSettings) Reads(stream string) bool {
	return slices.ContainsFunc(s.Keys, func(key string) bool {
		matches, err := path.Match(strings.ReplaceAll(key, "/", "\x00"), strings.ReplaceAll(stream, "/", "\x00"))
		return key == stream || err == nil && matches
	})
}

// returnable refuses what no source takes back.
func returnable(l *pipeline.DeadLetter, key string, keys []string) error {
	if l.Cut {
		return invalid("the letter is not whole: there was no room for all of it", "look for the record where it was made")
	}
	if !slices.Contains(keys, key) && !slices.ContainsFunc(keys, isPattern) {
		return invalid("the source does not read "+key+" any more", "write it into keys")
	}
	return nil
}

// add adds an entry for each letter.
func (s *StreamSettings) add(ctx context.Context, c *client, letters []pipeline.DeadLetter, keyOf func(shard string) string) error {
	return c.giveBack(ctx, letters, func(tx redis.Pipeliner, l *pipeline.DeadLetter) error {
		fields, err := s.returned(l, keyOf(l.Shard))
		if err != nil {
			return err
		}
		return tx.XAdd(ctx, &redis.XAddArgs{Stream: keyOf(l.Shard), Values: fields}).Err()
	})
}

// returned gives the fields of the entry that a letter was, names and values in turn.
func (s *StreamSettings) returned(l *pipeline.DeadLetter, key string) ([]any, error) {
	if err := returnable(l, key, s.Keys); err != nil {
		return nil, err
	}
	switch {
	case s.Watermill:
		m := message.NewMessage("", l.Value)
		for _, h := range l.Headers {
			if h.Key == uuidField {
				m.UUID = string(h.Value)
				continue
			}
			m.Metadata.Set(h.Key, string(h.Value))
		}
		return entryOf(m)
	case s.ValueField != "":
		var fields []any
		if l.Value != nil { // first: another field of the name is a header
			fields = append(fields, s.ValueField, l.Value)
		}
		for _, h := range l.Headers {
			fields = append(fields, h.Key, h.Value)
		}
		if fields == nil {
			return nil, invalid("the entry had no fields", "see where it comes from")
		}
		return fields, nil
	default:
		return fieldsOf(l.Value)
	}
}

// fieldsOf gives the fields of an entry of which the source has made an object.
func fieldsOf(object []byte) ([]any, error) {
	wrong := invalid("the entry was no object of texts, and cannot be made again", "see where it comes from; the letter shows what it held")
	in := json.NewDecoder(bytes.NewReader(object))
	if first, err := in.Token(); err != nil || first != json.Delim('{') {
		return nil, wrong
	}
	var fields []any
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return nil, wrong
		}
		value, err := in.Token()
		text, ok := value.(string)
		if err != nil || !ok {
			return nil, wrong
		}
		fields = append(fields, name, text)
	}
	if end, err := in.Token(); err != nil || end != json.Delim('}') || len(fields) == 0 {
		return nil, wrong
	}
	return fields, nil
}

// giveBack writes letters to the keys of their shards.
func (c *client) giveBack(ctx context.Context, letters []pipeline.DeadLetter, write func(tx redis.Pipeliner, l *pipeline.DeadLetter) error) error {
	for len(letters) > 0 {
		n := 1
		for n < len(letters) && letters[n].Shard == letters[0].Shard {
			n++
		}
		if err := c.writeLetters(ctx, "giving records back to "+letters[0].Shard, letters[:n], write); err != nil {
			return err
		}
		letters = letters[n:]
	}
	return nil
}
