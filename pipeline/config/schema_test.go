package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline/config"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := config.Schema(catalog())
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("penstock.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("penstock.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// documents reads YAML as an editor does.
func documents(data []byte) ([]any, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var all []any
	for {
		var document any
		if err := loader.Load(&document); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if document == nil {
			continue
		}
		text, err := json.Marshal(document)
		if err != nil {
			return nil, err
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		all = append(all, value)
	}
}

func TestSchemaTakesGoodFiles(t *testing.T) {
	schema := compileSchema(t)
	check := func(t *testing.T, data []byte) {
		t.Helper()
		all, err := documents(data)
		if err != nil || len(all) == 0 {
			t.Fatalf("no documents: %v", err)
		}
		for _, document := range all {
			if err := schema.Validate(document); err != nil {
				t.Errorf("%#v", err)
			}
		}
	}
	files(t, ".good.yaml", func(t *testing.T, path string, data []byte) {
		check(t, data)
		pipelines, err := parseFile(path, data)
		if err != nil {
			t.Fatal(err)
		}
		check(t, []byte(effective(t, pipelines)))
	})
}

// TestSchemaRefusesBadFiles lists the files whose mistakes only Parse can find, and
// demands that the schema finds those of all others.
func TestSchemaRefusesBadFiles(t *testing.T) {
	beyond := []string{"alias-cycle", "deep", "delivery", "duplicate", "empty", "expression", "mangled", "no-fields",
		"not-utf8", "not-yaml", "on-error", "same-name", "tab", "validate", "variables"}
	schema := compileSchema(t)
	files(t, ".bad.yaml", func(t *testing.T, path string, data []byte) {
		name := strings.TrimSuffix(path[len("testdata/"):], ".bad.yaml")
		all, err := documents(data)
		refused := err != nil
		for _, document := range all {
			refused = refused || schema.Validate(document) != nil
		}
		if !refused && !slices.Contains(beyond, name) {
			t.Error("the schema takes this file")
		}
	})
}

func TestSchemaSaysWhatEditorsShow(t *testing.T) {
	text, err := config.Schema(catalog())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/schema.golden", string(text))
}
