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
	previewEnd
	Parts []previewEnd `json:"parts,omitempty"` // of a record that a stage has made several of
}

// previewEnd is what would become of a record.
type previewEnd struct {
	Outcome string         `json:"outcome"` // delivered, filtered, duplicate, dropped, dead_letter, halted, refused, split
	Error   string         `json:"error,omitempty"`
	GoesOut *previewRecord `json:"goes_out,omitempty"`
}

// previewStepJSON is a stage that has changed the record, or a part of it.
type previewStepJSON struct {
	Stage  string        `json:"stage"`
	Part   int           `json:"part,omitempty"` // from 1 on; 0: there are none
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
		for _, step := range p.steps {
			for i, seen := range step.Records {
				if seen.Changed {
					one.Stages = append(one.Stages, previewStepJSON{step.Stage, partOf(i, len(step.Records)), previewRecordOf(seen.Record)})
				}
			}
		}
		ends := p.ends()
		one.previewEnd = endJSON(ends[0].Outcome, topic)
		if len(ends) > 1 {
			one.previewEnd = previewEnd{Outcome: "split"}
			for _, end := range ends {
				one.Parts = append(one.Parts, endJSON(end.Outcome, topic))
			}
		}
		out = append(out, one)
	}
	return out
}

// partOf counts the parts of a record from 1 on; 0: it is whole.
func partOf(i, of int) int {
	if of == 1 {
		return 0
	}
	return i + 1
}

func endJSON(o trial.Outcome, topic string) previewEnd {
	end := previewEnd{Outcome: endName(o.Fate), Error: o.Error}
	if o.Fate == pipeline.Deliver {
		last := previewRecordOf(o.Record)
		if last.Topic == "" {
			last.Topic = topic
		}
		end.GoesOut = &last
	}
	return end
}

// endName gives what becomes of a record.
func endName(f pipeline.Fate) string {
	switch f {
	case pipeline.Deliver:
		return "delivered"
	case pipeline.SetAside: // see ends
		return "refused"
	default:
		return trial.OutcomeName(f)
	}
}

// ends tells what would become of the record, or of each of its parts. What the source
// refuses is SetAside here: on_error decides about it.
func (p previewed) ends() []trial.Seen {
	if p.failed != "" {
		return []trial.Seen{{Outcome: trial.Outcome{Fate: pipeline.SetAside, Error: "source: " + p.failed}}}
	}
	if len(p.steps) == 0 {
		return []trial.Seen{{Outcome: trial.Outcome{Record: p.came}}}
	}
	ends := p.steps[len(p.steps)-1].Records
	for i := range ends {
		if ends[i].Fate == pipeline.Failed { // it halts the pipeline: nothing goes out
			return ends[i : i+1]
		}
	}
	return ends
}

// mostParts is how many parts of a record are shown to people.
const mostParts = 20

// writePreviews shows records to people, one below the other: as they came, what each
// stage has changed, and what becomes of them.
func writePreviews(out io.Writer, p *config.Pipeline, all []previewed, notes []string) error {
	errs := []error{writeLine(out, "%s (%s): %s of %s; nothing is taken or written\n", p.Name, p.At, count(len(all), "record"), p.Source.Component)}
	for _, note := range notes {
		errs = append(errs, writeLine(out, "%s\n", printable(note)))
	}
	for _, one := range all {
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		errs = append(errs, writeLine(out, "\n%s %s\n", printable(one.shard), one.offset), one.write(table, sinkTopic(p)), table.Flush())
	}
	return errors.Join(errs...)
}

// write shows a record in lines of two columns.
func (p previewed) write(table io.Writer, topic string) error {
	errs := []error{writeLine(table, "  came\t%s\n", differenceText(trial.Record{}, p.came))}
	before := []trial.Record{p.came}
	for _, step := range p.steps {
		if step.Split && len(before) > 1 {
			before = []trial.Record{{}} // of which each was made is not known
		}
		now, lines := make([]trial.Record, len(step.Records)), 0
		for i, seen := range step.Records {
			now[i] = seen.Record
			if !seen.Changed {
				continue
			}
			if lines++; lines <= mostParts {
				errs = append(errs, writeLine(table, "  %s%s\t%s\n", step.Stage, partText(i, len(step.Records)), differenceText(before[min(i, len(before)-1)], seen.Record)))
			}
		}
		before, errs = now, append(errs, writeMore(table, lines))
	}
	ends := p.ends()
	for i, end := range ends[:min(len(ends), mostParts)] {
		name, how := endText(end, topic)
		errs = append(errs, writeLine(table, "  %s%s\t%s\n", name, partText(i, len(ends)), how))
	}
	return errors.Join(append(errs, writeMore(table, len(ends)))...)
}

// writeMore says how many parts are not shown.
func writeMore(table io.Writer, parts int) error {
	if parts <= mostParts {
		return nil
	}
	return writeLine(table, "  … and %d more parts\t\n", parts-mostParts)
}

func partText(i, of int) string {
	if of == 1 {
		return ""
	}
	return fmt.Sprintf(", part %d", i+1)
}

// endText tells people what would become of a record, and where or why.
func endText(end trial.Seen, topic string) (name, how string) {
	if end.Record.Topic != "" {
		topic = end.Record.Topic
	}
	switch {
	case end.Fate == pipeline.Deliver && topic == "":
		return "goes out", ""
	case end.Fate == pipeline.Deliver:
		return "goes out", "to topic " + printable(topic)
	case end.Error != "":
		return endName(end.Fate), printable(strings.ReplaceAll(end.Error, "\n", " "))
	case end.By != "":
		return endName(end.Fate), "by " + end.By
	default:
		return endName(end.Fate), ""
	}
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
