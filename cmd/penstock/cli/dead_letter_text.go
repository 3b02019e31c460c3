package cli

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
)

// letterJSON is a dead letter as --json tells it. What is no text is base64.
type letterJSON struct {
	ID        string       `json:"id"`
	Stage     string       `json:"stage"`
	Transform string       `json:"transform,omitempty"`
	Error     string       `json:"error"`
	Shard     string       `json:"shard"`
	Position  string       `json:"position"`
	Part      uint32       `json:"part,omitempty"`
	Time      time.Time    `json:"time"`
	Attempts  int          `json:"attempts,omitempty"`
	Stamp     time.Time    `json:"record_time"`
	Key       *string      `json:"key,omitempty"`
	KeyRaw    []byte       `json:"key_base64,omitempty"`
	Value     *string      `json:"value,omitempty"`
	ValueRaw  []byte       `json:"value_base64,omitempty"`
	Headers   []headerJSON `json:"headers,omitempty"`
	Cut       bool         `json:"cut,omitempty"`
}

type headerJSON struct {
	Name string  `json:"name"`
	Text *string `json:"value,omitempty"`
	Raw  []byte  `json:"value_base64,omitempty"`
}

func jsonOf(l pipeline.DeadLetter) letterJSON {
	out := letterJSON{
		ID: l.ID, Stage: l.Stage, Transform: l.Transform, Error: l.Error, Shard: l.Shard, Position: l.Offset.String(),
		Part: l.Part, Time: l.Time.UTC(), Attempts: l.Attempts, Stamp: l.Stamp.UTC(), Cut: l.Cut,
	}
	out.Key, out.KeyRaw = textOrBytes(l.Key)
	out.Value, out.ValueRaw = textOrBytes(l.Value)
	for _, h := range l.Headers {
		text, raw := textOrBytes(h.Value)
		out.Headers = append(out.Headers, headerJSON{h.Key, text, raw})
	}
	return out
}

// textOrBytes gives bytes as text where they are text; of nil, nothing. They may be
// reused afterwards.
func textOrBytes(raw []byte) (text *string, other []byte) {
	if raw == nil {
		return nil, nil
	}
	if utf8.Valid(raw) {
		return new(string(raw)), nil
	}
	return nil, append([]byte(nil), raw...)
}

// writeLetter shows all of a letter to people.
func writeLetter(out io.Writer, l pipeline.DeadLetter) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	errs := []error{writeLine(out, "%s\n", l.ID)}
	line := func(name, text string) { errs = append(errs, writeLine(table, "  %s\t%s\n", name, printable(text))) }
	line("refused", l.Time.UTC().Format(time.RFC3339Nano))
	line("by", l.Stage)
	line("why", strings.ReplaceAll(l.Error, "\n", " "))
	line("from", l.Shard+" "+l.Offset.String())
	if l.Part > 0 {
		line("part", strconv.FormatUint(uint64(l.Part), 10)+" of those that were made of the record, as it came below")
	}
	if l.Attempts > 1 {
		line("tried", strconv.Itoa(l.Attempts)+" times")
	}
	if !l.Stamp.IsZero() {
		line("time", l.Stamp.UTC().Format(time.RFC3339Nano))
	}
	if l.Key != nil {
		line("key", oneLine(l.Key))
	}
	for _, h := range l.Headers {
		line("header "+printable(h.Key), oneLine(h.Value))
	}
	errs = append(errs, table.Flush())
	if l.Cut {
		errs = append(errs, writeLine(out, "  it is not whole: there was no room for all of it\n"))
	}
	return errors.Join(append(errs, writeLine(out, "%s\n", valueText(l.Value)))...)
}

// oneLine gives bytes as a text of one line.
func oneLine(raw []byte) string {
	if !utf8.Valid(raw) || strings.ContainsFunc(string(raw), unicode.IsControl) {
		return strconv.Quote(string(raw))
	}
	return string(raw)
}

// valueText shows a value: as text, or as a dump where it is none.
func valueText(raw []byte) string {
	switch {
	case raw == nil:
		return "  no value"
	case !utf8.Valid(raw):
		return strings.TrimSuffix(hex.Dump(raw), "\n")
	default:
		return printable(string(raw))
	}
}

// printable makes visible what would do something to a terminal. Lines stay.
func printable(text string) string {
	var s strings.Builder
	for _, r := range text {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			s.WriteRune(r)
			continue
		}
		fmt.Fprintf(&s, "\\u%04x", r)
	}
	return s.String()
}
