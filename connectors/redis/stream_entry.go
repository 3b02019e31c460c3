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

// streamReply gets to the first entry of a reply to XREAD or XREADGROUP of one
// stream, and gives how many there are; -1: nothing came in time.
func (c *conn) streamReply() (entries int64, err error) {
	if err := c.ready(); err != nil {
		return 0, err
	}
	if streams, err := c.array(); err != nil || streams < 0 {
		return -1, err
	}
	if _, err := c.array(); err != nil { // a pair: key and entries
		return 0, err
	}
	if n, err := c.expect('$'); err != nil {
		return 0, err
	} else if err := c.skip(n); err != nil {
		return 0, err
	}
	if entries, err = c.array(); err == nil && entries < 0 {
		err = errNotRESP
	}
	return entries, err
}

// entryID parses the id of an entry, and gives its length too.
func (c *conn) entryID() (id pipeline.Offset, n int64, err error) {
	if n, err = c.expect('$'); err != nil || n < 3 || n > 41 {
		return id, n, errors.Join(errNotAnEntry, err)
	}
	raw, err := c.glimpse(n)
	if err != nil {
		return id, n, err
	}
	id, ok := parseID(raw)
	if !ok {
		return id, n, errNotAnEntry
	}
	return id, n, nil
}

// entryParser parses stream entries into records.
type entryParser struct {
	valueField string // whose bytes are the value; empty: an entry is an object
	watermill  bool   // an entry is a Watermill message
}

func (s *StreamSettings) parser() entryParser {
	if s.Watermill {
		return entryParser{valueField: payloadField, watermill: true}
	}
	return entryParser{valueField: s.ValueField}
}

// entry parses one entry, [id, [field, value, …]], into a new record of b.
func (e entryParser) entry(c *conn, b *pipeline.Batch, read time.Time) (pipeline.Offset, error) {
	if n, err := c.array(); err != nil || n != 2 {
		return pipeline.Offset{}, errors.Join(errNotAnEntry, err)
	}
	return e.entryBody(c, b, read)
}

// entryBody is entry after the head was read.
func (e entryParser) entryBody(c *conn, b *pipeline.Batch, read time.Time) (pipeline.Offset, error) {
	id, idSize, err := c.entryID()
	if err != nil {
		return pipeline.Offset{}, err
	}
	record := b.Add()
	record.Offset, record.Time = id, entryTime(id, read)
	texts, err := c.array() // names and values
	switch {
	case err != nil || texts < 0 || texts%2 != 0:
		return pipeline.Offset{}, errors.Join(errNotAnEntry, err)
	case texts > 2*maxFields:
		b.Bytes += int(idSize)
		return id, passOver(c, record, texts)
	case e.valueField == "":
		return id, e.object(c, b, record, int(texts))
	}
	found, err := e.payload(c, b, record, int(texts))
	switch {
	case err != nil:
		return id, err
	case e.watermill:
		if err := unpack(b, record); err != nil {
			record.Fail(&pipeline.Error{Class: pipeline.Permanent, What: "entry " + id.String(), Err: err, Do: "see who writes to the stream beside Watermill"})
		}
	case !found:
		record.Fail(&pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("the entry has no field %q", e.valueField),
			Do: "check value_field in the source"})
	}
	return id, nil
}

// Ids that are times lie between these two, the second seen from now. Writers
// who choose ids themselves count from 1, or in microseconds.
const (
	firstTime = 978_307_200_000 // 2001-01-01, in ms
	maxAhead  = time.Hour       // of a clock that goes wrong
)

// entryTime is the time that an id says, or that of reading where it says none:
// Kafka would delete at once what seems to be of 1970, and keep for ever what
// seems to come from the future.
func entryTime(id pipeline.Offset, read time.Time) time.Time {
	if id.Major < firstTime || id.Major > uint64(read.Add(maxAhead).UnixMilli()) { //nolint:gosec // after 1970
		return time.UnixMilli(read.UnixMilli())
	}
	return time.UnixMilli(int64(id.Major)) //nolint:gosec // it is not far from now
}

// passOver reads over an entry that has too many fields, and keeps none.
func passOver(c *conn, record *pipeline.Record, texts int64) error {
	for range texts {
		n, err := c.expect('$')
		if err != nil {
			return err
		}
		if err := c.skip(n); err != nil {
			return err
		}
	}
	record.Fail(&pipeline.Error{Class: pipeline.Permanent,
		What: fmt.Sprintf("entry %s has %d fields, and %d is the most that is taken", record.Offset, texts/2, maxFields),
		Do:   "see what writes entries like that; on_error decides what becomes of it"})
	return nil
}

// payload makes the value of one field, and headers of the others.
func (e entryParser) payload(c *conn, b *pipeline.Batch, record *pipeline.Record, fields int) (found bool, err error) {
	for range fields / 2 {
		header, isValue, err := e.fieldName(c, b)
		if err != nil {
			return found, err
		}
		value, err := bulkInto(c, b)
		if err != nil {
			return found, err
		}
		if isValue && !found {
			found = true
			record.Value = pipeline.RawValue(value)
			continue
		}
		record.Headers = append(record.Headers, pipeline.Header{Key: header, Value: value})
	}
	return found, nil
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

// object makes the value of all fields. The batch's bytes are those of the value, and
// not those that came.
func (e entryParser) object(c *conn, b *pipeline.Batch, record *pipeline.Record, fields int) error {
	before := b.Bytes
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
	b.Bytes = before + len(value.Raw())
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
