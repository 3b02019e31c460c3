package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/transforms"
)

func newExplain(c Components) *cobra.Command {
	var asJSON, asMermaid bool
	cmd := &cobra.Command{
		Use:   "explain FILE…",
		Short: "Tell what a pipeline file means: guarantee, way of a record, defaults",
		Long: `Tell what a pipeline file means: which guarantee holds and why, the way of a
record, what only the servers can tell, and the file with every default filled in.
Secrets are masked. Nothing is connected to.`,
		Args: takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			pipelines, err := c.parse(args)
			if err != nil {
				return err
			}
			if asMermaid && asJSON {
				return invalid{errors.New("--json and --mermaid are two answers; ask for one")}
			}
			if asMermaid {
				return c.draw(cmd.OutOrStdout(), pipelines)
			}
			all := make([]explanation, len(pipelines))
			for i, p := range pipelines {
				if all[i], err = c.explain(p); err != nil {
					return err
				}
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), all)
			}
			texts := make([]string, len(all))
			for i, e := range all {
				texts[i] = e.text()
			}
			_, err = io.WriteString(cmd.OutOrStdout(), strings.Join(texts, "\n"))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	cmd.Flags().BoolVar(&asMermaid, "mermaid", false, "draw the way of a record, as Mermaid; of several pipelines one after the other")
	return cmd
}

// draw writes a flowchart of each pipeline.
func (c Components) draw(out io.Writer, pipelines []*config.Pipeline) error {
	texts := make([]string, len(pipelines))
	for i, p := range pipelines {
		texts[i] = c.mermaid(p)
	}
	_, err := io.WriteString(out, strings.Join(texts, "\n"))
	return err
}

// explanation is what there is to say of a pipeline.
type explanation struct {
	Name     string   `json:"name"`
	At       string   `json:"at"`
	Delivery string   `json:"delivery"` // what holds, at least what is written
	Because  []string `json:"because"`
	Order    []string `json:"order"`
	// Instances says what becomes of several instances.
	Instances []string `json:"instances"`
	Way       []stop   `json:"way"`
	Asks      []string `json:"asks"` // what only the servers can tell
	File      string   `json:"file"` // the effective file, YAML
}

// stop is a stage on a record's way.
type stop struct {
	Stage string `json:"stage"`
	What  string `json:"what"`
}

func (c Components) explain(p *config.Pipeline) (explanation, error) {
	file, err := config.Effective(p)
	if err != nil {
		return explanation{}, err
	}
	from, to := c.source(p), c.sink(p)
	order := to.Order
	if c.key(p) == "" && !setsKey(p) {
		order = cmp.Or(to.Unordered, to.Order)
	}
	if to.Spread != nil {
		order = cmp.Or(to.Spread(p.Sink.Settings), order)
	}
	e := explanation{
		Name: p.Name, At: p.At.String(), Delivery: min(from.Best, to.Best).String(),
		Because: []string{
			"source " + from.Name + ": " + from.Keeps,
			"sink " + to.Name + ": " + to.Keeps,
		},
		Order:     []string{"source " + from.Name + ": " + from.Order, "sink " + to.Name + ": " + order},
		Instances: c.instances(p),
		Way:       c.way(p), Asks: append(append([]string{}, from.Asks...), to.Asks...), File: string(file),
	}
	if place := deadLetters(p); place.RedisStream != nil || place.File != nil {
		e.Because = append(e.Because, "dead letters are kept in "+whereTo(place)+" before what is behind them is committed: none is lost, and after a crash one may be there twice")
	}
	for i, step := range p.Transforms {
		if but := c.transform(step).but(step.Settings); but != "" {
			e.Because = append(e.Because, fmt.Sprintf("but transforms[%d].%s %s", i, step.Component, but))
		}
	}
	return e, nil
}

// setsKey says whether a transform gives every record a key.
func setsKey(p *config.Pipeline) bool {
	return slices.ContainsFunc(p.Transforms, func(step config.Step) bool {
		found := false
		switch t := step.Settings.(type) {
		case *transforms.SetSettings:
			_, found = t.Values["key"]
		case *transforms.ComputeSettings:
			_, found = t.Values["key"]
		}
		return found && step.When == ""
	})
}

// way gives the stages of a pipeline as a record meets them.
func (c Components) way(p *config.Pipeline) []stop {
	refused := "; a record it refuses: " + onErrorText(p.OnError)
	stops := []stop{{"source." + p.Source.Component, fmt.Sprintf("reads batches of at most %d records", p.Source.Batch.Records)}}
	stops = append(stops, middlewareStops(p)...)
	switch in := p.Source.Format; {
	case in == nil:
		stops = append(stops, stop{"source.format", "none: values have fields already"})
	case in.Component == bytesFormat:
		stops = append(stops, stop{"source.format", "bytes: values are taken as they are"})
	default:
		stops = append(stops, stop{"source.format", "reads " + in.Component + refused})
	}
	for i, step := range p.Transforms {
		stops = append(stops, stop{fmt.Sprintf("transforms[%d].%s", i, step.Component), stepText(p, step)})
	}
	if key := c.key(p); key != "" {
		stops = append(stops, stop{"sink.key", string(key) + refused})
	}
	if partition := c.partition(p); partition != "" {
		stops = append(stops, stop{"sink.partition", string(partition) + refused})
	}
	out := "none: values go out as they came, unless something changed them"
	if p.Sink.Format != nil {
		out = "writes " + p.Sink.Format.Component + refused
	}
	lanes := ""
	if p.Tasks > 1 {
		lanes = fmt.Sprintf(", in %d lanes, a shard through one of them,", p.Tasks)
	}
	return append(stops, stop{"sink.format", out},
		stop{"sink." + p.Sink.Component, fmt.Sprintf("commits%s at once when idle, every %v or %d records when busy%s", lanes, p.Commit.Every, p.Commit.Records, refused)})
}

// stepText tells which records a transform is for, and what becomes of those it
// refuses.
func stepText(p *config.Pipeline, step config.Step) string {
	records := "every record"
	if step.When != "" {
		records = "records for which " + string(step.When)
	}
	policy := p.OnError
	if step.OnError != nil {
		policy = *step.OnError
	}
	return records + "; a record it refuses: " + onErrorText(policy)
}

func onErrorText(o config.OnError) string {
	if o.Retry != nil {
		then := o
		then.Retry = nil
		return fmt.Sprintf("is tried %d times where its error may pass, then %s", o.Retry.Attempts, onErrorText(then))
	}
	unless := ""
	if o.GiveUpAfter != nil {
		unless = fmt.Sprintf("; the pipeline halts when %d are refused within %v", o.GiveUpAfter.Failures, o.GiveUpAfter.Within)
	}
	switch {
	case o.Then == "dead_letter" && o.DeadLetter != nil:
		return "goes to " + whereTo(*o.DeadLetter) + unless
	case o.Then == "drop":
		return "is dropped, and counted" + unless
	}
	return "halts the pipeline"
}

// text gives an explanation for people.
func (e explanation) text() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s (%s)\n\nGuarantee: %s\n", e.Name, e.At, guaranteeText(e.Delivery))
	bullets(&s, e.Because)
	s.WriteString("\nOrder\n")
	bullets(&s, e.Order)
	s.WriteString("\nActive and standby\n")
	bullets(&s, e.Instances)
	s.WriteString("\nThe way of a record\n")
	width := 0
	for _, stop := range e.Way {
		width = max(width, len(stop.Stage))
	}
	for _, stop := range e.Way {
		fmt.Fprintf(&s, "  %-*s  %s\n", width, stop.Stage, stop.What)
	}
	if len(e.Asks) > 0 {
		s.WriteString("\nWhat only the servers can tell (asked at the start; the log says what is absent)\n")
		bullets(&s, e.Asks)
	}
	s.WriteString("\nThe file with every default\n")
	for line := range strings.Lines(e.File) {
		s.WriteString("  " + line)
	}
	return s.String()
}

func bullets(s *strings.Builder, lines []string) {
	for _, line := range lines {
		s.WriteString("  - " + line + "\n")
	}
}

// guaranteeText says in words what a guarantee means.
func guaranteeText(delivery string) string {
	return cmp.Or(map[string]string{
		pipeline.ExactlyOnce.String(): "exactly once: nothing is lost, nothing comes twice",
		pipeline.AtLeastOnce.String(): "at least once: nothing is lost, records can come twice after a failure",
		pipeline.AtMostOnce.String():  "at most once: records can be lost in a failure",
	}[delivery], delivery)
}
