package format_test

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/format"
)

// TestSchemasThatAreNamed count, however a schema names them; one that is not there is an
// error.
func TestSchemasThatAreNamed(t *testing.T) {
	const line = `{"type":"object","required":["sku"]}`
	named := func(id, ref string) string {
		return `{` + id + `"type":"object","properties":{"line":{"$ref":"` + ref + `"}}}`
	}
	for name, c := range map[string]struct {
		text    string
		imports map[string]string
		err     string // in that of CompileSchema
	}{
		"relative":                   {named("", "line.json"), map[string]string{"line.json": line}, ""},
		"in a folder":                {named("", "parts/line.json"), map[string]string{"parts/line.json": line}, ""},
		"by one that is named":       {named("", "a.json"), map[string]string{"a.json": `{"$ref":"line.json"}`, "line.json": line}, ""},
		"absolute":                   {named("", "https://example.org/line"), map[string]string{"https://example.org/line": line}, ""},
		"relative to the id":         {named(`"$id":"https://example.org/order",`, "line.json"), map[string]string{"line.json": line}, ""},
		"absolute, by its id":        {named(`"$id":"https://example.org/order",`, "https://example.org/line.json"), map[string]string{"line.json": line}, ""},
		"a part of it":               {named("", "parts.json#/$defs/line"), map[string]string{"parts.json": `{"$defs":{"line":` + line + `}}`}, ""},
		"a part of the schema":       {named(`"$defs":{"l":`+line+`},`, "#/$defs/l"), nil, ""},
		"not there":                  {named("", "nowhere.json"), nil, "names a schema that is not there"},
		"a part that is not there":   {named("", "line.json#/$defs/x"), map[string]string{"line.json": line}, "it is no JSON Schema"},
		"not there, and a file here": {named("", "json_schema.go"), nil, "names a schema that is not there"},
		"no JSON":                    {named("", "line.json"), map[string]string{"line.json": "{"}, "the schema line.json that it names: it is not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			schema, err := format.CompileSchema(c.text, c.imports)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got the error %v, want one with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for text, fits := range map[string]bool{`{"line":{"sku":"a"}}`: true, `{"line":{}}`: false} {
				value, err := new(pipeline.Batch).Document([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				n, _ := value.Root()
				if err := schema.Check(n); (err == nil) != fits {
					t.Errorf("%s: %v", text, err)
				}
			}
		})
	}
}
