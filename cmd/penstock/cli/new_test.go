package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline/config"
)

// TestNewFilesAreValid, whatever is chosen.
func TestNewFilesAreValid(t *testing.T) {
	c := BuiltIn()
	catalog := c.catalog()
	transforms := append([]string{""}, namesOf(catalog.Transforms)...)
	for i, source := range namesOf(catalog.Sources) {
		for j, sink := range namesOf(catalog.Sinks) {
			for k, format := range namesOf(catalog.Formats) {
				draft := config.Draft{Name: "shop", Source: source, Sink: sink, Format: format}
				if name := transforms[(7*i+3*j+k)%len(transforms)]; name != "" && format == "json" {
					draft.Transforms = []string{name}
				}
				text, err := c.newFile(draft)
				if err != nil {
					t.Errorf("%+v: %v\n%s", draft, err, text)
				}
			}
		}
	}
	for _, name := range transforms[1:] {
		if text, err := c.newFile(config.Draft{Name: "shop", Source: "redis_list", Sink: "kafka", Format: "json", Transforms: []string{name}}); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

// TestNewFileSaysWhatIsTrue: each setting that is a comment can be taken out of it, but for
// those of which one excludes another.
func TestNewFileSaysWhatIsTrue(t *testing.T) {
	c := BuiltIn()
	// group keeps at least once only; the last is a word of a comment.
	excluded := map[string]bool{"group": true, "after_commit": true}
	for _, source := range []string{"redis_list", "redis_stream", "kafka", "file"} {
		text, err := c.newFile(config.Draft{Name: "shop", Source: source, Sink: "kafka", Format: "json"})
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(text, "\n")
		for i, line := range lines {
			setting, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "# ")
			name, value, also := strings.Cut(setting, ": ")
			if !ok || !also || strings.ContainsAny(name, " ,") || excluded[name] || strings.HasPrefix(value, "see ") {
				continue
			}
			indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
			changed := strings.Join(lines[:i], "") + indent + setting + strings.Join(lines[i+1:], "")
			if _, err := c.parseFiles(nil, config.File{Name: "new", Data: []byte(changed)}); err != nil {
				t.Errorf("source %s, with %s: %v", source, strings.TrimSpace(setting), err)
			}
		}
	}
}

func TestNew(t *testing.T) {
	name := filepath.Join(t.TempDir(), "shop.yaml")
	got := penstock(t, "new", "--name", "shop", "--source", "redis_stream", "--transform", "filter", "--transform", "dedupe", "-o", name)
	if got.code != 0 || got.out != "" || !strings.Contains(got.errOut, "penstock validate "+name) {
		t.Errorf("%+v", got)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "new", string(text))
	if got := penstock(t, "validate", name); got.code != 0 {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "new", "-o", name); got.code != exitInvalid || !strings.Contains(got.errOut, "is there already") {
		t.Errorf("%+v", got)
	}
	if again, err := os.ReadFile(name); err != nil || string(again) != string(text) {
		t.Error("it was written over")
	}
	for flag, says := range map[string]string{"--source": `there is no source "radis"`, "--sink": `there is no sink "radis"`, "--format": `there is no format "radis"`, "--transform": `there is no transform "radis"`} {
		if got := penstock(t, "new", flag, "radis"); got.code != exitInvalid || !strings.Contains(got.errOut, says) {
			t.Errorf("%s: %+v", flag, got)
		}
	}
	if got := penstock(t, "new", "--name", "a/b"); got.code != exitInvalid || !strings.Contains(fmt.Sprint(got), "a/b") {
		t.Errorf("%+v", got)
	}
}

// TestNewAsks for what no flag says; an empty line takes what is offered.
func TestNewAsks(t *testing.T) {
	cmd := newNew(BuiltIn())
	var asked strings.Builder
	cmd.SetIn(strings.NewReader("shop\n\nstdout\n"))
	cmd.SetErr(&asked)
	if err := cmd.Flags().Set("format", "text"); err != nil {
		t.Fatal(err)
	}
	draft := config.Draft{Name: "my-pipeline", Source: "redis_list", Sink: "kafka", Format: "text"}
	if err := BuiltIn().askFor(cmd, &draft); err != nil {
		t.Fatal(err)
	}
	if draft.Name != "shop" || draft.Source != "redis_list" || draft.Sink != "stdout" || draft.Format != "text" {
		t.Errorf("%+v", draft)
	}
	if !strings.Contains(asked.String(), "Where records come from (redis_list, redis_stream,") || strings.Contains(asked.String(), "How values are read") {
		t.Errorf("it has asked %q", asked.String())
	}
}
