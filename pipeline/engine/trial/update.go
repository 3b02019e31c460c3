package trial

import (
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// Expect gives what a test would have to expect to pass, and looks where it looks now.
func Expect(expect []config.Expected, outcomes []Outcome, topic string) []config.Expected {
	listsAll := slices.ContainsFunc(expect, func(e config.Expected) bool { return e.TakenOut() })
	updated := []config.Expected{}
	for _, o := range outcomes {
		if o.Fate == pipeline.Deliver && o.Record.Topic == "" {
			o.Record.Topic = topic
		}
		if !listsAll && (o.Fate == pipeline.Filtered || o.Fate == pipeline.Duplicate) {
			continue
		}
		var before config.Expected
		if len(updated) < len(expect) {
			before = expect[len(updated)]
		}
		updated = append(updated, o.expected(before))
	}
	return updated
}

// expected is the outcome as a test expects it. What it shows of a record is what
// before has shown; key, value and headers where that was no record.
func (o Outcome) expected(before config.Expected) config.Expected {
	var e config.Expected
	if o.Fate != pipeline.Deliver {
		what, _, _ := strings.Cut(o.Error, "; ")
		return config.Expected{Outcome: outcomeNames[o.Fate], Error: what}
	}
	looks := before.Key != nil || before.Value != nil || before.Headers != nil || before.Topic != "" || before.Time != ""
	if before.Key != nil || !looks && o.Record.Key != nil {
		key := o.Record.key()
		e.Key = &key
	}
	if before.Value != nil || !looks {
		value := o.Record.value()
		if before.Value != nil {
			value = valueAs(*before.Value, o.Record.Value)
		}
		e.Value = &value
	}
	if before.Headers != nil || !looks && len(o.Record.Headers) > 0 {
		e.Headers = o.Record.headers()
	}
	if before.Topic != "" {
		e.Topic = o.Record.Topic
	}
	if before.Time != "" {
		e.Time = o.Record.Time.UTC().Format(time.RFC3339Nano)
	}
	return e
}
