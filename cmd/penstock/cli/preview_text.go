package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine/trial"
)

// previewJSON is a record of a preview as --json tells it.
type previewJSON struct {
	Shard    string            `json:"shard"`
	Position string            `json:"position"`
	Came     previewRecord     `json:"came"`
	Stages   []previewStepJSON `json:"stages"`
	Outcome  string            `json:"outcome"` // delivered, filtered, duplicate, dropped, dead_letter, halted
	Error    string            `json:"error,omitempty"`
	GoesOut  *previewRecord    `json:"goes_out,omitempty"`
}

// previewStepJSON is a stage that has changed the record.
type previewStepJSON struct {
	Stage  string        `json:"stage"`
	Record previewRecord `json:"record"`
}

type previewRecord struct {
	Key      *string      `json:"key,omitempty"`
	KeyRaw   []byte       `json:"key_base64,omitempty"`
	Value    *string      `json:"value,omitempty"`
	ValueRaw []byte       `json:"value_base64,omitempty"`
	Headers  []headerJSON `json:"headers,omitempty"`
	Topic    string       `json:"topic,omitempty"`
	Time     time.Time    `json:"time"`
}

func previewRecordOf(r trial.Record) previewRecord {
	out := previewRecord{Topic: r.Topic, Time: r.Time.UTC()}
	out.Key, out.KeyRaw = textOrBytes(r.Key)
	out.Value, out.ValueRaw = textOrBytes(r.Value)
	for _, h := range r.Headers {
		text, raw := textOrBytes(h.Value)
		out.Headers = append(out.Headers, headerJSON{h.Key, text, raw})
	}
	return out
}

func jsonPreviews(all []previewed, topic string) []previewJSON {
	out := make([]previewJSON, 0, len(all))
	for _, p := range all {
		one := previewJSON{Shard: p.shard, Position: p.offset.String(), Came: previewRecordOf(p.came), Stages: []previewStepJSON{}}
		one.Outcome, one.Error = p.outcome()
		for _, step := range p.steps {
			if step.Changed {
				one.Stages = append(one.Stages, previewStepJSON{step.Stage, previewRecordOf(step.Record)})
			}
		}
		if one.Outcome == goesOut {
			last := previewRecordOf(p.last())
			if last.Topic == "" {
				last.Topic = topic
			}
			one.GoesOut = &last
		}
		out = append(out, one)
	}
	return out
}

// goesOut is the outcome of a record that would go out.
const goesOut = "delivered"

// outcome tells what would become of the record.
func (p previewed) outcome() (outcome, why string) {
	if p.failed != "" {
		return "refused", "source: " + p.failed
	}
	if len(p.steps) == 0 || p.steps[len(p.steps)-1].Fate == pipeline.Deliver {
		return goesOut, ""
	}
	last := p.steps[len(p.steps)-1]
	return trial.OutcomeName(last.Fate), last.Error
}

// last is the record as it would go out.
func (p previewed) last() trial.Record {
	if len(p.steps) == 0 {
		return p.came
	}
	return p.steps[len(p.steps)-1].Record
}

// writePreviews shows records to people, one below the other: as they came, what each
// stage has changed, and what becomes of them.
func writePreviews(out io.Writer, p *config.Pipeline, all []previewed, notes []string) error {
	errs := []error{writeLine(out, "%s (%s): %s of %s; nothing is taken or written\n", p.Name, p.At, count(len(all), "record"), p.Source.Component)}
	for _, note := range notes {
		errs = append(errs, writeLine(out, "%s\n", printable(note)))
	}
	for _, one := range all {
		errs = append(errs, writeLine(out, "\n%s %s\n", printable(one.shard), one.offset))
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		errs = append(errs, writeLine(table, "  came\t%s\n", differenceText(trial.Record{}, one.came)))
		before := one.came
		for _, step := range one.steps {
			if step.Changed {
				errs = append(errs, writeLine(table, "  %s\t%s\n", step.Stage, differenceText(before, step.Record)))
				before = step.Record
			}
		}
		switch outcome, why := one.outcome(); {
		case outcome == goesOut && before.Topic == "" && sinkTopic(p) == "":
			errs = append(errs, writeLine(table, "  goes out\t\n"))
		case outcome == goesOut:
			topic := before.Topic
			if topic == "" {
				topic = sinkTopic(p)
			}
			errs = append(errs, writeLine(table, "  goes out\tto topic %s\n", printable(topic)))
		case why == "":
			errs = append(errs, writeLine(table, "  %s\tby %s\n", outcome, one.steps[len(one.steps)-1].Stage))
		default:
			errs = append(errs, writeLine(table, "  %s\t%s\n", outcome, printable(strings.ReplaceAll(why, "\n", " "))))
		}
		errs = append(errs, table.Flush())
	}
	return errors.Join(errs...)
}

// differenceText shows what of a record is other than before.
func differenceText(before, now trial.Record) string {
	var parts []string
	if string(before.Key) != string(now.Key) || (before.Key == nil) != (now.Key == nil) {
		parts = append(parts, "key="+shortBytes(now.Key))
	}
	if now.Topic != before.Topic {
		parts = append(parts, "topic="+printable(now.Topic))
	}
	if !before.Time.IsZero() && !now.Time.Equal(before.Time) {
		parts = append(parts, "time="+now.Time.UTC().Format(time.RFC3339Nano))
	}
	if fmt.Sprint(before.Headers) != fmt.Sprint(now.Headers) {
		for _, h := range now.Headers {
			parts = append(parts, printable(h.Key)+":"+shortBytes(h.Value))
		}
	}
	if before.Value == nil || string(before.Value) != string(now.Value) {
		parts = append(parts, shortBytes(now.Value))
	}
	return strings.Join(parts, " ")
}

// shortBytes shows bytes in a line.
func shortBytes(raw []byte) string {
	const most = 300
	text := oneLine(raw)
	if raw == nil {
		text = "none"
	}
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return printable(text)
}
