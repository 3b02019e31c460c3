package trial

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// batch makes a batch of a record of a test, and moves the clock to when it comes.
func batch(given config.Given, number int, clock *Clock) (*pipeline.Batch, error) {
	clock.now = clock.now.Add(given.After)
	b := &pipeline.Batch{Shard: given.Shard, Read: 1}
	if b.Shard == "" {
		b.Shard = "test"
	}
	r := b.Add()
	if given.Key != nil && *given.Key != nil {
		r.Key = []byte(plain(*given.Key))
	}
	for _, name := range slices.Sorted(maps.Keys(given.Headers)) {
		for _, text := range texts(given.Headers[name]) {
			r.Headers = append(r.Headers, pipeline.Header{Key: name, Value: []byte(text)})
		}
	}
	r.Time = clock.now
	if given.Time != "" {
		at, err := time.Parse(time.RFC3339Nano, given.Time)
		if err != nil {
			return nil, err
		}
		r.Time = at.UTC().Truncate(time.Millisecond)
		if r.Time.After(clock.now) {
			clock.now = r.Time
		}
	}
	r.Offset = pipeline.Offset{Minor: uint64(number) + 1}
	b.After = pipeline.Position{Incarnation: "test", Offset: r.Offset}
	return b, value(b, r, given.Value)
}

// value gives the record its value: bytes where the test has text, else a document.
func value(b *pipeline.Batch, r *pipeline.Record, given *any) error {
	if given == nil {
		r.Value = pipeline.RawValue([]byte{})
		return nil
	}
	raw, isText := (*given).(string)
	if isText {
		r.Original = []byte(raw)
		r.Value = pipeline.RawValue(r.Original)
		return nil
	}
	text, err := config.TextOf(*given)
	if err != nil {
		return err
	}
	r.Original = text
	r.Value, err = b.Document(text)
	return err
}

// plain gives the text of a value that is no object and no list.
func plain(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case json.Number:
		return value.String()
	default:
		return fmt.Sprint(value)
	}
}

// texts gives the texts of a header of a file: one, or a list of them.
func texts(header any) []string {
	list, several := header.([]any)
	if !several {
		return []string{plain(header)}
	}
	all := make([]string, len(list))
	for i, one := range list {
		all[i] = plain(one)
	}
	return all
}
