package format

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
)

// CSVSettings are the settings of csv.
type CSVSettings struct {
	Columns   []string `yaml:"columns" example:"[user_id, action, price]" doc:"The names of the columns, in order: a value is one row without a header, and an object of its columns. Not with header."`
	Header    bool     `yaml:"header" doc:"The first row of a value has the names: a value is a list of objects, a row each."`
	Delimiter string   `yaml:"delimiter" default:"," example:"\";\"" doc:"What stands between columns: one character."`
}

// Validate finds what does not go together.
func (s CSVSettings) Validate() []pipeline.Problem {
	var problems []pipeline.Problem
	if s.Header && len(s.Columns) > 0 {
		problems = append(problems, pipeline.Problem{Field: "columns", What: "the header has the names already", Do: "remove columns or header"})
	}
	if r, size := utf8.DecodeRuneInString(s.Delimiter); size != len(s.Delimiter) || r == '"' || r == '\n' || r == '\r' || r == utf8.RuneError {
		problems = append(problems, pipeline.Problem{Field: "delimiter", What: "it is not one character that can stand between columns", Do: `write ",", ";", "\t" or "|"`})
	}
	seen := map[string]bool{}
	for i, name := range s.Columns {
		if name == "" || seen[name] {
			problems = append(problems, pipeline.Problem{Field: fmt.Sprintf("columns[%d]", i), What: "two columns have the name, or it is empty", Do: "give each column its own name"})
		}
		seen[name] = true
	}
	return problems
}

// CSV is RFC 4180: rows of columns. All columns come as texts. It writes texts,
// numbers, true and false; null is an empty column.
type CSV struct {
	settings CSVSettings
	comma    rune
}

// NewCSV makes the format. The error is the first that Validate finds.
func NewCSV(s CSVSettings) (*CSV, error) {
	if problems := s.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	comma, _ := utf8.DecodeRuneInString(s.Delimiter)
	return &CSV{s, comma}, nil
}

// Read gives an object of the columns; without names a list of them; with a header a
// list of objects.
func (f *CSV) Read(_ context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	if !utf8.Valid(raw) {
		return pipeline.Value{}, unread(errNotUTF8)
	}
	r := csv.NewReader(bytes.NewReader(raw))
	r.Comma, r.ReuseRecord = f.comma, false
	r.FieldsPerRecord = -1
	json := b.Arena.Alloc(2*len(raw) + 64)
	names := f.settings.Columns
	if f.settings.Header {
		header, err := row(r)
		if err != nil {
			return pipeline.Value{}, unread(err)
		}
		return f.readTable(b, r, append(json, '['), header)
	}
	columns, err := row(r)
	if err != nil {
		return pipeline.Value{}, unread(err)
	}
	if _, err := r.Read(); !errors.Is(err, io.EOF) {
		return pipeline.Value{}, unread(errors.New("it has more than one row"))
	}
	if json, err = appendRow(json, names, columns, 1); err != nil {
		return pipeline.Value{}, unread(err)
	}
	return document(b, json)
}

func (f *CSV) readTable(b *pipeline.Batch, r *csv.Reader, json []byte, names []string) (pipeline.Value, error) {
	if problems := (CSVSettings{Columns: names, Delimiter: ","}).Validate(); len(problems) > 0 {
		return pipeline.Value{}, unread(errors.New("its header has a name twice, or an empty one"))
	}
	for number := 2; ; number++ {
		columns, err := r.Read()
		if errors.Is(err, io.EOF) {
			return document(b, append(json, ']'))
		}
		if err == nil {
			if number > 2 {
				json = append(json, ',')
			}
			json, err = appendRow(json, names, columns, number)
		}
		if err != nil {
			return pipeline.Value{}, unread(fmt.Errorf("row %d is not CSV, or has another number of columns", number))
		}
	}
}

// row reads the first row.
func row(r *csv.Reader) ([]string, error) {
	columns, err := r.Read()
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("it has no row")
	case err != nil:
		return nil, errors.New("it is not CSV: a quote is where none may be, or missing")
	}
	return columns, nil
}

// appendRow appends a row as JSON: an object, or without names a list.
func appendRow(json []byte, names, columns []string, number int) ([]byte, error) {
	if names == nil {
		json = append(json, '[')
		for i, column := range columns {
			if i > 0 {
				json = append(json, ',')
			}
			json = pipeline.AppendString(json, column)
		}
		return append(json, ']'), nil
	}
	if len(names) != len(columns) {
		return nil, fmt.Errorf("row %d has %d columns, not %d", number, len(columns), len(names))
	}
	json = append(json, '{')
	for i, column := range columns {
		if i > 0 {
			json = append(json, ',')
		}
		json = append(pipeline.AppendString(json, names[i]), ':')
		json = pipeline.AppendString(json, column)
	}
	return append(json, '}'), nil
}

// Write makes an object a row of the columns, a list a row as it is, and, with header,
// a list of objects a header and rows. A row ends without a line break where it is the
// only one.
func (f *CSV) Write(_ context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	n, err := root(b, v)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w := rowWriter{csv.NewWriter(&out), &out}
	w.Comma = f.comma
	if f.settings.Header {
		err = writeTable(w, n)
	} else {
		err = writeRow(w, n, f.settings.Columns)
	}
	if err != nil {
		return err
	}
	if w.Flush(); w.Error() != nil {
		return refused("the value cannot be written as CSV", w.Error(), "")
	}
	text := out.Bytes()
	if !f.settings.Header {
		text = bytes.TrimSuffix(text, []byte("\n"))
	}
	*v = pipeline.TextValue(text)
	return nil
}

// rowWriter is a csv.Writer that also writes a row of one empty column, which is not an
// empty line: readers pass over those.
type rowWriter struct {
	*csv.Writer
	out *bytes.Buffer
}

// Write writes a row.
func (w rowWriter) Write(columns []string) error {
	if len(columns) != 1 || columns[0] != "" {
		return w.Writer.Write(columns)
	}
	w.Flush()
	_, err := w.out.WriteString("\"\"\n")
	return err
}

// writeTable writes the names of the first object, and all objects.
func writeTable(w rowWriter, n pipeline.Node) error {
	if n.Type() != pipeline.JSONArray {
		return refused("the value is "+n.Type().String()+", and not a list of rows", nil, "write columns in place of header, for one row a record")
	}
	var names []string
	for e := range n.Elements {
		if names == nil {
			for name := range e.Fields {
				names = append(names, name)
			}
			if err := w.Write(names); err != nil || len(names) == 0 {
				return refused("the first row has no columns", err, "give it an object with fields")
			}
		}
		if err := writeRow(w, e, names); err != nil {
			return err
		}
	}
	if names == nil {
		return refused("the list has no row, and so no header", nil, "filter it out first")
	}
	return nil
}

func writeRow(w rowWriter, n pipeline.Node, names []string) error {
	var columns []string
	var err error
	switch n.Type() {
	case pipeline.JSONArray:
		if names != nil {
			return refused("a row is a list, and columns has names", nil, "remove columns, or make it an object")
		}
		for e := range n.Elements {
			if columns, err = appendColumn(columns, e); err != nil {
				return err
			}
		}
	case pipeline.JSONObject:
		if columns, err = columnsOf(n, names); err != nil {
			return err
		}
	default:
		return refused("a row is "+n.Type().String(), nil, "make it an object, or a list")
	}
	if len(columns) == 0 {
		return refused("a row has no columns", nil, "give it one at least")
	}
	return w.Write(columns)
}

// columnsOf gives the fields of an object in the order of names. A field that is no
// column is refused: it would be lost.
func columnsOf(n pipeline.Node, names []string) ([]string, error) {
	if names == nil {
		return nil, refused("the value is an object, and nothing says which field is which column", nil, "write columns: [a, b]")
	}
	var columns []string
	var err error
	found := 0
	for _, name := range names {
		field, ok := n.Get(name)
		if !ok {
			columns = append(columns, "")
			continue
		}
		found++
		if columns, err = appendColumn(columns, field); err != nil {
			return nil, err
		}
	}
	if found < n.Len() {
		return nil, refused("the value has a field that is no column", nil, "name it in columns, or drop it first")
	}
	return columns, nil
}

func appendColumn(columns []string, n pipeline.Node) ([]string, error) {
	switch n.Type() {
	case pipeline.JSONObject, pipeline.JSONArray:
		return nil, refused("a column is "+n.Type().String()+", and CSV holds none", nil, "flatten it first, or drop the field")
	case pipeline.JSONNull:
		return append(columns, ""), nil
	}
	return append(columns, n.Text()), nil
}
