package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/penstock-io/penstock/pipeline"
)

// FileSinkSettings are the settings of the sink file.
type FileSinkSettings struct {
	Path string `yaml:"path" local:"true" doc:"The file to append to, a line for each record; made when there is none." required:"true" example:"/var/spool/shop/events.jsonl"`
}

// FileSink is a sink that appends each value as a line to a file, and syncs it
// at each commit. It stores no positions and delivers at least once. A commit
// that fails, on a full disk say, leaves the file as it was before, where that
// can be done; a crash in the middle of one leaves lines that come again, the
// last of which may be cut short and is then ended with a newline.
//
// Another process that writes to the file is not kept out; lines of the two do
// not mix.
type FileSink struct {
	path string

	mu     sync.Mutex
	file   *os.File // nil until the first Open
	end    int64    // behind the last commit; guarded by output.mu
	output lineOutput
	closed bool
}

var _ pipeline.Sink = (*FileSink)(nil)

// NewFileSink returns the sink. The file is opened when the first lane is.
func NewFileSink(s FileSinkSettings) *FileSink {
	sink := &FileSink{path: s.Path}
	sink.output.finish = sink.finish
	return sink
}

// Open opens the file, where that is not done, and hands out the lane. There
// are no positions. Errors: Permanent where the path cannot be written or is
// not a regular file, Retryable where the disk is full.
func (s *FileSink) Open(_ context.Context, id pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, errClosed
	}
	if s.file == nil {
		file, err := openRegular(s.path, os.O_RDWR|os.O_CREATE|os.O_APPEND)
		if err != nil {
			return nil, nil, err
		}
		s.file, s.output.out = file, file
	}
	lane := s.output.open(id)
	if err := s.prepare(); err != nil {
		return nil, nil, s.unwritable(err)
	}
	return lane, nil, nil
}

// prepare makes the file ready for the first line of a lane.
func (s *FileSink) prepare() error {
	s.output.mu.Lock()
	defer s.output.mu.Unlock()
	if err := endLine(s.file); err != nil {
		return err
	}
	var err error
	if s.end, err = s.file.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(s.path))
}

// endLine ends the last line of a file, where a crash has cut it short.
func endLine(file *os.File) error {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = file.Write([]byte{'\n'})
	return err
}

// syncFolder makes a new file's name survive a power cut.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// finish syncs what a commit has written, or takes it back where nobody else
// has written to the file meanwhile.
func (s *FileSink) finish(written int64, cause error) error {
	end, err := s.file.Seek(0, io.SeekCurrent) // behind the own last write
	if cause == nil {
		cause = errors.Join(err, s.file.Sync())
	}
	if cause == nil {
		s.end = end
		return nil
	}
	info, err := s.file.Stat()
	if err == nil && info.Size() == s.end+written {
		err = s.file.Truncate(s.end)
	}
	if err != nil {
		cause = errors.Join(cause, fmt.Errorf("take back what was written: %w", err))
	}
	return s.unwritable(cause)
}

func (s *FileSink) unwritable(err error) error {
	return &pipeline.Error{
		Class: pipeline.Retryable, What: "cannot write to " + s.path, Err: err,
		Do: "look at the disk: is it full, or gone?",
	}
}

// Close closes the file; the lanes are closed before.
func (s *FileSink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.file == nil {
		s.closed = true
		return nil
	}
	s.closed = true
	return s.file.Close()
}
