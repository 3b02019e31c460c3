package redis

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// maxFields bounds the fields of one entry.
const maxFields = 1 << 16

var errNotAnEntry = errors.New("the reply does not hold a stream entry")

// entryParser parses stream entries into records.
type entryParser struct {
	valueField string // whose bytes are the value; empty: an entry is an object
}

// entry parses one entry, [id, [field, value, …]], into a new record of b.
func (e entryParser) entry(c *conn, b *pipeline.Batch) (pipeline.Offset, error) {
	if n, err := c.array(); err != nil || n != 2 {
		return pipeline.Offset{}, errors.Join(errNotAnEntry, err)
	}
	return e.entryBody(c, b)
}

// entryBody is entry after the head was read.
func (e entryParser) entryBody(c *conn, b *pipeline.Batch) (pipeline.Offset, error) {
	idSize, err := c.expect('$')
	if err != nil || idSize < 3 || idSize > 41 {
		return pipeline.Offset{}, errors.Join(errNotAnEntry, err)
	}
	raw, err := c.glimpse(idSize)
	if err != nil {
		return pipeline.Offset{}, err
	}
	id, ok := parseID(raw)
	if !ok {
		return pipeline.Offset{}, errNotAnEntry
	}
	record := b.Add()
	record.Offset = id
	record.Time = time.UnixMilli(int64(id.Major)) //nolint:gosec // a time beyond 2^63 ms is as good as any other
	fields, err := c.array()
	if err != nil || fields < 0 || fields > 2*maxFields || fields%2 != 0 {
		return pipeline.Offset{}, errors.Join(errNotAnEntry, err)
	}
	if e.valueField == "" {
		return id, e.object(c, b, record, int(fields))
	}
	return id, e.payload(c, b, record, int(fields))
}

// payload makes the value of one field, and headers of the others.
func (e entryParser) payload(c *conn, b *pipeline.Batch, record *pipeline.Record, fields int) error {
	found := false
	for range fields / 2 {
		header, isValue, err := e.fieldName(c, b)
		if err != nil {
			return err
		}
		value, err := bulkInto(c, b)
		if err != nil {
			return err
		}
		if isValue && !found {
			found = true
			record.Value = pipeline.RawValue(value)
			continue
		}
		record.Headers = append(record.Headers, pipeline.Header{Key: header, Value: value})
	}
	if !found {
		record.Fail(&pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("the entry has no field %q", e.valueField),
			Do: "check value_field in the source"})
	}
	return nil
}

// fieldName reads the name of a field. The one of the value, which comes with
// every entry, is compared where it lies.
func (e entryParser) fieldName(c *conn, b *pipeline.Batch) (name string, isValue bool, err error) {
	want := e.valueField
	n, err := c.expect('$')
	switch {
	case err != nil:
		return "", false, err
	case n < 0:
		return "", false, errNotRESP
	case n == int64(len(want)) && n < maxLine:
		raw, err := c.glimpse(n)
		if err != nil || string(raw) == want {
			return want, err == nil, err
		}
		b.Bytes += int(n)
		return string(raw), false, nil
	}
	text, err := bulkOf(c, b, n)
	return string(text), string(text) == want, err
}

// object makes the value of all fields.
func (e entryParser) object(c *conn, b *pipeline.Batch, record *pipeline.Record, fields int) error {
	pairs := make([]string, fields)
	for i := range pairs {
		text, err := bulkInto(c, b)
		if err != nil {
			return err
		}
		pairs[i] = string(text)
	}
	value, err := b.Object(pairs)
	if err != nil {
		record.Fail(err)
		value = pipeline.RawValue(b.Arena.Copy(joined(pairs)))
	}
	record.Value = value
	return nil
}

// joined keeps the fields of an entry that can be no object, for the dead
// letter: a line a field, name=value.
func joined(pairs []string) []byte {
	var out bytes.Buffer
	for i := 0; i+1 < len(pairs); i += 2 {
		out.WriteString(pairs[i] + "=" + pairs[i+1] + "\n")
	}
	return out.Bytes()
}

// bulkInto reads a bulk string into the batch's memory.
func bulkInto(c *conn, b *pipeline.Batch) ([]byte, error) {
	n, err := c.expect('$')
	if err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, errNotRESP
	}
	return bulkOf(c, b, n)
}

// bulkOf is bulkInto after the head was read.
func bulkOf(c *conn, b *pipeline.Batch, n int64) ([]byte, error) {
	b.Bytes += int(n)
	if n > announced { // the arena would take what is only announced
		return c.bulk(nil, n)
	}
	return c.bulk(b.Arena.Alloc(int(n)), n)
}

// parseID reads an entry's id, milliseconds-sequence.
func parseID(text []byte) (pipeline.Offset, bool) {
	ms, seq, ok := bytes.Cut(text, []byte("-"))
	if !ok {
		return pipeline.Offset{}, false
	}
	major, ok1 := parseUint(ms)
	minor, ok2 := parseUint(seq)
	return pipeline.Offset{Major: major, Minor: minor}, ok1 && ok2
}
