package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// tests checks what no single field of a test shows.
func (c *checker) tests() {
	for i := range c.spec.Tests {
		t, path := &c.spec.Tests[i], fmt.Sprintf("tests[%d]", i)
		if key := c.decoder.places[path+".expect"].key; key != nil {
			t.ExpectAt = c.src.place(key)
		}
		for j := range t.Given {
			c.given(&t.Given[j], fmt.Sprintf("%s.given[%d]", path, j))
		}
		for j := range t.Expect {
			c.expected(&t.Expect[j], fmt.Sprintf("%s.expect[%d]", path, j))
		}
	}
}

func (c *checker) given(g *Given, path string) {
	c.scalarText(g.Key, path+".key")
	c.headers(g.Headers, path+".headers")
	c.instant(g.Time, path+".time")
	if g.Value != nil && !c.unsure(path) && !c.unsure("source") {
		c.givenValue(*g.Value, path+".value")
	}
}

// givenValue refuses a value that cannot come from the source.
func (c *checker) givenValue(value any, path string) {
	source := c.spec.Source
	if c.fields(sources, source.Use) {
		if _, ok := value.(map[string]any); !ok {
			c.failAt(path, fmt.Sprintf("the values of this %s are objects, and this is none", source.Component), "write an object, like {user_id: u1}")
		}
		return
	}
	if _, ok := value.(string); !ok && source.Format != nil && !c.fields(formats, *source.Format) {
		c.failAt(path, "the source's format is "+source.Format.Component+", which reads nothing but bytes", "write the value as text, like "+sampleText(value))
	}
}

// sampleText shows a value as the text of its JSON, in quotes of YAML.
func sampleText(value any) string {
	text, err := TextOf(value)
	if err != nil || len(text) > 60 {
		return `'{"user_id": "u1"}'`
	}
	return "'" + string(bytes.ReplaceAll(text, []byte("'"), []byte("''"))) + "'"
}

func (c *checker) expected(e *Expected, path string) {
	c.scalarText(e.Key, path+".key")
	c.headers(e.Headers, path+".headers")
	c.instant(e.Time, path+".time")
	if c.unsure(path) {
		return
	}
	goesOut := e.Key != nil || e.Value != nil || e.Headers != nil || e.Topic != "" || e.Time != ""
	switch {
	case goesOut && e.Error != "":
		c.failAt(path+".error", "a record that is refused does not go out", "leave out what it would go out with, or error")
	case goesOut && e.Outcome != "":
		c.failAt(path+".outcome", fmt.Sprintf("a record that is %s does not go out", e.Outcome), "leave out what it would go out with, or outcome")
	case e.TakenOut() && e.Error != "":
		c.failAt(path+".error", fmt.Sprintf("a record that is %s is not refused, and has no error", e.Outcome), "leave out error, or outcome")
	}
}

// scalarText checks what is compared as text: a text, a number, true or false.
func (c *checker) scalarText(value *any, path string) {
	if value == nil || c.unsure(path) {
		return
	}
	switch (*value).(type) {
	case map[string]any, []any:
		c.failAt(path, label(path)+" has to be text", "write text, like u1, or null for none")
	}
}

// headers checks that headers are texts.
func (c *checker) headers(headers map[string]any, path string) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		at := join(path, name)
		list, several := headers[name].([]any)
		if !several {
			list = []any{headers[name]}
		}
		for _, value := range list {
			if _, ok := value.(string); !ok && !c.unsure(at) {
				c.failAt(at, "the header "+name+" has to be text, or a list of texts", "put it in quotes")
				break
			}
		}
	}
}

// instant checks a time.
func (c *checker) instant(text, path string) {
	if _, err := time.Parse(time.RFC3339Nano, text); text != "" && err != nil && !c.unsure(path) {
		c.failAt(path, fmt.Sprintf("%s is no time: %s", quote(text), label(path)), "write a time like 2026-01-02T03:04:05Z")
	}
}

// TextOf gives the JSON text of a value of a file (see Test), the fields of objects
// sorted, numbers as they were written. The error is of a value that no file holds.
func TextOf(value any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, fmt.Errorf("the value has no JSON form: %w", err)
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}
