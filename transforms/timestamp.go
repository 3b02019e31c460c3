package transforms

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// TimestampSettings are the settings of timestamp.
type TimestampSettings struct {
	Field  string `yaml:"field" required:"true" path:"true" example:"value.ts" doc:"The field that holds a time. null, and what is missing, stays."`
	From   string `yaml:"from" default:"rfc3339" example:"unix_ms" doc:"How it is written: rfc3339, unix, unix_ms, unix_us or unix_ns (since 1970), or as Go's reference time is written in that form: 02/Jan/2006:15:04:05 -0700."`
	To     string `yaml:"to" example:"rfc3339" doc:"How it is to be written, as from; default: it stays as it is."`
	Zone   string `yaml:"zone" default:"UTC" example:"Europe/Berlin" doc:"The time zone of times that say none, and the one in which they are written."`
	Record bool   `yaml:"record" doc:"It becomes the record's own time too: that of the record in Kafka."`
}

// Validate finds what is no field, a form that shows no time, and a zone that there is
// not.
func (s TimestampSettings) Validate() []pipeline.Problem {
	problems := fieldProblems("field", s.Field)
	if names, _ := parseField(s.Field); len(problems) == 0 && len(names) == 0 {
		problems = append(problems, pipeline.Problem{Field: "field", What: "value is all of the value", Do: fieldForms})
	}
	for _, form := range [][2]string{{"from", s.From}, {"to", s.To}} {
		if form[1] != "" && !showsTime(form[1]) {
			problems = append(problems, pipeline.Problem{Field: form[0], What: strconv.Quote(form[1]) + " shows no time", Do: "write rfc3339, unix_ms, or 2006-01-02 15:04:05, in the form that it has"})
		}
	}
	if _, err := time.LoadLocation(s.Zone); err != nil {
		problems = append(problems, pipeline.Problem{Field: "zone", What: strconv.Quote(s.Zone) + " is no time zone", Do: "write one like Europe/Berlin, or UTC"})
	}
	if s.To == "" && !s.Record {
		problems = append(problems, pipeline.Problem{What: "nothing is to be done with the time", Do: "write to: rfc3339, or record: true"})
	}
	return problems
}

// units are what numbers count, by the names of forms.
var units = map[string]time.Duration{"unix": time.Second, "unix_ms": time.Millisecond, "unix_us": time.Microsecond, "unix_ns": time.Nanosecond}

// layout gives the form of time.Format.
func layout(form string) string {
	if form == "rfc3339" {
		return time.RFC3339Nano
	}
	return form
}

// showsTime tells whether a form shows at least which day it is.
func showsTime(form string) bool {
	if _, ok := units[form]; ok {
		return true
	}
	day := time.Date(2021, 12, 13, 0, 0, 0, 0, time.UTC)
	again, err := time.Parse(layout(form), day.Format(layout(form)))
	return err == nil && again.Format(time.DateOnly) == day.Format(time.DateOnly)
}

// Timestamp writes times in another form.
type Timestamp struct {
	settings TimestampSettings
	names    []string
	zone     *time.Location
}

// NewTimestamp makes a timestamp. The error is the first that Validate finds.
func NewTimestamp(s TimestampSettings) (*Timestamp, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	names, err := parseField(s.Field)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(s.Zone)
	return &Timestamp{s, names, zone}, err
}

// Apply reads and writes the times. One that is written in another way is an error of
// the record.
func (t *Timestamp) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		if err := t.apply(b, r); err != nil {
			r.Fail(err)
		}
	}
	return nil
}

func (t *Timestamp) apply(b *pipeline.Batch, r *pipeline.Record) error {
	node, ok := r.Value.Get(t.names...)
	if !ok || node.Type() == pipeline.JSONNull {
		return nil
	}
	at, err := t.parse(&node)
	if err != nil {
		return &pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("%s is no time that is written as %s", t.settings.Field, t.settings.From), Err: err,
			Do: "say in from how it is written"}
	}
	if t.settings.Record {
		r.Time = at.Truncate(time.Millisecond)
	}
	if t.settings.To == "" {
		return nil
	}
	return r.Value.Set(b, t.names, t.format(b.Arena.Alloc(40), at))
}

var (
	errNoNumber = errors.New("it is no number of them")
	errTooFar   = errors.New("it is too far from now")
	errNotSo    = errors.New("it is written in another way") // without the text, which time.Parse shows
)

// parse reads the time. A number of seconds and the like may be text, and may have a
// fraction.
func (t *Timestamp) parse(n *pipeline.Node) (time.Time, error) {
	unit, counted := units[t.settings.From]
	if !counted {
		at, err := time.ParseInLocation(layout(t.settings.From), n.Text(), t.zone)
		if err != nil || n.Type() != pipeline.JSONString {
			return time.Time{}, errNotSo
		}
		return at.In(t.zone), nil
	}
	whole, err := strconv.ParseInt(n.Text(), 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(n.Text(), 64)
		if err != nil || !isNumber(n.Text()) || math.Abs(f) > 1<<53 {
			return time.Time{}, errNoNumber
		}
		whole = int64(f)
		rest := time.Duration((f - float64(whole)) * float64(unit))
		at, err := since1970(whole, unit)
		return at.Add(rest).In(t.zone), err
	}
	at, err := since1970(whole, unit)
	return at.In(t.zone), err
}

// since1970 gives a time of which years have four digits, as RFC 3339 wants it.
func since1970(n int64, unit time.Duration) (time.Time, error) {
	perSecond := int64(time.Second / unit)
	at := time.Unix(n/perSecond, n%perSecond*int64(unit)).UTC()
	if at.Year() < 1 || at.Year() > 9999 {
		return time.Time{}, errTooFar
	}
	return at, nil
}

// format appends the time as JSON.
func (t *Timestamp) format(dst []byte, at time.Time) []byte {
	switch t.settings.To {
	case "unix":
		return strconv.AppendInt(dst, at.Unix(), 10)
	case "unix_ms":
		return strconv.AppendInt(dst, at.UnixMilli(), 10)
	case "unix_us":
		return strconv.AppendInt(dst, at.UnixMicro(), 10)
	case "unix_ns":
		return strconv.AppendInt(dst, at.UnixNano(), 10)
	}
	return pipeline.AppendString(dst, at.In(t.zone).Format(layout(t.settings.To)))
}
