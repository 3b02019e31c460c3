package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"sync"
	"sync/atomic"

	"github.com/penstock-io/penstock/pipeline"
)

// FileSourceSettings are the settings of the source file.
type FileSourceSettings struct {
	Path         string        `yaml:"path" local:"true" doc:"The file to read, line by line, to its end." required:"true" example:"/var/spool/shop/events.jsonl"`
	MaxLine      pipeline.Size `yaml:"max_line" doc:"Longest line in bytes; a longer one is an error of that record." default:"16 MiB"`
	PositionFile string        `yaml:"position_file" local:"true" doc:"Where to keep the position when the sink stores none; default: the path with .penstock-position behind it." example:"/var/lib/penstock/events.position"`
}

// Validate finds values that make no sense.
func (s FileSourceSettings) Validate() []pipeline.Problem { return checkLineLimit(s.MaxLine) }

// FileSource is a source of the lines of one file, which is its one shard, by
// the path. It reads to the end and then says pipeline.ErrEnd; the last line counts
// without a newline too, so the file is best complete, or written whole lines
// at a time. A later run continues where the committed position is.
//
// The position is the number of bytes read. Its incarnation is a hash of the
// file's beginning and its evidence a hash of the bytes before the position
// (both up to 1 KiB), so that a file moved to another place or machine is still
// the same, and one that was replaced, cut short or edited is a Gap.
//
// Where the sink stores no positions the file beside it, PositionFile, is
// replaced at each Settle. Two pipelines that read one file into such sinks
// need a position_file each.
type FileSource struct {
	settings FileSourceSettings
	max      int
	closed   atomic.Bool
}

var _ pipeline.Peeker = (*FileSource)(nil)

// NewFileSource returns the source. The file is opened when a reader is.
func NewFileSource(s FileSourceSettings) *FileSource {
	if s.PositionFile == "" {
		s.PositionFile = s.Path + ".penstock-position"
	}
	return &FileSource{settings: s, max: lineLimit(s.MaxLine)}
}

// Shards names the file.
func (s *FileSource) Shards(context.Context) ([]string, error) {
	return []string{s.settings.Path}, nil
}

// Open opens the file at the committed position. Errors: Permanent where there
// is no such regular file or it may not be read, Gap where the file does not
// continue the position.
func (s *FileSource) Open(_ context.Context, req pipeline.OpenRequest) (pipeline.Reader, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	file, err := openRegular(s.settings.Path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	r := &fileReader{path: s.settings.Path, max: s.max, file: file}
	if req.KeepsPosition {
		r.keep = s.settings.PositionFile
	}
	if err := r.open(req.From); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return r, nil
}

// Close ends the source.
func (s *FileSource) Close() error {
	s.closed.Store(true)
	return nil
}

// openRegular opens a regular file. Errors are Permanent.
func openRegular(path string, flags int) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, &pipeline.Error{
			Class: pipeline.Permanent, What: path + " is not a regular file",
			Do: "write the path of a file, or use stdin or stdout",
		}
	}
	file, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, &pipeline.Error{
			Class: pipeline.Permanent, What: "cannot open the file", Err: err,
			Do: "correct the path, or give this user the right to open it",
		}
	}
	return file, nil
}

// fileReader reads a file from an offset.
type fileReader struct {
	path  string
	keep  string // the position file; empty: none
	max   int
	file  *os.File
	start pipeline.Position

	// Of the goroutine that waits and reads.
	lines *lineScanner
	added uint64
	// inLine is true when the byte before offset is not a newline: the line was
	// read before its newline was written, and that is not an empty line.
	inLine bool

	offset atomic.Int64 // bytes read

	settle  sync.Mutex
	settled pipeline.Position
}

func (r *fileReader) open(from *pipeline.Position) (err error) {
	if from == nil && r.keep != "" {
		if from, err = loadPosition(r.keep); err != nil {
			return err
		}
	}
	if from == nil {
		r.start.Incarnation, err = fingerprint(r.file)
	} else {
		r.start = *from
		err = continues(r.file, r.path, *from)
	}
	if err != nil {
		return err
	}
	r.settled = r.start
	return r.seek(r.start)
}

func (r *fileReader) seek(p pipeline.Position) error {
	at := int64(p.Offset.Minor)
	if _, err := r.size(); err != nil {
		return err
	}
	r.inLine = false
	if at > 0 {
		before := make([]byte, 1)
		if _, err := r.file.ReadAt(before, at-1); err != nil {
			return r.unreadable(err)
		}
		r.inLine = before[0] != '\n'
	}
	r.lines = newLineScanner(io.NewSectionReader(r.file, at, math.MaxInt64-at), r.max)
	r.added = p.Evidence.Added
	r.offset.Store(at)
	return nil
}

// unreadable is the error of a file that gives an error.
func (r *fileReader) unreadable(err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return errClosed
	}
	return &pipeline.Error{Class: pipeline.Retryable, What: "cannot read " + r.path, Err: err}
}

func (r *fileReader) Start() pipeline.Position { return r.start }

func (r *fileReader) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	size, err := r.size()
	if err != nil {
		return err
	}
	if r.offset.Load() == size {
		return pipeline.ErrEnd
	}
	return nil
}

// size gives the file's length, which must not be below what was read.
func (r *fileReader) size() (int64, error) {
	info, err := r.file.Stat()
	if err != nil {
		return 0, r.unreadable(err)
	}
	if read := r.offset.Load(); info.Size() < read {
		return 0, shrunk(r.path, read, info.Size())
	}
	return info.Size(), nil
}

func (r *fileReader) Read(ctx context.Context, b *pipeline.Batch, limit pipeline.Limit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	now, offset := readTime(), r.offset.Load()
	for {
		l, err := r.lines.peek()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r.unreadable(err)
		}
		if endOnly := r.inLine && len(l.text) == 0; !endOnly {
			if !fits(b, limit, len(l.text)) {
				break
			}
			addLine(b, l, r.max, pipeline.Offset{Minor: uint64(offset) + uint64(l.size)}, now)
			r.added++
		}
		offset += int64(l.size)
		r.inLine = l.open
		r.lines.advance()
	}
	hash, err := hashBefore(r.file, offset)
	if err != nil {
		return r.unreadable(err)
	}
	r.offset.Store(offset)
	b.Shard, b.After = r.path, pipeline.Position{
		Incarnation: r.start.Incarnation,
		Offset:      pipeline.Offset{Minor: uint64(offset)},
		Evidence:    pipeline.Evidence{Hash: hash, Added: r.added},
	}
	return nil
}

func (r *fileReader) Rewind(p pipeline.Position) error { return r.seek(p) }

// Settle keeps the position, where the sink stores none.
func (r *fileReader) Settle(ctx context.Context, p pipeline.Position) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := r.file.Stat(); err != nil {
		return r.unreadable(err)
	}
	r.settle.Lock()
	defer r.settle.Unlock()
	if r.keep == "" || p.Offset.Compare(r.settled.Offset) <= 0 {
		return nil
	}
	if err := savePosition(r.keep, p); err != nil {
		return err
	}
	r.settled = p
	return nil
}

// Tail is the end of the file.
func (r *fileReader) Tail(ctx context.Context) (pipeline.Position, error) {
	if err := ctx.Err(); err != nil {
		return pipeline.Position{}, err
	}
	size, err := r.size()
	if err != nil {
		return pipeline.Position{}, err
	}
	return pipeline.Position{
		Incarnation: r.start.Incarnation,
		Offset:      pipeline.Offset{Minor: uint64(size)},
	}, nil
}

// Lag is 0 at the end of the file. Before it nobody has counted the lines.
func (r *fileReader) Lag(ctx context.Context) (int64, error) {
	if err := ctx.Err(); err != nil {
		return -1, err
	}
	size, err := r.size()
	if err != nil || size > r.offset.Load() {
		return -1, err
	}
	return 0, nil
}

func (r *fileReader) Close() error {
	if err := r.file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("close %s: %w", r.path, err)
	}
	return nil
}

// Peek shows lines.
func (s *FileSource) Peek(ctx context.Context, req pipeline.OpenRequest, b *pipeline.Batch, limit pipeline.Limit) error {
	r, err := s.Open(ctx, req)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // it was only read
	if err := r.Wait(ctx); err != nil && !errors.Is(err, pipeline.ErrEnd) {
		return err
	}
	err = r.Read(ctx, b, limit)
	if b.Read = len(b.Records); len(b.Records) < limit.Records && r.Wait(ctx) == nil {
		b.Read++ // a line that would be too many bytes
	}
	return err
}
