package trial

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// Texts shows what a test expects, and what became of its records where it looks, as
// JSON of several lines: the test has passed where both are the same. topic is the
// sink's own, empty where it has none.
func Texts(expect []config.Expected, outcomes []Outcome, topic string) (want, got string) {
	listsAll := slices.ContainsFunc(expect, func(e config.Expected) bool { return e.TakenOut() })
	var wanted, came []fields
	for i := range expect {
		wanted = append(wanted, expectedFields(&expect[i]))
	}
	for _, o := range outcomes {
		if o.Fate == pipeline.Deliver && o.Record.Topic == "" {
			o.Record.Topic = topic
		}
		if !listsAll && (o.Fate == pipeline.Filtered || o.Fate == pipeline.Duplicate) {
			continue
		}
		var e *config.Expected
		if len(came) < len(expect) {
			e = &expect[len(came)]
		}
		came = append(came, o.fields(e))
	}
	return text(wanted), text(came)
}

// fields are the fields of a record in the order in which they are shown.
type fields []field

type field struct {
	name  string
	value any // as config gives values of files
}

func (f *fields) add(name string, value any) { *f = append(*f, field{name, value}) }

// text shows records as JSON.
func text(records []fields) string {
	var compact, indented bytes.Buffer
	compact.WriteByte('[')
	for i, r := range records {
		if i > 0 {
			compact.WriteByte(',')
		}
		compact.WriteByte('{')
		for j, f := range r {
			if j > 0 {
				compact.WriteByte(',')
			}
			compact.WriteString(strconv.Quote(f.name) + ":")
			value, err := config.TextOf(f.value)
			if err != nil {
				value = []byte("null")
			}
			compact.Write(value)
		}
		compact.WriteByte('}')
	}
	compact.WriteByte(']')
	if err := json.Indent(&indented, compact.Bytes(), "", "  "); err != nil {
		return compact.String() + "\n"
	}
	return indented.String() + "\n"
}

func expectedFields(e *config.Expected) fields {
	var f fields
	if e.Outcome != "" {
		f.add("outcome", e.Outcome)
	}
	if e.Error != "" {
		f.add("error", e.Error)
	}
	if e.Key != nil {
		f.add("key", keyOf(*e.Key))
	}
	if e.Value != nil {
		f.add("value", *e.Value)
	}
	if e.Headers != nil {
		f.add("headers", headersOf(e.Headers))
	}
	if e.Topic != "" {
		f.add("topic", e.Topic)
	}
	if e.Time != "" {
		f.add("time", timeText(e.Time))
	}
	return f
}

// fields shows an outcome where e, what is expected of it, looks; nil: everywhere.
func (o Outcome) fields(e *config.Expected) fields {
	if o.Fate != pipeline.Deliver {
		return o.refusal(e)
	}
	if e == nil || e.Outcome != "" || e.Error != "" {
		return o.Record.all()
	}
	var f fields
	if e.Key != nil {
		f.add("key", o.Record.key())
	}
	if e.Value != nil {
		f.add("value", valueAs(*e.Value, o.Record.Value))
	}
	if e.Headers != nil {
		f.add("headers", o.Record.headers())
	}
	if e.Topic != "" {
		f.add("topic", o.Record.Topic)
	}
	if e.Time != "" {
		f.add("time", o.Record.Time.UTC().Format(time.RFC3339Nano))
	}
	return f
}

var outcomeNames = map[pipeline.Fate]string{
	pipeline.Filtered: "filtered", pipeline.Duplicate: "duplicate", pipeline.Dropped: "dropped",
	pipeline.DeadLettered: "dead_letter", pipeline.Failed: "halted",
}

// refusal shows a record that does not go out.
func (o Outcome) refusal(e *config.Expected) fields {
	var f fields
	looks := e != nil && (e.Outcome != "" || e.Error != "")
	known := looks && e.Error != "" && strings.Contains(o.Error, e.Error)
	name := outcomeNames[o.Fate]
	if !looks || e.Outcome != "" || o.Error == "" {
		f.add("outcome", name)
	}
	switch {
	case known:
		f.add("error", e.Error)
	case o.Error != "" && (!looks || e.Error != "" || e.Outcome != name):
		f.add("error", o.Error)
	}
	return f
}

// all shows the record whole, but for its time.
func (r *Record) all() fields {
	var f fields
	if r.Key != nil {
		f.add("key", r.key())
	}
	f.add("value", r.value())
	if len(r.Headers) > 0 {
		f.add("headers", r.headers())
	}
	if r.Topic != "" {
		f.add("topic", r.Topic)
	}
	return f
}

func (r *Record) key() any {
	if r.Key == nil {
		return nil
	}
	return textOf(r.Key)
}

// value gives the value as a file would best say it: an object or list as it is,
// everything else as text.
func (r *Record) value() any {
	switch read, _ := readJSON(r.Value); read := read.(type) {
	case map[string]any, []any:
		return read
	}
	return textOf(r.Value)
}

func (r *Record) headers() map[string]any {
	all := map[string]any{}
	for _, h := range r.Headers {
		all[h.Key] = append(asList(all[h.Key]), textOf(h.Value))
	}
	return headersOf(all)
}

// headersOf gives headers in one form: a text each, or a list of several.
func headersOf(headers map[string]any) map[string]any {
	all := maps.Clone(headers)
	for name, value := range all {
		if list := asList(value); len(list) == 1 {
			all[name] = list[0]
		}
	}
	return all
}

func asList(value any) []any {
	list, _ := value.([]any)
	return list
}

func keyOf(key any) any {
	if key == nil {
		return nil
	}
	return plain(key)
}

func timeText(text string) string {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// textOf gives bytes as text; those that are none in the quotes of Go.
func textOf(raw []byte) string {
	if utf8.Valid(raw) {
		return string(raw)
	}
	return "bytes " + strconv.Quote(string(raw))
}

// valueAs gives a value in the form in which it is expected: bytes where that is
// text, else JSON, its numbers written alike where they are the same.
func valueAs(want any, raw []byte) any {
	if _, isText := want.(string); isText {
		return textOf(raw)
	}
	got, ok := readJSON(raw)
	if !ok {
		return textOf(raw)
	}
	return alike(want, got)
}

// readJSON reads JSON as config does.
func readJSON(raw []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil || d.More() {
		return nil, false
	}
	return value, true
}
