package local

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
)

// DeadLetters keeps the dead letters of a pipeline in a file, a JSON object a line
// (made with mode 0600: they hold what the records held). Keep appends and syncs; one
// that fails may leave letters that come again, the last of which may be cut short.
// GivenBack marks letters where they stand. A letter's ID is the place of its line in
// the file, in bytes.
type DeadLetters struct {
	path     string
	pipeline string

	mu   sync.Mutex
	file *os.File // to append to; nil until the first Keep
}

var (
	_ pipeline.DeadLetterWriter = (*DeadLetters)(nil)
	_ pipeline.DeadLetterReader = (*DeadLetters)(nil)
)

// NewDeadLetters makes a place for the dead letters of a pipeline. The file is made
// with the first letter, in a folder that is there: else the error is Permanent, now and
// not at night.
func NewDeadLetters(path, pipelineName string) (*DeadLetters, error) {
	if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "the file of dead letters " + path + " has no folder to be in", Err: err, Do: "make it, or correct the path"}
	}
	return &DeadLetters{path: path, pipeline: pipelineName}, nil
}

// A line begins with one of these, of one length: the one is written over the other.
const (
	notGivenBack = `{"given_back":false,`
	givenBack    = `{"given_back":true ,`
)

// letterLine is a line of the file. What is no text in UTF-8 is written as base64.
type letterLine struct {
	GivenBack bool         `json:"given_back"`
	Pipeline  string       `json:"pipeline"`
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
	Headers   []headerLine `json:"headers,omitempty"`
}

type headerLine struct {
	Name string `json:"name"`
	Text string `json:"value,omitempty"`
	Raw  []byte `json:"value_base64,omitempty"`
}

// asText gives bytes as text where they are text; nil: there are none.
func asText(raw []byte) (text *string, other []byte) {
	if raw == nil || !utf8.Valid(raw) {
		return nil, raw
	}
	return new(string(raw)), nil
}

// asBytes undoes asText.
func asBytes(text *string, other []byte) []byte {
	if text == nil {
		return other
	}
	return []byte(*text)
}

// Keep appends letters and syncs the file.
func (d *DeadLetters) Keep(ctx context.Context, letters []pipeline.DeadLetter) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.open(); err != nil {
		return err
	}
	err := endLine(d.file)
	out := bufio.NewWriterSize(d.file, writeAhead)
	for i := range letters {
		if err != nil {
			break
		}
		var line []byte
		if line, err = lineOf(&letters[i]); err == nil {
			_, err = out.Write(line)
		}
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		err = d.file.Sync()
	}
	if err != nil {
		return d.unwritable(err)
	}
	return nil
}

// open opens the file for the first Keep.
func (d *DeadLetters) open() error {
	if d.file != nil {
		return nil
	}
	if made, err := os.OpenFile(d.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		if err := errors.Join(made.Close(), syncFolder(filepath.Dir(d.path))); err != nil {
			return d.unwritable(err)
		}
	}
	file, err := openRegular(d.path, os.O_RDWR|os.O_APPEND)
	if err != nil {
		return err
	}
	d.file = file
	return nil
}

func (d *DeadLetters) unwritable(err error) error {
	return &pipeline.Error{Class: pipeline.Retryable, What: "cannot write dead letters to " + d.path, Err: err, Do: "look at the disk: is it full, or gone?"}
}

func lineOf(l *pipeline.DeadLetter) ([]byte, error) {
	line := letterLine{
		Pipeline: l.Pipeline, Stage: l.Stage, Transform: l.Transform, Error: l.Error, Shard: l.Shard, Position: l.Offset.String(),
		Part: l.Part, Time: l.Time.UTC(), Attempts: l.Attempts, Stamp: l.Stamp.UTC(),
	}
	line.Key, line.KeyRaw = asText(l.Key)
	line.Value, line.ValueRaw = asText(l.Value)
	for _, h := range l.Headers {
		one := headerLine{Name: h.Key}
		if utf8.Valid(h.Value) {
			one.Text = string(h.Value)
		} else {
			one.Raw = h.Value
		}
		line.Headers = append(line.Headers, one)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(line)
	return text.Bytes(), err
}

// letter is the letter of a line, false where the line is none, or not of the pipeline,
// or was given back.
func (d *DeadLetters) letter(raw []byte, at int64) (pipeline.DeadLetter, bool) {
	var line letterLine
	if !bytes.HasPrefix(raw, []byte(notGivenBack)) || json.Unmarshal(raw, &line) != nil || line.Pipeline != d.pipeline {
		return pipeline.DeadLetter{}, false
	}
	offset, _ := pipeline.ParseOffset(line.Position)
	l := pipeline.DeadLetter{
		ID: strconv.FormatInt(at, 10), Pipeline: line.Pipeline, Stage: line.Stage, Transform: line.Transform, Error: line.Error, Shard: line.Shard,
		Offset: offset, Part: line.Part, Time: line.Time, Attempts: line.Attempts, Stamp: line.Stamp,
		Key: asBytes(line.Key, line.KeyRaw), Value: asBytes(line.Value, line.ValueRaw),
	}
	for _, h := range line.Headers {
		value := h.Raw
		if value == nil {
			value = []byte(h.Text)
		}
		l.Headers = append(l.Headers, pipeline.Header{Key: h.Name, Value: value})
	}
	return l, true
}

// Each reads the file. Lines that are no letters (one that a crash has cut short, say)
// are passed over. Where there is no file, there are no letters.
func (d *DeadLetters) Each(ctx context.Context, yield func(pipeline.DeadLetter) bool) error {
	file, err := openRegular(d.path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	info, err := file.Stat()
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(io.NewSectionReader(file, 0, info.Size()), writeAhead)
	for at := int64(0); ctx.Err() == nil; {
		raw, err := lines.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil // a line without an end is being written
			}
			return err
		}
		if letter, ok := d.letter(raw, at); ok && !yield(letter) {
			return nil
		}
		at += int64(len(raw))
	}
	return ctx.Err()
}

// GivenBack marks the lines of letters.
func (d *DeadLetters) GivenBack(ctx context.Context, ids []string) (err error) {
	file, err := openRegular(d.path, os.O_RDWR)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	begin := make([]byte, len(notGivenBack))
	for _, id := range ids {
		at, err := strconv.ParseInt(id, 10, 64)
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if _, err := file.ReadAt(begin, at); err != nil || string(begin) != notGivenBack && string(begin) != givenBack {
			return &pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("%s holds no dead letter at %s", d.path, id), Err: err, Do: "see who else writes to the file"}
		}
		if _, err := file.WriteAt([]byte(givenBack), at); err != nil {
			return d.unwritable(err)
		}
	}
	return file.Sync()
}

// Close closes the file.
func (d *DeadLetters) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
