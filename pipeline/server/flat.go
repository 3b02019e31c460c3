package server

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// The keys of a Connect configuration that are not the pipeline's.
const (
	classKey  = "connector.class"
	yamlKey   = "pipeline.yaml" // the whole pipeline in one text
	tasksKey  = "tasks.max"     // the pipeline's tasks
	className = "io.penstock.Pipeline"
)

// unflattened gives the YAML of a pipeline that is given as Connect's clients give
// configurations: one text under pipeline.yaml, or flat dotted keys, whose values are YAML:
//
//	source.redis_list.keys: "[events]"
//	transforms.0.filter: value.n > 1
//
// flat tells which. The name is that of the connector, whatever the text says.
func unflattened(name string, settings map[string]string) (text []byte, flat bool, err error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	if whole, ok := settings[yamlKey]; ok {
		var document yaml.Node
		if err := yaml.Unmarshal([]byte(whole), &document); err != nil {
			return nil, false, fmt.Errorf("%s: %w", yamlKey, err)
		}
		if len(document.Content) == 1 && document.Content[0].Kind == yaml.MappingNode && valueOf(document.Content[0], "name") != nil {
			return []byte(whole), false, nil
		}
		return []byte("name: " + strconv.Quote(name) + "\n" + whole), false, nil
	}
	root.Content = []*yaml.Node{quoted("name"), quoted(name)}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		path := strings.Split(key, ".")
		switch key {
		case "name", classKey:
			continue
		case tasksKey:
			path = []string{"tasks"}
		}
		if err := put(root, path, scalarOf(settings[key])); err != nil {
			return nil, true, fmt.Errorf("%s: %w", key, err)
		}
	}
	text, err = yaml.Marshal(root)
	return text, true, err
}

// scalarOf reads a value; what is no YAML is text.
func scalarOf(value string) *yaml.Node {
	var document yaml.Node
	if yaml.Unmarshal([]byte(value), &document) != nil || len(document.Content) != 1 || refers(document.Content[0]) {
		return quoted(value)
	}
	return document.Content[0]
}

// refers tells of anchors and aliases.
func refers(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Anchor != "" || slices.ContainsFunc(n.Content, refers)
}

func quoted(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.DoubleQuotedStyle}
}

// valueOf gives the value of a key of an object; nil: it has none.
func valueOf(object *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(object.Content); i += 2 {
		if object.Content[i].Value == key {
			return object.Content[i+1]
		}
	}
	return nil
}

// maxIndex bounds the elements of a list that flat keys name.
const maxIndex = 200

// put sets what a path leads to; elements of lists are named by their numbers.
func put(into *yaml.Node, path []string, value *yaml.Node) error {
	if into.Kind == yaml.ScalarNode {
		return fmt.Errorf("%q has a value of its own", into.Value)
	}
	index, err := strconv.Atoi(path[0])
	if err == nil && len(into.Content) == 0 {
		into.Kind = yaml.SequenceNode
	}
	if into.Kind == yaml.SequenceNode {
		if err != nil || index < 0 || index > maxIndex {
			return fmt.Errorf("%s is no number of an element of a list", path[0])
		}
		for len(into.Content) <= index {
			into.Content = append(into.Content, &yaml.Node{Kind: yaml.MappingNode})
		}
		if len(path) == 1 {
			into.Content[index] = value
			return nil
		}
		return put(into.Content[index], path[1:], value)
	}
	next := valueOf(into, path[0])
	if next == nil {
		next = &yaml.Node{Kind: yaml.MappingNode}
		if len(path) == 1 {
			next = value
		}
		into.Content = append(into.Content, quoted(path[0]), next)
		if len(path) == 1 {
			return nil
		}
	}
	if len(path) == 1 {
		return fmt.Errorf("%s is given twice", path[0])
	}
	return put(next, path[1:], value)
}

// flattened gives a pipeline's text as a Connect configuration: the reverse of unflattened.
func flattened(name string, text []byte, flat bool) map[string]string {
	settings := map[string]string{"name": name, classKey: className}
	var document yaml.Node
	if !flat || yaml.Unmarshal(text, &document) != nil || len(document.Content) != 1 || refers(document.Content[0]) {
		settings[yamlKey] = string(text)
		return settings
	}
	flatten(settings, "", document.Content[0])
	if tasks, ok := settings["tasks"]; ok {
		settings[tasksKey] = tasks
		delete(settings, "tasks")
	}
	settings["name"] = name
	return settings
}

func flatten(into map[string]string, path string, n *yaml.Node) {
	key := func(name string) string { return strings.TrimPrefix(path+"."+name, ".") }
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) > 0 && !hasDots(n):
		for i := 0; i+1 < len(n.Content); i += 2 {
			flatten(into, key(n.Content[i].Value), n.Content[i+1])
		}
	case n.Kind == yaml.SequenceNode && slices.ContainsFunc(n.Content, func(e *yaml.Node) bool { return e.Kind != yaml.ScalarNode }):
		for i, element := range n.Content {
			flatten(into, key(strconv.Itoa(i)), element)
		}
	case n.Kind == yaml.ScalarNode:
		into[path] = n.Value
	default:
		inFlow(n)
		text, _ := yaml.Marshal(n) // it was read from YAML
		into[path] = strings.TrimSpace(string(text))
	}
}

// hasDots tells of an object whose keys cannot be parts of a flat one: value.channel.
func hasDots(n *yaml.Node) bool {
	for i := 0; i < len(n.Content); i += 2 {
		if strings.Contains(n.Content[i].Value, ".") {
			return true
		}
	}
	return false
}

func inFlow(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode {
		n.Style = yaml.FlowStyle
	}
	for _, child := range n.Content {
		inFlow(child)
	}
}
