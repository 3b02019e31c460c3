package transforms

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// LookupSettings are the settings of lookup.
type LookupSettings struct {
	By      pipeline.Expression `yaml:"by" required:"true" example:"value.item" doc:"What is looked up."`
	Into    string              `yaml:"into" required:"true" path:"true" example:"value.product" doc:"The field that takes what the table has."`
	CSV     string              `yaml:"csv" example:"${file:products.csv}" doc:"A table with a header; a row is an object of texts. It is read once, at the start."`
	Column  string              `yaml:"column" example:"sku" doc:"The column of csv that by is looked up in; the first, where none is written."`
	JSON    string              `yaml:"json" example:"${file:products.json}" doc:"An object: by is looked up among its names. In place of csv."`
	Missing string              `yaml:"missing" default:"refuse" enum:"refuse,pass" doc:"What becomes of a record that the table has nothing for."`
	Remote  bool                `yaml:"-"` // the table is elsewhere: see NewRemoteLookup
}

// Validate finds what is no field, and tables that are none.
func (s LookupSettings) Validate() []pipeline.Problem {
	problems := fieldProblems("into", s.Into)
	if names, _ := parseField(s.Into); len(problems) == 0 && len(names) == 0 {
		problems = append(problems, pipeline.Problem{Field: "into", What: "value is all of the record", Do: "write a field of it, like value.product"})
	}
	tables := 0
	for _, here := range []bool{s.CSV != "", s.JSON != "", s.Remote} {
		if here {
			tables++
		}
	}
	if tables != 1 {
		return append(problems, pipeline.Problem{What: "it looks things up in one table", Do: "write csv, json or redis"})
	}
	if s.Remote {
		return problems
	}
	if _, field, err := s.table(); err != nil {
		problems = append(problems, pipeline.Problem{Field: field, What: err.Error(), Do: "mend the table"})
	}
	return problems
}

// table reads the table: JSON text by what is looked up. field is the setting that an
// error is about.
func (s LookupSettings) table() (table map[string][]byte, field string, err error) {
	if s.JSON != "" {
		table, err = jsonTable(s.JSON)
		return table, "json", err
	}
	return csvTable(s.CSV, s.Column)
}

func jsonTable(text string) (map[string][]byte, error) {
	v, err := new(pipeline.Batch).Document([]byte(text))
	if err != nil {
		return nil, err
	}
	n, _ := v.Root()
	if n.Type() != pipeline.JSONObject {
		return nil, errors.New("it is " + n.Type().String() + ", and not an object")
	}
	table := map[string][]byte{}
	for name, value := range n.Fields {
		table[name] = value.Raw()
	}
	return table, nil
}

func csvTable(text, column string) (table map[string][]byte, field string, err error) {
	r := csv.NewReader(strings.NewReader(text))
	header, err := r.Read()
	if err != nil {
		return nil, "csv", errors.New("it has no header")
	}
	at := 0
	for column != "" && header[at] != column {
		if at++; at == len(header) {
			return nil, "column", errors.New("the table has no such column")
		}
	}
	table = map[string][]byte{}
	for line := 2; ; line++ {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return table, "", nil
		}
		if err != nil {
			return nil, "csv", fmt.Errorf("row %d is not CSV, or has another number of columns than the header", line)
		}
		if _, twice := table[row[at]]; twice {
			return nil, "csv", fmt.Errorf("row %d is the second one for what it is looked up by", line)
		}
		json := []byte{'{'}
		for i, text := range row {
			if i > 0 {
				json = append(json, ',')
			}
			json = pipeline.AppendString(append(pipeline.AppendString(json, header[i]), ':'), text)
		}
		table[row[at]] = append(json, '}')
	}
}

// Getter is a table elsewhere. Safe for concurrent use.
type Getter interface {
	// Get gives what it has for each of names, in their order; nil: nothing. Errors are
	// about the table as a whole: Unreachable while nobody answers.
	Get(ctx context.Context, names [][]byte) ([][]byte, error)
	Close() error
}

// Lookup puts what a table has for a record into it.
type Lookup struct {
	by    *expr.Program
	into  []string
	table map[string][]byte // nil: it is remote
	pass  bool

	remote Getter
	texts  bool // what remote has are texts, else JSON
}

// NewLookup makes a lookup in the table of s. The error is the first that Validate finds,
// or of the expression.
func NewLookup(s LookupSettings) (*Lookup, error) {
	l, err := newLookup(s)
	if err != nil {
		return nil, err
	}
	l.table, _, err = s.table()
	return l, err
}

// NewRemoteLookup makes a lookup in a table that has JSON, or texts. s is Remote. The table
// is closed with it, or at once where there is an error. Errors as those of NewLookup.
func NewRemoteLookup(s LookupSettings, remote Getter, texts bool) (*Lookup, error) {
	l, err := newLookup(s)
	if err != nil {
		return nil, errors.Join(err, remote.Close())
	}
	l.remote, l.texts = remote, texts
	return l, nil
}

func newLookup(s LookupSettings) (*Lookup, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	by, err := expr.Compile(s.By, expr.Anything)
	if err != nil {
		return nil, err
	}
	into, err := parseField(s.Into)
	return &Lookup{by: by, into: into, pass: s.Missing == "pass"}, err
}

// Close closes the table, where it is remote.
func (l *Lookup) Close() error {
	if l.remote == nil {
		return nil
	}
	return l.remote.Close()
}

var errNotInTable = &pipeline.Error{Class: pipeline.Permanent, What: "the table has nothing for the record", Do: "add it to the table, or write missing: pass"}

// Apply writes what the table has. A remote table is asked once for all records of the
// batch; the error is that of the asking.
func (l *Lookup) Apply(ctx context.Context, b *pipeline.Batch) error {
	names := make([][]byte, 0, len(b.Records)) // nil where by gives nothing
	for r := range b.Live {
		by, ok, err := l.by.Bytes(b, r)
		if err != nil {
			r.Fail(err)
			continue
		}
		switch {
		case !ok:
			by = nil
		case by == nil:
			by = []byte{}
		}
		names = append(names, by)
	}
	find, err := l.found(ctx, names)
	if err != nil {
		return err
	}
	next := 0
	for r := range b.Live {
		if err := l.put(b, r, find(next), names[next] != nil); err != nil {
			r.Fail(err)
		}
		next++
	}
	return nil
}

// found gives what the table has for the i-th of names.
func (l *Lookup) found(ctx context.Context, names [][]byte) (func(i int) []byte, error) {
	if l.remote == nil {
		return func(i int) []byte { return l.table[string(names[i])] }, nil
	}
	if len(names) == 0 {
		return nil, nil
	}
	all, err := l.remote.Get(ctx, names)
	return func(i int) []byte { return all[i] }, err
}

// put writes what was found into the record.
func (l *Lookup) put(b *pipeline.Batch, r *pipeline.Record, found []byte, asked bool) error {
	switch {
	case found == nil || !asked:
		if l.pass {
			return nil
		}
		return errNotInTable
	case l.texts:
		if !utf8.Valid(found) {
			return &pipeline.Error{Class: pipeline.Permanent, What: "what the table has is no text", Do: "mend the table"}
		}
		found = pipeline.AppendString(nil, found)
	case l.remote != nil:
		if _, err := b.Document(found); err != nil {
			return &pipeline.Error{Class: pipeline.Permanent, What: "what the table has is no JSON", Do: "mend the table, or write values: text"}
		}
	}
	return r.Value.Set(b, l.into, found)
}
