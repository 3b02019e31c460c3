package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline"
)

type tagSettings struct {
	Tag string `yaml:"tag" required:"true" doc:"What stands before each value."`
}

// tagger is a transform that writes a tag before each value.
type tagger struct{ tag string }

func (t tagger) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		r.Value = pipeline.RawValue(append([]byte(t.tag), r.Value.Raw()...))
	}
	return nil
}

func newLines(env Environment, _ struct{}) (*local.Stdin, error) {
	return local.NewStdin(local.StdinSettings{}, env.Stdin), nil
}

func newTagger(_ Environment, s tagSettings) (tagger, error) { return tagger{s.Tag}, nil }

func newPage(env Environment, _ struct{}) (*local.Stdout, error) {
	return local.NewStdout(local.StdoutSettings{}, env.Stdout), nil
}

var (
	linesInfo = SourceInfo{Name: "lines", Doc: "Lines of our own.", Keeps: "they cannot be read again", Order: "in their order"}
	tagInfo   = TransformInfo{Name: "tag", Doc: "Tags of our own.", But: func(any) string { return "forgets who wrote it" }}
	upperInfo = FormatInfo{Name: "upper", Doc: "Capitals.", Example: "upper: {mark: '!'}\n"}
	pageInfo  = SinkInfo{Name: "page", Doc: "Pages of our own.", Best: pipeline.AtLeastOnce, Keeps: "it is paper", Order: "from top to bottom"}
)

// ours is what is built in, with a component of each kind beside it.
func ours() Components {
	c := BuiltIn()
	c.Sources = append(c.Sources, NewSource(linesInfo, newLines))
	c.Transforms = append(c.Transforms, NewTransform(tagInfo, newTagger))
	c.Formats = append(c.Formats, NewFormat(upperInfo, newUpper))
	c.Sinks = append(c.Sinks, NewSink(pageInfo, newPage))
	return c
}

// last is the one of ours.
func last[T any](list []T) *T { return &list[len(list)-1] }

// asks runs a command line with a list of components.
func asks(t *testing.T, c Components, in string, args ...string) answer {
	t.Helper()
	var out, errOut output
	code := c.run(t.Context(), args, strings.NewReader(in), &out, &errOut)
	return answer{code, out.String(), errOut.String()}
}

const ourFile = `name: ours
source:
  lines:
  format: upper
transforms:
  - tag: {tag: "a "}
sink:
  page: {}
  format: {upper: {mark: "?"}}
delivery: at_most_once
`

// TestEveryCommandKnowsTheList that it was handed.
func TestEveryCommandKnowsTheList(t *testing.T) {
	name := filepath.Join(t.TempDir(), "ours.yaml")
	if err := os.WriteFile(name, []byte(ourFile), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{[]string{"validate", name}, []string{"ours is valid: lines → page, at_most_once"}},
		{[]string{"explain", name}, []string{"source lines: they cannot be read again", "sink page: it is paper", "sink page: from top to bottom",
			"but transforms[0].tag forgets who wrote it", "reads upper", "writes upper"}},
		{[]string{"components"}, []string{"  lines ", "  tag ", "  upper ", "  page ", "  redis_list "}},
		{[]string{"components", "tag"}, []string{"tag (transform)", "What stands before each value."}},
		{[]string{"run", "--until-drained", name}, []string{"A X!?\nA Y!?\n"}},
	} {
		got := asks(t, ours(), "x\ny\n", tc.args...)
		for _, want := range tc.want {
			if got.code != 0 || !strings.Contains(got.out, want) {
				t.Errorf("%v: code %d; want %q in\n%s%s", tc.args, got.code, want, got.out, got.errOut)
			}
		}
		if got := penstock(t, tc.args...); tc.args[0] != "components" && got.code != exitInvalid {
			t.Errorf("%v, without ours: %+v", tc.args, got)
		}
	}
}

func TestSchemaKnowsTheList(t *testing.T) {
	if err := compiledSchema(t, ours()).Validate(asJSON(t, ourFile)); err != nil {
		t.Error(err)
	}
	if err := compiledSchema(t, BuiltIn()).Validate(asJSON(t, ourFile)); err == nil {
		t.Error("the schema of what is built in takes ours")
	}
	if got := asks(t, ours(), "", "schema"); got.code != 0 || !json.Valid([]byte(got.out)) || !strings.Contains(got.out, "Pages of our own.") {
		t.Errorf("%+v", got)
	}
}

// TestWrongListsAreRefused before anything is done.
func TestWrongListsAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(c *Components)
		want   string
	}{
		"two sources of a name": {func(c *Components) { c.Sources = append(c.Sources, c.Sources[0]) },
			"source redis_list: there are two of that name; call one of them otherwise, or leave it out"},
		"two transforms of a name": {func(c *Components) { c.Transforms = append(c.Transforms, c.Transforms[2]) }, "transform set: there are two"},
		"two formats of a name":    {func(c *Components) { c.Formats = append(c.Formats, c.Formats[0]) }, "format json: there are two"},
		"two sinks of a name":      {func(c *Components) { c.Sinks = append(c.Sinks, c.Sinks[0]) }, "sink kafka: there are two"},
		"a source without a name":  {func(c *Components) { c.Sources[0].Name = "" }, "source number 1 of "},
		"a format without a name":  {func(c *Components) { last(c.Formats).Name = "" }, " has no name"},
		"the name of a setting":    {func(c *Components) { c.Transforms[0].Name = "when" }, "transform when: that is the name of a setting beside it"},
		"a source of nothing":      {func(c *Components) { *last(c.Sources) = Source{SourceInfo: linesInfo} }, "source lines: it was not made by its constructor; use NewSource"},
		"a source without build": {func(c *Components) {
			*last(c.Sources) = NewSource[struct{}, *local.Stdin](linesInfo, nil)
		}, "source lines: there is no function that builds it"},
		"a transform without build": {func(c *Components) {
			*last(c.Transforms) = NewTransform[tagSettings, tagger](tagInfo, nil)
		}, "transform tag: there is no function that builds it"},
		"a sink without build": {func(c *Components) {
			*last(c.Sinks) = NewSink[struct{}, *local.Stdout](pageInfo, nil)
		}, "sink page: there is no function that builds it"},
		"settings that are no struct": {func(c *Components) {
			*last(c.Transforms) = NewTransform(tagInfo, func(Environment, string) (tagger, error) { return tagger{}, nil })
		}, "transform tag: its settings are a string; take a struct"},
		"a format that nothing builds":      {func(c *Components) { *last(c.Formats) = NewFormat[struct{}, upper](upperInfo, nil) }, "format upper: there is no function that builds it"},
		"a source that does not say why":    {func(c *Components) { last(c.Sources).Keeps = "" }, "source lines: it does not say why its guarantee holds; set Keeps"},
		"a sink that says nothing of order": {func(c *Components) { last(c.Sinks).Order = "" }, "sink page: it does not say what order it gives; set Order"},
		"a sink that claims too much":       {func(c *Components) { last(c.Sinks).Best = pipeline.ExactlyOnce }, "sink page: it keeps exactly_once, and stores no positions"},
	} {
		t.Run(name, func(t *testing.T) {
			c := ours()
			tc.change(&c)
			for _, args := range [][]string{{"components"}, {"--help"}, {"run", "no-such-file.yaml"}} {
				got := asks(t, c, "", args...)
				if got.code != exitInvalid || got.out != "" || !strings.HasPrefix(got.errOut, "the list of components is wrong:\n") || !strings.Contains(got.errOut, tc.want) {
					t.Errorf("%v: %+v, want %q", args, got, tc.want)
				}
			}
		})
	}
	if err := ours().check(); err != nil {
		t.Error(err)
	}
}

// TestEveryMistakeOfAListIsTold at once.
func TestEveryMistakeOfAListIsTold(t *testing.T) {
	got := asks(t, Components{Sources: []Source{{}}, Transforms: []Transform{{}}, Formats: []Format{{}}, Sinks: []Sink{{}}}, "", "demo")
	for _, want := range []string{"source number 1", "transform number 1", "format number 1", "sink number 1"} {
		if got.code != exitInvalid || !strings.Contains(got.errOut, want) {
			t.Errorf("%+v, want %q", got, want)
		}
	}
}

// TestBuiltInIsTheCallersOwn: what one changes, another does not see.
func TestBuiltInIsTheCallersOwn(t *testing.T) {
	c := BuiltIn()
	c.Sources = slices.DeleteFunc(c.Sources, func(s Source) bool { return s.Name == "stdin" })
	c.Formats[0].Name = "other"
	if again := BuiltIn(); len(again.Sources) != len(c.Sources)+1 || again.Formats[0].Name != "json" {
		t.Errorf("%d sources, format %s", len(again.Sources), again.Formats[0].Name)
	}
	name := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(name, []byte("name: a\nsource:\n  stdin: {}\nsink:\n  stdout: {}\ndelivery: at_most_once\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := asks(t, c, "", "validate", name); got.code != exitInvalid || !strings.Contains(got.errOut, "stdin") {
		t.Errorf("%+v", got)
	}
}

// upper is a format of ours.
type upper struct{ mark string }

type upperSettings struct {
	Mark string `yaml:"mark" default:"!" doc:"What it ends with."`
}

func newUpper(_ Environment, s upperSettings) (upper, error) { return upper{s.Mark}, nil }

func (u upper) Read(_ context.Context, _ *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	return pipeline.TextValue(append(bytes.ToLower(raw), u.mark...)), nil
}

func (u upper) Write(_ context.Context, _ *pipeline.Batch, v *pipeline.Value) error {
	*v = pipeline.RawValue(append(bytes.ToUpper(v.Raw()), u.mark...))
	return nil
}
