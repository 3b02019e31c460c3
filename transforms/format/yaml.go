package format

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline"
)

// YAML is one YAML document. Aliases are written out, NaN and infinities are strings;
// what the tags of YAML have beyond JSON (binary, timestamps) comes as its text.
type YAML struct{}

// Read gives the document.
func (YAML) Read(_ context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	var n yaml.Node
	if err := yaml.Unmarshal(raw, &n); err != nil {
		return pipeline.Value{}, unread(errors.New("it is not YAML")) // its own errors show what stands there
	}
	w := yamlReader{most: mostJSON(raw)}
	if len(n.Content) == 0 {
		w.json = append(w.json, "null"...)
	} else if err := w.value(n.Content[0], 0); err != nil {
		return pipeline.Value{}, unread(err)
	}
	return document(b, w.json)
}

type yamlReader struct {
	json []byte
	most int // bytes of it
}

func (w *yamlReader) value(n *yaml.Node, depth int) error {
	switch {
	case depth > maxNested:
		return errNested
	case len(w.json) > w.most:
		return tooMuch(w.most)
	}
	switch n.Kind {
	case yaml.AliasNode:
		return w.value(n.Alias, depth+1)
	case yaml.MappingNode:
		return w.mapping(n, depth)
	case yaml.SequenceNode:
		w.json = append(w.json, '[')
		for i, element := range n.Content {
			if i > 0 {
				w.json = append(w.json, ',')
			}
			if err := w.value(element, depth+1); err != nil {
				return err
			}
		}
		w.json = append(w.json, ']')
		return nil
	}
	return w.scalar(n)
}

func (w *yamlReader) mapping(n *yaml.Node, depth int) error {
	w.json = append(w.json, '{')
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		if name.Kind == yaml.AliasNode {
			name = name.Alias
		}
		if name.Kind != yaml.ScalarNode || name.ShortTag() == "!!merge" {
			return errors.New("a key in it is no text (merge keys are not taken either)")
		}
		if i > 0 {
			w.json = append(w.json, ',')
		}
		w.json = append(pipeline.AppendString(w.json, name.Value), ':')
		if err := w.value(n.Content[i+1], depth+1); err != nil {
			return err
		}
	}
	w.json = append(w.json, '}')
	return nil
}

func (w *yamlReader) scalar(n *yaml.Node) error {
	switch n.ShortTag() {
	case "!!null":
		w.json = append(w.json, "null"...)
	case "!!bool":
		w.json = strconv.AppendBool(w.json, strings.EqualFold(n.Value, "true"))
	case "!!int":
		i, ok := new(big.Int).SetString(strings.ReplaceAll(strings.TrimPrefix(n.Value, "+"), "_", ""), 0)
		if !ok || len(n.Value) > maxBignum {
			return errors.New("a whole number in it cannot be read")
		}
		w.json = i.Append(w.json, 10)
	case "!!float":
		if text := strings.TrimPrefix(n.Value, "+"); json.Valid([]byte(text)) {
			w.json = append(w.json, text...)
			return nil
		}
		var f float64
		if err := n.Decode(&f); err != nil {
			return errors.New("a number in it cannot be read")
		}
		w.json = appendFloat(w.json, f, 64)
	default:
		w.json = pipeline.AppendString(w.json, n.Value)
	}
	return nil
}

// Write makes the document YAML, in blocks.
func (YAML) Write(_ context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	n, err := root(b, v)
	if err != nil {
		return err
	}
	out, err := yaml.Dump(yamlOf(n), yaml.WithV4Defaults(), yaml.WithLineWidth(-1))
	if err != nil {
		return refused("the value cannot be written as YAML", err, "")
	}
	*v = pipeline.TextValue(out)
	return nil
}

func yamlOf(n pipeline.Node) *yaml.Node {
	switch n.Type() {
	case pipeline.JSONObject:
		node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for name, value := range n.Fields {
			node.Content = append(node.Content, yamlText(name), yamlOf(value))
		}
		return flowWhenEmpty(node)
	case pipeline.JSONArray:
		node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for e := range n.Elements {
			node.Content = append(node.Content, yamlOf(e))
		}
		return flowWhenEmpty(node)
	case pipeline.JSONString:
		return yamlText(n.Text())
	case pipeline.JSONNull:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	case pipeline.JSONBool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: string(n.Raw())}
	}
	return yamlNumber(string(n.Raw()))
}

// yamlNumber writes a number so that YAML takes it for one: 1e3 would be a text.
func yamlNumber(raw string) *yaml.Node {
	if integer([]byte(raw)) {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: raw}
	}
	if digits, e, ok := strings.Cut(strings.ToLower(raw), "e"); ok && !strings.Contains(digits, ".") {
		raw = digits + ".0e" + e
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: raw}
}

func yamlText(text string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(text)
	if n.Style == 0 {
		n.Style = yaml.DoubleQuotedStyle
		if plain(text) {
			n.Style = 0
		}
	}
	return n
}

// plain tells whether YAML takes a text for one without quotes, whatever its version.
func plain(text string) bool {
	if text == "" || len(text) > 1 && text[0] == '0' {
		return false
	}
	letters := false
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letters = true
		case c >= '0' && c <= '9', c == '_':
		default:
			return false
		}
	}
	switch strings.ToLower(text) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf":
		return false
	}
	return letters && (text[0] < '0' || text[0] > '9')
}

func flowWhenEmpty(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle
	}
	return n
}
