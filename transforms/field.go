package transforms

import (
	"errors"

	"github.com/penstock-io/penstock/pipeline"
)

// parseField reads the path of a field of the value, or value for all of it.
func parseField(text string) ([]string, error) {
	t, err := parseTarget(text)
	if err == nil && t.part != valuePart {
		err = errors.New("is no field of the value")
	}
	return t.names, err
}

const fieldForms = "write value.name, value.outer.inner or value[\"a name\"]"

// fieldProblems tells what is wrong with the path of a field that stands in a setting.
func fieldProblems(setting, text string) []pipeline.Problem {
	if _, err := parseField(text); err != nil {
		return []pipeline.Problem{{Field: setting, What: text + " " + err.Error(), Do: fieldForms}}
	}
	return nil
}

// jsonOf gives a value as JSON: a document as it is, a text as a string.
func jsonOf(b *pipeline.Batch, v *pipeline.Value) ([]byte, error) {
	switch v.Kind() {
	case pipeline.Document:
		return v.Raw(), nil
	case pipeline.Text:
		text := v.Raw()
		return pipeline.AppendString(b.Arena.Alloc(len(text)+2), text), nil
	default:
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "value is bytes and has no fields", Do: "set source.format to json"}
	}
}
