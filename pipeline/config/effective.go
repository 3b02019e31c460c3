package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline"
)

// Effective writes a pipeline as YAML with every default filled in. Secrets are
// masked, and so is what came from files. Parsed again it gives the same pipeline,
// but for what is masked.
func Effective(p *Pipeline) ([]byte, error) {
	w := writer{hidden: p.hidden}
	if w.hidden == nil {
		w.hidden = &hidden{}
	}
	root := w.structure(reflect.ValueOf(p).Elem())
	text, err := yaml.Dump(root, yaml.WithV4Defaults(), yaml.WithLineWidth(-1))
	if err != nil {
		return nil, fmt.Errorf("pipeline %s cannot be written as YAML: %w", p.Name, err)
	}
	return text, nil
}

// showSecret masks a secret; of a URL its password alone, since people look for
// the host.
func showSecret(secret string) string {
	u, err := url.Parse(secret)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return masked
	}
	return strings.Replace(u.Redacted(), ":xxxxx@", ":"+masked+"@", 1)
}

// writer makes YAML nodes of a spec.
type writer struct {
	hidden  *hidden
	literal bool // nothing will be expanded
}

// value gives the node of a value; nil: it is left out.
func (w *writer) value(v reflect.Value, f field) *yaml.Node {
	if v.IsZero() && !f.hasDefault && !f.required {
		return nil
	}
	switch f.typ {
	case typeUse:
		return w.use(v.Interface().(Use))
	case typeNamed:
		named := v.Interface().(pipeline.Named)
		return w.use(Use{Component: named.Component, Settings: named.Settings})
	case typeSecret:
		return text(showSecret(v.String()))
	case typeExpression:
		return text(v.String())
	case typeDelivery:
		return text(v.Interface().(pipeline.Delivery).String())
	case typeDuration:
		return text(formatDuration(time.Duration(v.Int())))
	case typeSize:
		return text(formatSize(pipeline.Size(v.Int())))
	}
	switch v.Kind() {
	case reflect.Pointer:
		f.typ = f.typ.Elem()
		f.required = true
		return w.value(v.Elem(), f)
	case reflect.Struct:
		return w.structure(v)
	case reflect.Slice:
		return w.list(v, f)
	case reflect.Map:
		return w.object(v, f)
	case reflect.Interface:
		return w.anything(v.Interface())
	case reflect.String:
		return w.text(v.String())
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(v.Interface())}
	}
}

// structure writes a struct: as a whole, as a scalar, or field by field.
func (w *writer) structure(v reflect.Value) *yaml.Node {
	if v.Type() == typeTest {
		defer func(before bool) { w.literal = before }(w.literal)
		w.literal = true
	}
	s := shapeOf(v.Type())
	for _, single := range []*field{s.whole, s.scalar} {
		if single == nil || single == s.scalar && (v.FieldByIndex(single.index).IsZero() || single.typ == typeNamed && len(s.fields) > 1) {
			continue
		}
		f := *single
		f.required = true
		return w.value(v.FieldByIndex(f.index), f)
	}
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range s.fields {
		child := w.value(v.FieldByIndex(f.index), f)
		if child == nil || f.typ.Kind() == reflect.Struct && child.Kind == yaml.MappingNode && len(child.Content) == 0 {
			continue
		}
		node.Content = append(node.Content, text(f.name), child)
	}
	if s.component != nil {
		use := v.FieldByIndex(s.component.index).Interface().(Use)
		node.Content = append([]*yaml.Node{text(use.Component), w.settings(use)}, node.Content...)
	}
	return node
}

// use writes a component that stands alone: its name, or an object of it.
func (w *writer) use(use Use) *yaml.Node {
	if use.Settings == nil {
		return text(use.Component)
	}
	return &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{text(use.Component), w.settings(use)}}
}

func (w *writer) settings(use Use) *yaml.Node {
	if use.Settings == nil {
		return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	}
	return w.structure(reflect.ValueOf(use.Settings).Elem())
}

func (w *writer) list(v reflect.Value, f field) *yaml.Node {
	node := &yaml.Node{Kind: yaml.SequenceNode}
	element := f.element()
	element.required = true
	for i := range v.Len() {
		node.Content = append(node.Content, w.value(v.Index(i), element))
	}
	return compact(node)
}

func (w *writer) object(v reflect.Value, f field) *yaml.Node {
	node := &yaml.Node{Kind: yaml.MappingNode}
	element := f.element()
	element.required = true
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, key := range keys {
		node.Content = append(node.Content, text(key.String()), w.value(v.MapIndex(key), element))
	}
	return node
}

// anything writes a value as JSON holds it.
func (w *writer) anything(value any) *yaml.Node {
	switch value := value.(type) {
	case map[string]any:
		node := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		for _, key := range slices.Sorted(maps.Keys(value)) {
			node.Content = append(node.Content, text(key), w.anything(value[key]))
		}
		return node
	case []any:
		node := &yaml.Node{Kind: yaml.SequenceNode}
		for _, element := range value {
			node.Content = append(node.Content, w.anything(element))
		}
		return compact(node)
	case string:
		return w.text(value)
	case json.Number:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: value.String()}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatBool(value)}
	default:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	}
}

// compact writes short lists in one line.
func compact(node *yaml.Node) *yaml.Node {
	for _, child := range node.Content {
		if child.Kind != yaml.ScalarNode && child.Style&yaml.FlowStyle == 0 {
			return node
		}
	}
	node.Style = yaml.FlowStyle
	return node
}

// text writes a text so that it is not expanded again.
func (w *writer) text(value string) *yaml.Node {
	value = w.hidden.scrub(value)
	if !w.literal {
		value = strings.NewReplacer("$$", "$$$$", "${", "$${").Replace(value)
	}
	return text(value)
}

func text(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

// formatDuration writes 10m, not 10m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// formatSize writes the largest unit that divides the size.
func formatSize(size pipeline.Size) string {
	for _, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if bytes := sizeUnits[unit]; size != 0 && int64(size)%bytes == 0 {
			return fmt.Sprintf("%d %s", int64(size)/bytes, unit)
		}
	}
	return fmt.Sprintf("%d B", int64(size))
}
