package config_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline/config"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with the golden file, or writes it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wanted := strings.SplitAfter(string(want), "\n")
	for i, line := range strings.SplitAfter(got, "\n") {
		if i >= len(wanted) || line != wanted[i] {
			t.Fatalf("%s:%d differs (go test -update writes it anew); got from there:\n%s", path, i+1,
				strings.Join(strings.SplitAfter(got, "\n")[i:][:min(5, strings.Count(got, "\n")+1-i)], ""))
		}
	}
	if len(got) < len(want) {
		t.Fatalf("%s goes on after its first %d bytes", path, len(got))
	}
}

// files calls test for each file of testdata with the ending.
func files(t *testing.T, ending string, test func(t *testing.T, path string, data []byte)) {
	t.Helper()
	paths, err := filepath.Glob("testdata/*" + ending)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no testdata/*%s: %v", ending, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ending), func(t *testing.T) { test(t, path, data) })
	}
}

// parseFile parses under the file's base name, which is what messages show.
func parseFile(path string, data []byte) ([]*config.Pipeline, error) {
	return config.Parse(catalog(), lookup(), config.File{Name: filepath.Base(path), Data: data})
}

// TestBadFiles holds the exact messages for each kind of mistake.
func TestBadFiles(t *testing.T) {
	files(t, ".bad.yaml", func(t *testing.T, path string, data []byte) {
		pipelines, err := parseFile(path, data)
		if err == nil || pipelines != nil {
			t.Fatalf("got %v, %v; want mistakes alone", pipelines, err)
		}
		golden(t, strings.TrimSuffix(path, ".yaml")+".golden", err.Error()+"\n")
	})
}

// TestGoodFiles holds the effective spec of good files, which has to mean the same
// when it is read again.
func TestGoodFiles(t *testing.T) {
	files(t, ".good.yaml", func(t *testing.T, path string, data []byte) {
		pipelines, err := parseFile(path, data)
		if err != nil {
			t.Fatal(err)
		}
		first := effective(t, pipelines)
		golden(t, strings.TrimSuffix(path, ".yaml")+".golden", first)
		again, err := parseFile(path, []byte(unmasked(first)))
		if err != nil {
			t.Fatalf("the effective spec cannot be read again: %v", err)
		}
		if second := effective(t, again); unmasked(second) != unmasked(first) {
			t.Errorf("read again, the effective spec became:\n%s", second)
		}
	})
}

// unmasked stands something that is no secret where a whole text was masked.
func unmasked(effective string) string {
	return strings.ReplaceAll(effective, "'********'", "masked-text")
}

func effective(t *testing.T, pipelines []*config.Pipeline) string {
	t.Helper()
	var all [][]byte
	for _, p := range pipelines {
		text, err := config.Effective(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return string(bytes.Join(all, []byte("---\n")))
}

func TestReference(t *testing.T) {
	for _, name := range []string{"", "redis_list", "filter", "kafka", "stdin", "compute"} {
		var out bytes.Buffer
		if err := config.Reference(&out, catalog(), name); err != nil {
			t.Fatal(err)
		}
		golden(t, "testdata/reference-"+name+".golden", out.String())
	}
}

func TestReferenceOfNothing(t *testing.T) {
	err := config.Reference(&bytes.Buffer{}, catalog(), "redis_lits")
	if err == nil || err.Error() != `there is no component called "redis_lits"; write redis_list` {
		t.Errorf("got %v", err)
	}
}
