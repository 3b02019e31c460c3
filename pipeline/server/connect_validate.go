package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/pipeline/config"
)

// definition is a setting as Connect describes one.
type definition struct {
	Name          string   `json:"name"`
	Type          string   `json:"type"`
	Required      bool     `json:"required"`
	Default       *string  `json:"default_value"`
	Importance    string   `json:"importance"`
	Documentation string   `json:"documentation"`
	Group         *string  `json:"group"`
	Order         int      `json:"order_in_group"`
	Width         string   `json:"width"`
	DisplayName   string   `json:"display_name"`
	Dependents    []string `json:"dependents"`
}

func defined(name, doc string, required bool) definition {
	return definition{Name: name, Type: "STRING", Required: required, Importance: "HIGH", Documentation: doc, Order: -1, Width: "NONE", DisplayName: name, Dependents: []string{}}
}

// definitions are the settings that are not those of components.
var definitions = []definition{
	defined("name", "The pipeline's name.", true),
	defined(classKey, "Always "+className+".", false),
	defined(tasksKey, "How many lanes write at once.", false),
	defined(yamlKey, "The pipeline, as YAML. In its place the settings may be given one by one: source.redis_list.keys.", false),
}

func (c *connect) pluginConfig(r *http.Request) (int, any, error) {
	if !isOurs(r.PathValue("class")) {
		return 0, nil, connectFailure(http.StatusNotFound, "Unknown plugin %s.", r.PathValue("class"))
	}
	return http.StatusOK, definitions, nil
}

func isOurs(class string) bool { return class == className || class == "Pipeline" }

// validationOf tells what is wrong with each key.
func validationOf(settings map[string]string, wrong map[string][]string) any {
	type value struct {
		Name        string   `json:"name"`
		Value       *string  `json:"value"`
		Recommended []string `json:"recommended_values"`
		Errors      []string `json:"errors"`
		Visible     bool     `json:"visible"`
	}
	type setting struct {
		Definition definition `json:"definition"`
		Value      value      `json:"value"`
	}
	known := slices.Clone(definitions)
	for key := range settings {
		if !slices.ContainsFunc(known, func(d definition) bool { return d.Name == key }) {
			known = append(known, defined(key, "", false))
		}
	}
	slices.SortStableFunc(known[len(definitions):], func(a, b definition) int { return strings.Compare(a.Name, b.Name) })
	out := struct {
		Name   string    `json:"name"`
		Errors int       `json:"error_count"`
		Groups []string  `json:"groups"`
		Config []setting `json:"configs"`
	}{className, 0, []string{}, []setting{}}
	for _, d := range known {
		v := value{d.Name, nil, []string{}, append([]string{}, wrong[d.Name]...), true}
		if text, ok := settings[d.Name]; ok {
			v.Value = &text
		}
		out.Errors += len(v.Errors)
		out.Config = append(out.Config, setting{d, v})
	}
	return out
}

// validate finds the mistakes of a configuration: each at the key that it is about.
func (c *connect) validate(r *http.Request) (int, any, error) {
	var settings map[string]string
	if err := read(r, &settings); err != nil {
		return 0, nil, err
	}
	wrong := map[string][]string{}
	text, _, err := unflattened(settings["name"], settings)
	if err == nil {
		_, err = c.set.Check(r.Context(), text)
	}
	if err != nil {
		var mistakes config.Errors
		if e, ok := errors.AsType[*Error](err); ok {
			mistakes = e.Mistakes
		}
		for _, m := range mistakes {
			key := aboutKey(settings, m.What)
			wrong[key] = append(wrong[key], m.What+"; "+m.Do)
		}
		if len(mistakes) == 0 {
			wrong["name"] = []string{err.Error()}
		}
	}
	return http.StatusOK, validationOf(settings, wrong), nil
}

// aboutKey gives the key that a mistake names, else that of the whole.
func aboutKey(settings map[string]string, what string) string {
	best := ""
	for key := range settings {
		if len(key) > len(best) && strings.Contains(what, key) && key != "name" {
			best = key
		}
	}
	if best != "" {
		return best
	}
	if _, ok := settings[yamlKey]; ok {
		return yamlKey
	}
	return "name"
}
