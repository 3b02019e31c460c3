package transforms

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

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
}

// Validate finds what is no field, and tables that are none.
func (s LookupSettings) Validate() []pipeline.Problem {
	problems := fieldProblems("into", s.Into)
	if names, _ := parseField(s.Into); len(problems) == 0 && len(names) == 0 {
		problems = append(problems, pipeline.Problem{Field: "into", What: "value is all of the record", Do: "write a field of it, like value.product"})
	}
	if (s.CSV == "") == (s.JSON == "") {
		return append(problems, pipeline.Problem{What: "it looks things up in one table", Do: "write csv, or json"})
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

// Lookup puts what a table has for a record into it.
type Lookup struct {
	by    *expr.Program
	into  []string
	table map[string][]byte
	pass  bool
}

// NewLookup makes a lookup. The error is the first that Validate finds, or of the
// expression.
func NewLookup(s LookupSettings) (*Lookup, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	by, err := expr.Compile(s.By, expr.Anything)
	if err != nil {
		return nil, err
	}
	into, err := parseField(s.Into)
	if err != nil {
		return nil, err
	}
	table, _, err := s.table()
	return &Lookup{by, into, table, s.Missing == "pass"}, err
}

var errNotInTable = &pipeline.Error{Class: pipeline.Permanent, What: "the table has nothing for the record", Do: "add it to the table, or write missing: pass"}

// Apply writes what the table has.
func (l *Lookup) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		by, ok, err := l.by.Bytes(b, r)
		if err != nil {
			r.Fail(err)
			continue
		}
		found, known := l.table[string(by)]
		switch {
		case known && ok:
			if err := r.Value.Set(b, l.into, found); err != nil {
				r.Fail(err)
			}
		case !l.pass:
			r.Fail(errNotInTable)
		}
	}
	return nil
}
