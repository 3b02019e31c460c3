package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/config"
)

// FuzzParse demands of any file that Parse ends soon, that mistakes stand inside
// the file and never show what came from a file, and that a good file's effective
// spec means the same when it is read again.
func FuzzParse(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no files: %v", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		pipelines, err := parse(string(data))
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if err != nil {
			checkErrors(t, err, strings.Count(strings.ReplaceAll(string(data), "\r", "\n"), "\n")+2)
			return
		}
		for _, p := range pipelines {
			checkEffective(t, p)
		}
	})
}

func checkErrors(t *testing.T, err error, lines int) {
	t.Helper()
	errs, ok := errors.AsType[config.Errors](err)
	if !ok || len(errs) == 0 {
		t.Fatalf("%T is not Errors", err)
	}
	for i, e := range errs {
		if e.At.Line < 1 || e.At.Line > lines || e.At.Col < 1 || e.What == "" || e.Do == "" {
			t.Errorf("incomplete: %+v", e)
		}
		if i > 0 && errs[i-1].At.Line > e.At.Line {
			t.Errorf("not in order: %v", err)
		}
		if strings.Contains(e.Error(), "s3cr3t-token") {
			t.Errorf("a secret is shown: %v", e)
		}
	}
}

func checkEffective(t *testing.T, p *config.Pipeline) {
	t.Helper()
	first, err := config.Effective(p)
	if err != nil {
		t.Fatal(err)
	}
	text := unmasked(string(first))
	again, err := parse(text)
	if strings.Contains(text, "********") {
		return // a part of something was masked: it need not be valid any more
	}
	if err != nil {
		t.Fatalf("the effective spec cannot be read again: %v\n%s", err, first)
	}
	second, err := config.Effective(again[0])
	if err != nil {
		t.Fatal(err)
	}
	if unmasked(string(second)) != unmasked(string(first)) {
		t.Errorf("read again, it became\n%s\nwas\n%s", second, first)
	}
}
