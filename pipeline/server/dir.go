package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/pipeline/config"
)

// lookAtFiles is how often a folder is read. Reading it again and again sees whatever
// editors and mounts do, and its files are small.
const lookAtFiles = 500 * time.Millisecond

// applyAgain is how long a file waits that is right, and could not be applied: its servers
// may have been away.
const applyAgain = 10 * time.Second

// maxFile bounds a pipeline file, in bytes; config refuses more too.
const maxFile = 1 << 20

// folder is a folder of pipeline files, as it was read.
type folder struct {
	set    *Set
	dir    string
	before map[string]string    // as it was read last
	taken  map[string]string    // as it was applied
	again  map[string]time.Time // when a file that could not be applied is tried again
}

// Follow runs the pipelines of a folder's files, *.yaml and *.yml but those of tests alone,
// and changes them as the files change, until ctx ends. ready is called when they were read
// for the first time. A file is taken once it is the same twice: nobody is writing it. While
// one is wrong, what runs of it goes on. The error is that the folder cannot be read at first.
func (s *Set) Follow(ctx context.Context, dir string, ready func()) error {
	f := &folder{set: s, dir: dir, taken: map[string]string{}, again: map[string]time.Time{}}
	first, err := f.read()
	if err != nil {
		return fmt.Errorf("the folder of pipelines: %w", err)
	}
	f.before = first
	f.apply(ctx, first)
	ready()
	ticker := time.NewTicker(lookAtFiles)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now, err := f.read()
		if err != nil {
			continue // it is being moved, or away: what runs goes on
		}
		f.apply(ctx, now)
		f.before = now
	}
}

// read gives the texts of the files.
func (f *folder) read() (map[string]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, entry := range entries {
		name := filepath.Join(f.dir, entry.Name())
		ext := filepath.Ext(name)
		if ext != ".yaml" && ext != ".yml" || strings.HasPrefix(entry.Name(), ".") || config.HoldsTests(name) {
			continue
		}
		info, err := os.Stat(name) // of what a link leads to
		if err != nil || info.IsDir() {
			continue
		}
		if info.Size() > maxFile {
			texts[name] = ""
			continue
		}
		text, err := os.ReadFile(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		texts[name] = string(text)
	}
	return texts, nil
}

// apply takes on files that have changed, and are not being changed.
func (f *folder) apply(ctx context.Context, now map[string]string) {
	for name := range maps.Keys(f.taken) {
		if _, there := now[name]; !there && !has(f.before, name) {
			delete(f.taken, name)
			f.set.tell(name, f.set.applyFile(ctx, name, nil))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		text := now[name]
		taken, known := f.taken[name]
		due, waits := f.again[name]
		if f.before[name] != text || known && taken == text && (!waits || time.Now().Before(due)) {
			continue
		}
		f.taken[name] = text
		delete(f.again, name)
		all, err := f.set.maker.Parse(ctx, config.File{Name: name, Data: []byte(text)}, false)
		if err == nil {
			err = f.set.applyFile(ctx, name, documents(text, all))
		} else {
			err = invalid(err)
		}
		if e, ok := errors.AsType[*Error](err); ok && e.Kind == Conflict {
			f.again[name] = time.Now().Add(applyAgain)
		}
		f.set.tell(name, err)
	}
}

func has(m map[string]string, name string) bool {
	_, ok := m[name]
	return ok
}

// document is a pipeline of a file, with its own part of the text.
type document struct {
	pipeline *config.Pipeline
	text     string
}

// documents cuts a file's text at its pipelines. Each part begins with as many empty lines
// as are before it, so that places in it are those of the file.
func documents(text string, all []*config.Pipeline) []document {
	lines := strings.SplitAfter(text, "\n")
	out := make([]document, len(all))
	for i, p := range all {
		end := len(lines)
		if i+1 < len(all) {
			end = all[i+1].At.Line - 1
		}
		begin := min(p.At.Line-1, end)
		body := strings.Join(lines[begin:end], "")
		if i+1 < len(all) {
			body, _, _ = strings.Cut(body, "\n---")
			body += "\n"
		}
		out[i] = document{p, strings.Repeat("\n", begin) + body}
	}
	return out
}

// applyFile makes the pipelines of a file what it says.
func (s *Set) applyFile(ctx context.Context, file string, says []document) error {
	names := map[string]bool{}
	for _, d := range says {
		names[d.pipeline.Name] = true
	}
	for _, e := range s.ofFile(file) {
		if !names[e.name] {
			e.change.Lock()
			s.remove(e) //nolint:errcheck // what is stored of it, whether it was paused, does no harm
			e.change.Unlock()
		}
	}
	var errs []error
	for _, d := range says {
		errs = append(errs, s.applyDocument(ctx, file, d))
	}
	return errors.Join(errs...)
}

func (s *Set) applyDocument(ctx context.Context, file string, d document) error {
	e, err := s.entryOf(d.pipeline.Name)
	if err != nil {
		s.mu.Lock()
		stored := Stored{Name: d.pipeline.Name, Text: d.text, Wanted: cmp.Or(s.asked[d.pipeline.Name], Running)}
		s.mu.Unlock()
		_, err = s.add(d.pipeline, stored, file)
		return err
	}
	defer e.change.Unlock()
	if e.file != file {
		return conflict(nil, "there is a pipeline %s already, from %s", e.name, e.origin())
	}
	return e.replace(ctx, d.pipeline, d.text, false)
}

func (s *Set) ofFile(file string) []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*entry
	for _, e := range s.byName {
		if e.file == file {
			all = append(all, e)
		}
	}
	return all
}

// tell says what is wrong with a file; nil: nothing is.
func (s *Set) tell(file string, err error) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	for _, e := range s.ofFile(file) {
		e.mu.Lock()
		e.problem = problem
		e.mu.Unlock()
	}
	s.mu.Lock()
	before := s.files[file]
	s.files[file] = problem
	if problem == "" {
		delete(s.files, file)
	}
	s.mu.Unlock()
	if problem != "" && problem != before {
		s.log.Error("a pipeline file is wrong: what runs goes on", "file", file, "error", problem)
	}
}
