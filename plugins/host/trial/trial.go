// Package trial tries whether a program keeps to the protocol of plugins: what penstock
// plugin test does. It knows nothing of what the plugin is for.
package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/host"
	"github.com/penstock-io/penstock/plugins/wire"
)

// Patience is how long a plugin may take for a batch.
const Patience = 10 * time.Second

// Maker makes the plugin, with the settings that it is tried with, changed.
type Maker func(change func(settings map[string]any) map[string]any) (*host.Plugin, error)

// Trial is one.
type Trial struct {
	Name string
	// Try gives what is wrong; nil: nothing. It notes what came of records, and leaves no
	// process.
	Try func(ctx context.Context, plugin Maker, found *Found) error
}

// Found is what came of the records of a trial.
type Found struct {
	Records, Dropped, Refused int // of those that the plugin was given
	Split                     int // those that became several
	Took                      time.Duration
	FirstRefusal              string // its reason
}

// String tells of it in a line; empty where there were no records.
func (f *Found) String() string {
	if f.Records == 0 {
		return ""
	}
	text := fmt.Sprintf("of %d records %d go on", f.Records, f.Records-f.Dropped-f.Refused)
	if f.Split > 0 {
		text += fmt.Sprintf(" (%d of them as several)", f.Split)
	}
	if f.Dropped > 0 {
		text += fmt.Sprintf(", %d are dropped", f.Dropped)
	}
	if f.Refused > 0 {
		text += fmt.Sprintf(", %d are refused (%s)", f.Refused, f.FirstRefusal)
	}
	return text + fmt.Sprintf("; %v", f.Took.Round(time.Millisecond/10))
}

func (f *Found) add(o *Found) {
	f.Records, f.Dropped, f.Refused, f.Split, f.Took = f.Records+o.Records, f.Dropped+o.Dropped, f.Refused+o.Refused, f.Split+o.Split, f.Took+o.Took
	f.FirstRefusal = cmp.Or(f.FirstRefusal, o.FirstRefusal)
}

// All gives the trials, in the order in which they tell most; the last is of records, JSON
// values that the plugin was made for, where there are any.
func All(records []string) []Trial {
	all := []Trial{
		{"it starts, and says what it is", describes},
		{"it takes its settings", takesSettings},
		{"it refuses a setting that it does not know", refusesSettings},
		{"it answers about each record, of batches of 1, 10 and 1,000", applied(sizes)},
		{"it survives odd records", applied(odd)},
		{"it takes a record of 8 MiB", applied(large)},
		{"it takes several batches at once, some thousand records", several},
		{"it goes on after a call that was given up", goesOn},
		{"it ends when it is told to", ends},
	}
	if len(records) > 0 {
		all = append(all, Trial{"it answers about your records", applied(func() [][]string { return [][]string{records} })})
	}
	return all
}

func same(settings map[string]any) map[string]any { return settings }

func describes(ctx context.Context, plugin Maker, _ *Found) error {
	p, err := plugin(same)
	if err != nil {
		return err
	}
	d, err := p.Describe(ctx)
	switch {
	case err != nil:
		return err
	case d.Name == "" || d.Version == "" || d.Doc == "":
		return errors.New("name, version or doc of Describe is empty")
	case d.Values != wire.Values_DECODED && d.Values != wire.Values_BYTES:
		return errors.New("values of Describe is neither DECODED nor BYTES")
	}
	return nil
}

func takesSettings(ctx context.Context, plugin Maker, _ *Found) error {
	p, err := plugin(same)
	if err != nil {
		return err
	}
	problems, err := p.Check(ctx)
	if err != nil || len(problems) == 0 {
		return err
	}
	return fmt.Errorf("%s: %s; %s (--settings gives it others)", problems[0].Field, problems[0].What, problems[0].Do)
}

func refusesSettings(ctx context.Context, plugin Maker, _ *Found) error {
	p, err := plugin(func(settings map[string]any) map[string]any {
		settings = maps.Clone(settings)
		settings["no_such_setting"] = true
		return settings
	})
	if err != nil {
		return err
	}
	d, err := p.Describe(ctx)
	if err != nil || d.Schema == "" { // it takes any
		return err
	}
	problems, err := p.Check(ctx)
	if err == nil && len(problems) == 0 {
		return errors.New("Open says nothing of a setting that the schema has not")
	}
	return err
}

// with calls use with a plugin, and ends that.
func with(plugin Maker, use func(p *host.Plugin) error) error {
	p, err := plugin(same)
	if err != nil {
		return err
	}
	return errors.Join(use(p), p.Close())
}

// applied tries batches, one after the other.
func applied(batches func() [][]string) func(context.Context, Maker, *Found) error {
	return func(ctx context.Context, plugin Maker, found *Found) error {
		return with(plugin, func(p *host.Plugin) error {
			for _, values := range batches() {
				if err := apply(ctx, p, values, found); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

func sizes() [][]string {
	var all [][]string
	for _, n := range []int{1, 10, 1000} {
		all = append(all, events(n))
	}
	return all
}

func events(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf(`{"event_id":"e-%d","user_id":"u%d","action":"buy","price":12.50,"user":{"email":"a@example.com"},"tags":["a","b"]}`, i, i%7)
	}
	return values
}

func odd() [][]string {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	return [][]string{{`{}`, `[]`, `null`, `true`, `"a text"`, `-0.0e-7`, `9223372036854775808`, `{"":{"":null}}`, `{"a":1,"a":2}`, "\"\u2028\\ud83d\\ude00\"", deep}}
}

func large() [][]string { return [][]string{{`{"text":"` + strings.Repeat("x", 8<<20) + `"}`}} }

// apply has a plugin transform values, and sees that it answers about each.
func apply(ctx context.Context, p *host.Plugin, values []string, found *Found) error {
	b := &pipeline.Batch{Shard: "trial", Read: len(values)}
	for i, value := range values {
		r := b.Add()
		r.Offset.Minor, r.Time = uint64(i)+1, time.UnixMilli(1_700_000_000_000)
		if i%3 > 0 {
			r.Key, r.Headers = []byte("key"), []pipeline.Header{{Key: "h", Value: []byte("1")}, {Key: "h", Value: nil}}
		}
		var err error
		if r.Value, err = b.Document([]byte(value)); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := p.Apply(ctx, b); err != nil {
		return err
	}
	some := Found{Records: len(values), Took: time.Since(began)}
	for i := range b.Records {
		r := &b.Records[i]
		switch {
		case r.Failure != nil && strings.HasPrefix(r.Failure.Err.Error(), host.DoesNotSurvive):
			return fmt.Errorf("record %d of %d: %w", r.Offset.Minor, len(values), r.Failure.Err)
		case r.Failure != nil:
			some.Refused++
			some.FirstRefusal = cmp.Or(some.FirstRefusal, r.Failure.Err.Error())
		case r.Fate == pipeline.Filtered:
			some.Dropped++
		case r.Part == 1:
			some.Split++
		}
	}
	found.add(&some)
	if restarts := p.Stats().Restarts; restarts > 0 {
		return fmt.Errorf("its process was ended %d times", restarts)
	}
	return nil
}

func several(ctx context.Context, plugin Maker, found *Found) error {
	return with(plugin, func(p *host.Plugin) error {
		all, ctx := errgroup.WithContext(ctx)
		parts, began := make([]Found, 8), time.Now()
		for i := range parts {
			all.Go(func() error { return apply(ctx, p, events(1000), &parts[i]) })
		}
		err := all.Wait()
		for i := range parts {
			found.add(&parts[i])
		}
		found.Took = time.Since(began)
		return err
	})
}

func goesOn(ctx context.Context, plugin Maker, _ *Found) error {
	return with(plugin, func(p *host.Plugin) error {
		if err := apply(ctx, p, events(1), new(Found)); err != nil {
			return err
		}
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_ = apply(short, p, events(10_000), new(Found)) // whether it was fast enough does not matter
		return apply(ctx, p, events(10), new(Found))
	})
}

// prompt is how long an end may take that is none by force.
const prompt = 1500 * time.Millisecond

func ends(ctx context.Context, plugin Maker, _ *Found) error {
	p, err := plugin(same)
	if err != nil {
		return err
	}
	if err := apply(ctx, p, events(1), new(Found)); err != nil {
		return errors.Join(err, p.Close())
	}
	began := time.Now()
	if err := p.Close(); err != nil {
		return err
	}
	if took := time.Since(began); took > prompt {
		return fmt.Errorf("it took %v, and had to be killed: Drain has to return, and GRPCController.Shutdown to end the process", took.Round(time.Millisecond))
	}
	return nil
}
