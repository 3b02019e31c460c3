package redis

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// DeadLetters keeps the dead letters of a pipeline in a stream: an entry each, with the
// fields value, key and time (the record's, in ms), header.NAME for each header, and what
// there is to say of it as penstock.stage, penstock.error and so on, as headers of
// dead letters in Kafka say it. Frozen. GivenBack removes entries (XDEL). A letter's ID is
// that of its entry.
type DeadLetters struct {
	client   *client
	stream   string
	pipeline string
}

var (
	_ pipeline.DeadLetterWriter = (*DeadLetters)(nil)
	_ pipeline.DeadLetterReader = (*DeadLetters)(nil)
)

// NewDeadLetters makes a place for the dead letters of a pipeline. It connects to nobody
// yet. Errors: Permanent, of settings and files.
func NewDeadLetters(c Connection, stream, pipelineName string, log *slog.Logger) (*DeadLetters, error) {
	shared, err := c.newClient(log)
	if err != nil {
		return nil, err
	}
	return &DeadLetters{client: shared, stream: stream, pipeline: pipelineName}, nil
}

// The fields of an entry that is a dead letter, beside those that describe it.
const (
	letterValue  = "value"
	letterKey    = "key"
	letterStamp  = "time"
	letterHeader = "header."
)

// What one round trip of letters may hold: Redis does nothing else meanwhile.
const (
	lettersAtOnce     = 500
	letterBytesAtOnce = 4 << 20
)

// Keep adds letters to the stream, in order, a transaction for some 500 of them
// (https://redis.io/docs/latest/commands/xadd/). They last as long as what Redis
// has acknowledged does: see appendfsync.
func (d *DeadLetters) Keep(ctx context.Context, letters []pipeline.DeadLetter) error {
	return d.client.writeLetters(ctx, "keeping dead letters in stream "+d.stream, letters, func(tx redis.Pipeliner, l *pipeline.DeadLetter) error {
		return tx.XAdd(ctx, &redis.XAddArgs{Stream: d.stream, Values: letterFields(l)}).Err()
	})
}

// writeLetters writes letters to one key, in order, some 500 in a transaction. After an
// error some may have been written.
func (c *client) writeLetters(ctx context.Context, doing string, letters []pipeline.DeadLetter, write func(tx redis.Pipeliner, l *pipeline.DeadLetter) error) error {
	for len(letters) > 0 {
		n, bytes := 0, 0
		_, err := c.TxPipelined(ctx, func(tx redis.Pipeliner) error {
			for n < len(letters) && n < lettersAtOnce && bytes < letterBytesAtOnce {
				if err := write(tx, &letters[n]); err != nil {
					return err
				}
				bytes += len(letters[n].Value)
				n++
			}
			return nil
		})
		if redis.HasErrorPrefix(err, "EXECABORT") { // nothing was written; alone, a command says why
			n = 1
			_, err = c.Pipelined(ctx, func(one redis.Pipeliner) error { return write(one, &letters[0]) })
		}
		if err != nil {
			return c.classify(doing, err)
		}
		letters = letters[n:]
	}
	return nil
}

// letterFields gives the fields of a letter, names and values in turn.
func letterFields(l *pipeline.DeadLetter) []any {
	var fields []any
	add := func(name string, value any) { fields = append(fields, name, value) }
	if l.Value != nil {
		add(letterValue, l.Value)
	}
	if l.Key != nil {
		add(letterKey, l.Key)
	}
	if !l.Stamp.IsZero() {
		add(letterStamp, l.Stamp.UnixMilli())
	}
	for _, h := range l.Headers {
		add(letterHeader+h.Key, h.Value)
	}
	for _, h := range l.Described() {
		add(h.Key, h.Value)
	}
	return fields
}

// letterIn is the letter of an entry, false where it is none, or not of the pipeline.
func (d *DeadLetters) letterIn(entry streamEntry) (pipeline.DeadLetter, bool) {
	l := pipeline.DeadLetter{ID: entry.id}
	for i := 0; i+1 < len(entry.fields); i += 2 {
		name, text := entry.fields[i], entry.fields[i+1]
		header, isHeader := strings.CutPrefix(name, letterHeader)
		switch {
		case isHeader:
			l.Headers = append(l.Headers, pipeline.Header{Key: header, Value: []byte(text)})
		case name == letterValue:
			l.Value = []byte(text)
		case name == letterKey:
			l.Key = []byte(text)
		case name == letterStamp:
			l.Stamp = timeOf(text)
		default:
			l.Describe(name, text)
		}
	}
	return l, l.Pipeline == d.pipeline && l.Stage != ""
}

// Each reads the stream up to the entry that is the last one now.
func (d *DeadLetters) Each(ctx context.Context, yield func(pipeline.DeadLetter) bool) error {
	const doing = "reading dead letters from stream "
	newest, err := d.client.XRevRangeN(ctx, d.stream, "+", "-", 1).Result()
	if err != nil || len(newest) == 0 {
		return d.client.classify(doing+d.stream, err)
	}
	for from := "-"; ; {
		entries, err := d.entries(ctx, from, newest[0].ID)
		if err != nil {
			return d.client.classify(doing+d.stream, err)
		}
		for _, entry := range entries {
			if letter, ok := d.letterIn(entry); ok && !yield(letter) {
				return nil
			}
		}
		if len(entries) == 0 {
			return nil
		}
		from = "(" + entries[len(entries)-1].id
	}
}

// streamEntry is an entry: names and values of its fields in turn.
type streamEntry struct {
	id     string
	fields []string
}

// entries gives some entries of the stream
// (https://redis.io/docs/latest/commands/xrange/), their fields in order.
func (d *DeadLetters) entries(ctx context.Context, from, to string) ([]streamEntry, error) {
	const atOnce = 100
	reply, err := d.client.Do(ctx, "xrange", d.stream, from, to, "count", atOnce).Slice()
	if err != nil {
		return nil, err
	}
	entries := make([]streamEntry, 0, len(reply))
	for _, one := range reply {
		pair, ok := one.([]any)
		if !ok || len(pair) != 2 {
			return nil, errNotAnEntry
		}
		id, _ := pair[0].(string)
		texts, _ := pair[1].([]any)
		entry := streamEntry{id: id, fields: make([]string, len(texts))}
		for i := range texts {
			entry.fields[i], _ = texts[i].(string)
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// timeOf reads milliseconds since 1970, the zero time where they are none.
func timeOf(text string) time.Time {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// GivenBack removes the entries of letters.
func (d *DeadLetters) GivenBack(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	return d.client.classify("removing dead letters from stream "+d.stream, d.client.XDel(ctx, d.stream, ids...).Err())
}

// Close closes the connections. It may be called more than once.
func (d *DeadLetters) Close() error { return d.client.Close() }
