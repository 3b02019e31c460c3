//go:build unix

package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
)

func TestConforms(t *testing.T) {
	conform.Transform(t, conform.TransformCase{
		Fresh: func(t *testing.T) pipeline.Transform {
			p, _ := played(t, "good")
			return p
		},
		Fill: func(b *pipeline.Batch) {
			for _, value := range []string{`{"do":"change"}`, `{"do":"split"}`, `{"do":"drop"}`, `{"do":"refuse","payload":"nothing that belongs into an error"}`, `{}`} {
				r := b.Add()
				r.Key = b.Arena.Copy([]byte("k"))
				r.Value, _ = b.Document(b.Arena.Copy([]byte(value)))
			}
			b.Add().Value = pipeline.RawValue(b.Arena.Copy([]byte("bytes, which it does not take")))
		},
	})
}

// TestOutcomes: all that a plugin can make of a record.
func TestOutcomes(t *testing.T) {
	p, _ := played(t, "good", func(s *Settings) { s.Settings = map[string]any{"suffix": "?"} })
	b := batch(t, `{"do": "keep", "n": 12.50}`, `{"do":"change","n":1e400}`, `{"do":"drop"}`, `{"do":"drop"}`, `{"do":"refuse"}`, `{"do":"split"}`, `{"do":"rekey"}`, `{"do":"keep"}`, `{"do":"panic"}`, `{"do":"bytes"}`, `"text"`)
	b.Records[7].Fate = pipeline.Duplicate
	mustApply(t, p, b)
	want := `{"do": "keep", "n": 12.50}
{"do":"done?","n":1e400}
{"do":"drop"} filtered
{"do":"drop"} filtered
{"do":"refuse"} failed: it will not do
{"do":"split","part":1}
{"do":"split","part":2} key=other
{"do":"split","part":1}
{"do":"rekey"} key= topic=elsewhere time=7 headers=[{g 2} {h new} {i i}]
{"do":"keep"}
{"do":"panic"} failed: the plugin panicked; its log says where
{"do":"bytes"} failed: the value is no JSON: not JSON: at byte 0 there is a byte that is not UTF-8 where a value should be
"text"`
	if got := show(b); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if class := pipeline.ClassOf(b.Records[4].Failure.Err); class != pipeline.Permanent {
		t.Errorf("a refusal is %v", class)
	}
	b = batch(t, `{"do":"again"}`)
	mustApply(t, p, b)
	if class := pipeline.ClassOf(b.Records[0].Failure.Err); class == pipeline.Permanent {
		t.Error("what may pass is permanent")
	}
	if s := p.Stats(); s.Calls != 2 || s.Records != 11 || s.Restarts != 0 || s.Memory == 0 && filepath.Separator == '/' && fileExists("/proc/self/statm") {
		t.Errorf("%+v", s)
	}
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// TestBytes: values as they are, and those that are none for a plugin of JSON.
func TestBytes(t *testing.T) {
	for name, want := range map[string]string{"bytes": "\xffa", "good": "\xffa failed: value is bytes, and the plugin wants JSON; set source.format to json"} {
		p, _ := played(t, name)
		b := &pipeline.Batch{}
		r := b.Add()
		r.Value, r.Key, r.Time = pipeline.RawValue([]byte("\xffa")), []byte("k"), time.UnixMilli(1000)
		r.Headers = []pipeline.Header{{Value: []byte("1")}, {}, {}}
		mustApply(t, p, b)
		if got := show(b); got != want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestTombstones pass by a plugin that wants JSON, in their place.
func TestTombstones(t *testing.T) {
	p, _ := played(t, "good")
	b := batch(t, `{"do":"split"}`, `{}`, `{"do":"change"}`)
	b.Records[1].Value = pipeline.RawValue([]byte{})
	mustApply(t, p, b)
	want := "{\"do\":\"split\",\"part\":1}\n{\"do\":\"split\",\"part\":2} key=other\n{\"do\":\"split\",\"part\":1}\n\n{\"do\":\"done!\"}"
	if got := show(b); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestRecordsThatKill: of a batch, those that no process survives are refused, and no
// others, each in its place; the batches beside it are well.
func TestRecordsThatKill(t *testing.T) {
	for _, what := range []string{"die", "hang", "huge"} {
		t.Run(what, func(t *testing.T) {
			p, _ := played(t, "good", func(s *Settings) { s.Instances = 2 })
			mustApply(t, p, batch(t, `{}`)) // it takes a while to start
			p.settings.Timeout = 500 * time.Millisecond
			var all sync.WaitGroup
			for n := range 4 {
				all.Go(func() {
					var values []string
					for i := range 20 {
						values = append(values, fmt.Sprintf(`{"do":"change","i":%d}`, i))
					}
					if n == 0 {
						values[7], values[19] = `{"do":"`+what+`"}`, `{"do":"`+what+`"}`
					}
					b := batch(t, values...)
					if err := p.Apply(t.Context(), b); err != nil {
						t.Error(err)
						return
					}
					for i := range b.Records {
						r := &b.Records[i]
						bad := n == 0 && (i == 7 || i == 19)
						if got := string(r.Value.Raw()); bad != (r.Fate == pipeline.Failed) || !bad && got != fmt.Sprintf(`{"do":"done!","i":%d}`, i) {
							t.Errorf("batch %d, record %d: fate %d, %.100s", n, i, r.Fate, got)
						}
						if bad && !strings.HasPrefix(r.Failure.Err.Error(), "the plugin does not survive the record: ") {
							t.Error(r.Failure.Err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// TestRepliesAGigabyte: it is not read, let alone kept.
func TestRepliesAGigabyte(t *testing.T) {
	p, _ := played(t, "gigabyte")
	b := batch(t, `{}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	mustApply(t, p, b)
	runtime.ReadMemStats(&after)
	if got := show(b); !strings.HasPrefix(got, "{} failed: the plugin does not survive the record: ") || !strings.Contains(got, "larger than max") {
		t.Error(got)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 256<<20 {
		t.Errorf("it took %d MiB here", took>>20)
	}
}

// TestKilledUnderLoad: whoever kills the processes, every record is changed once, and no
// record is refused for it.
func TestKilledUnderLoad(t *testing.T) {
	p, _ := played(t, "good", func(s *Settings) { s.Instances = 2 })
	ctx, cancel := context.WithCancel(t.Context())
	var killing, all sync.WaitGroup
	var kills atomic.Int64
	killing.Go(func() {
		for ctx.Err() == nil {
			slots := []*slot{p.pool[0], p.pool[1], &p.alone}
			if s := slots[rand.IntN(len(slots))]; s.mu.TryLock() { // while one starts, another
				if s.live != nil && !s.live.process.gone() {
					syscall.Kill(s.live.process.cmd.Process.Pid, syscall.SIGKILL) //nolint:errcheck // it may have ended
					kills.Add(1)
				}
				s.mu.Unlock()
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	for range 4 {
		all.Go(func() {
			for n := 0; n < 30 || kills.Load() < 20 && n < 1000; n++ {
				b := batch(t, `{"do":"slow"}`, `{"do":"change"}`, `{"do":"split"}`, `{"do":"change"}`)
				var err error
				for range 100 { // as the engine does, with what a batch was before
					if err = p.Apply(ctx, b); err == nil {
						break
					}
					b = batch(t, `{"do":"slow"}`, `{"do":"change"}`, `{"do":"split"}`, `{"do":"change"}`)
				}
				if got := show(b); err != nil || got != "{\"do\":\"slow\"}\n{\"do\":\"done!\"}\n{\"do\":\"split\",\"part\":1}\n{\"do\":\"split\",\"part\":2} key=other\n{\"do\":\"split\",\"part\":1}\n{\"do\":\"done!\"}" {
					t.Errorf("%v, got\n%s", err, got)
				}
			}
		})
	}
	all.Wait()
	cancel()
	killing.Wait()
	if kills.Load() < 20 {
		t.Errorf("%d kills", kills.Load())
	}
}

// TestBadPrograms: what is no plugin, with what it is told.
func TestBadPrograms(t *testing.T) {
	for name, want := range map[string]string{
		"exits":   `cannot be started: .*; its last words: I cannot find my shoes`,
		"garbage": `cannot be started: .*Unrecognized remote plugin message: ·\[31mno handshake`,
		"old":     `cannot be started: .*[Ii]ncompatible API version`,
		"rpc":     `cannot be started: .*unsupported plugin protocol`,
		"mute":    `cannot be started: it has said nothing of where it listens, and has ended: signal: killed`,
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := played(t, name)
			if name == "mute" {
				p.patience = 500 * time.Millisecond
			}
			b := batch(t, `{}`)
			for range 2 {
				err := p.Apply(t.Context(), b)
				if err == nil || !regexp.MustCompile(want).MatchString(err.Error()) || len(err.Error()) > 2000 || pipeline.ClassOf(err) != pipeline.Retryable {
					t.Errorf("%v: %.500v", pipeline.ClassOf(err), err)
				}
			}
			if b.Records[0].Fate != pipeline.Deliver {
				t.Error("the record is at fault")
			}
		})
	}
}

// TestRudePlugins: those that do their work, and something else.
func TestRudePlugins(t *testing.T) {
	t.Run("loud", func(t *testing.T) {
		p, log := played(t, "loud")
		mustApply(t, p, batch(t, `{"do":"print"}`, `{"do":"print"}`, `{"do":"print"}`))
		if text := log.text(); !strings.Contains(text, `{\"@message\":1}`) || !strings.Contains(text, "it writes too many") || len(text) > 200_000 {
			t.Errorf("the log has %d bytes: %.300s", len(text), text)
		}
	})
	t.Run("deaf", func(t *testing.T) {
		p, _ := played(t, "deaf")
		mustApply(t, p, batch(t, `{}`))
	})
	t.Run("forks", func(t *testing.T) {
		p, log := played(t, "forks")
		mustApply(t, p, batch(t, `{}`))
		found := regexp.MustCompile(`child (\d+)`).FindStringSubmatch(log.text())
		if found == nil {
			t.Fatalf("no child in %s", log.text())
		}
		child, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		gone := func() bool {
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
			return err != nil || strings.Contains(string(text), ") Z ")
		}
		for end := time.Now().Add(10 * time.Second); !gone(); {
			if time.Now().After(end) {
				t.Fatal("what the plugin has started lives on")
			}
			<-time.After(10 * time.Millisecond)
		}
	})
}

// TestBatchThatFails: a plugin that asks for another attempt loses no process.
func TestBatchThatFails(t *testing.T) {
	p, _ := played(t, "batches")
	b := batch(t, `{}`)
	for range 2 {
		if err := p.Apply(t.Context(), b); err == nil || !strings.Contains(err.Error(), "asks for another attempt: my server is away") || pipeline.ClassOf(err) != pipeline.Retryable {
			t.Errorf("got %v", err)
		}
	}
	if p.Stats().Restarts != 0 || b.Records[0].Fate != pipeline.Deliver {
		t.Errorf("%+v", p.Stats())
	}
}

func TestContextEnds(t *testing.T) {
	p, _ := played(t, "good")
	mustApply(t, p, batch(t, `{}`))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := p.Apply(ctx, batch(t, `{"do":"hang"}`)); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// TestEnvironment: a plugin sees what is passed on, and no secret of the host.
func TestEnvironment(t *testing.T) {
	t.Setenv("PENSTOCK_TEST_SECRET", "s3cret")
	t.Setenv("PENSTOCK_TEST_SHOWN", "shown")
	p, _ := played(t, "good", func(s *Settings) { s.Env = append(s.Env, "PENSTOCK_TEST_SHOWN") })
	b := batch(t, `{"do":"environment"}`)
	mustApply(t, p, b)
	if got := string(b.Records[0].Value.Raw()); strings.Contains(got, "s3cret") || !strings.Contains(got, "PENSTOCK_TEST_SHOWN=shown") || !strings.Contains(got, "PATH=") {
		t.Errorf("got %s", got)
	}
}

// TestSettings: the plugin's own mistakes, with their fields.
func TestSettings(t *testing.T) {
	for name, tc := range map[string]struct {
		settings map[string]any
		want     string
	}{
		"good":       {map[string]any{"suffix": "x", "limit": 3, "list": []string{"a"}}, ""},
		"none":       {nil, ""},
		"unknown":    {map[string]any{"sufix": "x"}, `sufix: unknown field "sufix"; write suffix`},
		"of no type": {map[string]any{"limit": "many"}, `limit: has to be a whole number, not the text "many"; write a whole number, like 5`},
		"too little": {map[string]any{"limit": 0}, `limit: has to be at least 1, not 0`},
		"in a list":  {map[string]any{"list": []any{"a", map[string]any{}}}, `list[1]: has to be text, not an object`},
		"of New":     {map[string]any{"suffix": "none"}, `: there has to be a suffix`},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := played(t, "good", func(s *Settings) { s.Settings = tc.settings })
			problems, err := p.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, problem := range problems {
				got += problem.Field + ": " + problem.What + "; " + problem.Do
			}
			if tc.want == "" && got != "" || !strings.HasPrefix(got, tc.want) {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if err := p.Apply(t.Context(), batch(t, `{}`)); (err != nil) != (tc.want != "") {
				t.Errorf("applied: %v", err)
			}
		})
	}
}

// TestReattach: a plugin that somebody runs himself is used, and left running; when it is
// gone, no record is at fault.
func TestReattach(t *testing.T) {
	cmd := exec.Command(os.Args[0], "--debug")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end := func() {
		if !ended {
			ended = true
			cmd.Process.Kill() //nolint:errcheck // it may have ended
			cmd.Wait()         //nolint:errcheck // it was killed
		}
	}
	defer end()
	socket := ""
	for said := bufio.NewScanner(out); socket == "" && said.Scan(); {
		_, rest, _ := strings.Cut(said.Text(), "PENSTOCK_REATTACH='good=")
		socket, _, _ = strings.Cut(rest, "'")
	}
	p, log := played(t, "good")
	t.Setenv(reattachEnv, "other=/none,"+p.name+"="+socket)
	p.settings.Timeout = time.Nanosecond // nobody hurries who looks at a debugger
	if problems, err := p.Check(t.Context()); err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	b := batch(t, `{"do":"change"}`)
	mustApply(t, p, b)
	if got := show(b); got != `{"do":"done!"}` || !strings.Contains(log.text(), "is one that runs already") {
		t.Errorf("got %s; %s", got, log.text())
	}
	end()
	b = batch(t, `{"do":"change"}`)
	if err := p.Apply(t.Context(), b); err == nil || pipeline.ClassOf(err) != pipeline.Retryable || b.Records[0].Fate != pipeline.Deliver {
		t.Errorf("it is gone: %v", err)
	}
}

func TestDescribe(t *testing.T) {
	p, _ := played(t, "bytes")
	d, err := p.Describe(t.Context())
	if err != nil || d.Name != "bytes" || d.Version != "1.2.3" || d.Values.String() != "BYTES" || !strings.Contains(d.Schema, `"What values end with."`) {
		t.Errorf("%v, %v", d, err)
	}
}

// TestPinned: what was changed is not executed.
func TestPinned(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "plugin.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec '"+os.Args[0]+"' good\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	pinned := func(s *Settings) { s.Command = []string{script} }
	p, _ := played(t, "", pinned)
	sum, files, err := p.Digest()
	if err != nil || !isDigest(sum) || len(files) != 1 {
		t.Fatal(sum, err)
	}
	for name, tc := range map[string]struct {
		command []string
		sha     string
		want    string
	}{
		"a script":           {[]string{script}, sum, ""},
		"in capitals":        {[]string{script}, strings.ToUpper(sum), ""},
		"another":            {[]string{script}, strings.Repeat("0", 64), "its SHA-256 is " + sum},
		"a script that runs": {[]string{"sh", script}, sum, ""},
	} {
		p, _ := played(t, "", func(s *Settings) { s.Command, s.SHA256 = tc.command, tc.sha })
		err := p.Apply(t.Context(), batch(t, `{}`))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good, _ := played(t, "", func(s *Settings) { s.Command, s.SHA256 = []string{script}, sum })
	mustApply(t, good, batch(t, `{}`))
	if err := os.WriteFile(script, []byte("#!/bin/sh\n# changed\nexec '"+os.Args[0]+"' good\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	mustApply(t, good, batch(t, `{}`))          // it runs already
	good.pool[0].live.process.Kill(t.Context()) //nolint:errcheck // never fails
	if err := good.Apply(t.Context(), batch(t, `{}`)); err == nil || !strings.Contains(err.Error(), "its SHA-256 is ") {
		t.Errorf("after a change: %v", err)
	}
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho '#' >>"+script+"\nexec '"+os.Args[0]+"' good\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	fickle, _ := played(t, "", pinned) // another one by the time it runs
	if fickle.settings.SHA256, _, err = fickle.Digest(); err != nil {
		t.Fatal(err)
	}
	if err := fickle.Apply(t.Context(), batch(t, `{}`)); err == nil || !strings.Contains(err.Error(), "its SHA-256 is ") {
		t.Errorf("changed while it starts: %v", err)
	}
	binary, _ := played(t, "good") // of a binary a copy is executed
	if sum, _, err = binary.Digest(); err != nil {
		t.Fatal(err)
	}
	binary.settings.SHA256 = sum
	mustApply(t, binary, batch(t, `{}`))
	if path := binary.pool[0].live.process.cmd.Path; path == os.Args[0] {
		t.Error("the file that anybody may change is executed")
	}
}

func TestMissingPrograms(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("open", 0o777)
	write("data", 0o644)
	for name, tc := range map[string]struct {
		settings Settings
		want     string
	}{
		"no file":        {Settings{Command: []string{"./none"}}, "there is no such file: " + filepath.Join(dir, "none")},
		"not in PATH":    {Settings{Command: []string{"no-such-program"}}, "it is not in PATH"},
		"no name":        {Settings{Name: "no-such"}, "plugin penstock-plugin-no-such: it is not in PATH"},
		"not executable": {Settings{Command: []string{"./data"}}, "is not executable"},
		"a folder":       {Settings{Command: []string{dir}}, "is not executable"},
		"world-writable": {Settings{Command: []string{"./open"}}, "may be written by everybody"},
		"a script so":    {Settings{Command: []string{"sh", "open"}}, "may be written by everybody"},
	} {
		p, _ := played(t, "", func(s *Settings) { s.Command, s.Name = tc.settings.Command, tc.settings.Name })
		p.dir = dir
		if _, err := p.Check(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) || pipeline.ClassOf(err) != pipeline.Permanent {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, s := range map[string]Settings{"nothing": {}, "both": {Command: []string{"a"}, Name: "b"}, "empty": {Command: []string{""}}, "no digest": {Name: "a", SHA256: "abc"}} {
		if len(s.Validate()) == 0 {
			t.Errorf("%s: no mistake", name)
		}
	}
}
