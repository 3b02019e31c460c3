package cli

import (
	"fmt"
	"strings"

	"github.com/penstock-io/penstock/pipeline/config"
)

// mermaid draws the way of a record as a flowchart of Mermaid
// (https://mermaid.js.org/syntax/flowchart.html): what goes on with arrows, what is refused
// with dotted ones.
func (c Components) mermaid(p *config.Pipeline) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%%%% %s, %s\nflowchart LR\n", p.Name, p.At)
	stops := c.way(p)
	for i, stop := range stops {
		what, _, _ := strings.Cut(stop.What, "; a record it refuses: ")
		shape := [2]string{"[", "]"}
		if i == 0 || i == len(stops)-1 {
			shape = [2]string{"([", "])"} // where records come from and go to
		}
		fmt.Fprintf(&s, "  s%d%s\"%s<br/>%s\"%s\n", i, shape[0], escaped(stop.Stage), escaped(what), shape[1])
		if i > 0 {
			fmt.Fprintf(&s, "  s%d --> s%d\n", i-1, i)
		}
	}
	c.refusals(&s, p, stops)
	if c.sink(p).Positions {
		fmt.Fprintf(&s, "  s%d --- positions[(\"positions, with the records\")]\n", len(stops)-1)
	}
	return s.String()
}

// refusals draws where stages send what they refuse.
func (c Components) refusals(s *strings.Builder, p *config.Pipeline, stops []stop) {
	ends := map[string]string{"halt": `halt{{"the pipeline halts"}}`, "drop": `drop{{"dropped, and counted"}}`,
		"dead_letter": fmt.Sprintf("dead[(\"%s\")]", escaped(whereTo(deadLetters(p))))}
	step := 0
	for i, stop := range stops {
		policy := p.OnError
		isStep := strings.HasPrefix(stop.Stage, "transforms[")
		if isStep {
			if own := p.Transforms[step].OnError; own != nil {
				policy = *own
			}
			step++
		}
		if !isStep && !strings.Contains(stop.What, "; a record it refuses: ") {
			continue
		}
		name, _, _ := strings.Cut(ends[policy.Then], "{")
		name, _, _ = strings.Cut(name, "[")
		if ends[policy.Then] != name {
			fmt.Fprintf(s, "  %s\n", ends[policy.Then])
			ends[policy.Then] = name // it is drawn once
		}
		fmt.Fprintf(s, "  s%d -.-> %s\n", i, name)
	}
}

// escaped writes what means something to Mermaid in a text as entities.
func escaped(text string) string {
	return strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "\n", " ", "`", "#96;").Replace(text)
}
