package format

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
)

// XML is an XML 1.0 document, without a DTD. It comes as an object of its outermost
// element: <order id="7"><item>a</item><item>b</item></order> is
// {"order":{"@id":"7","item":["a","b"]}}. An element without attributes and children
// is its text, else its text is the field #text; elements of one name are a list. All
// is text. Prefixes of names are left out; comments and instructions too. The order of
// elements of different names among each other is kept by the first of each.
type XML struct{}

// element is one element as it is read.
type element struct {
	name     string
	json     [][]byte // of each field, its values
	names    []string
	lists    []int // of each field, how many values it has
	text     []byte
	children map[string]int // name → field
}

// add adds a value of a field.
func (e *element) add(name string, json []byte) {
	if e.children == nil {
		e.children = map[string]int{}
	}
	i, ok := e.children[name]
	if !ok {
		i = len(e.names)
		e.children[name] = i
		e.names, e.json, e.lists = append(e.names, name), append(e.json, nil), append(e.lists, 0)
	}
	if e.lists[i] > 0 {
		e.json[i] = append(e.json[i], ',')
	}
	e.json[i] = append(e.json[i], json...)
	e.lists[i]++
}

// value gives the element as JSON.
func (e *element) value() []byte {
	text := bytes.TrimSpace(e.text)
	if len(e.names) == 0 {
		return pipeline.AppendString(nil, text)
	}
	if len(text) > 0 {
		e.add("#text", pipeline.AppendString(nil, text))
	}
	out := []byte{'{'}
	for i, name := range e.names {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(pipeline.AppendString(out, name), ':')
		if e.lists[i] > 1 {
			out = append(append(append(out, '['), e.json[i]...), ']')
		} else {
			out = append(out, e.json[i]...)
		}
	}
	return append(out, '}')
}

// Read gives the document.
func (XML) Read(_ context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	if !utf8.Valid(raw) {
		return pipeline.Value{}, unread(errNotUTF8)
	}
	d := xml.NewDecoder(bytes.NewReader(raw))
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errNotUTF8 }
	json, err := readXML(d)
	if err != nil {
		return pipeline.Value{}, unread(err)
	}
	return document(b, json)
}

var errXML = errors.New("it is not XML, or cut short")

// readXML reads a document to its end.
func readXML(d *xml.Decoder) ([]byte, error) {
	open := []*element{{}}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && len(open) == 1 && len(open[0].names) == 1 && open[0].lists[0] == 1 {
			return open[0].value(), nil
		}
		if err != nil {
			return nil, errXML
		}
		last := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			if len(open) > maxNested {
				return nil, errNested
			}
			e := &element{name: token.Name.Local}
			for _, attr := range token.Attr {
				if attr.Name.Space != "xmlns" && attr.Name.Local != "xmlns" {
					e.add("@"+attr.Name.Local, pipeline.AppendString(nil, attr.Value))
				}
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
			open[len(open)-1].add(last.name, last.value())
		case xml.CharData:
			if len(open) == 1 && len(bytes.TrimSpace(token)) > 0 {
				return nil, errXML
			}
			last.text = append(last.text, token...)
		case xml.Directive:
			return nil, errors.New("it has a DTD, and those are not read")
		}
	}
}

// Write makes an object of one field an XML document: the same form that Read gives.
// A null is an empty element.
func (XML) Write(_ context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	n, err := root(b, v)
	if err != nil {
		return err
	}
	if n.Type() != pipeline.JSONObject || n.Len() != 1 {
		return refused("the value is not an object with one field, the outermost element", nil, "hoist it first: hoist: order")
	}
	var out bytes.Buffer
	for name, value := range n.Fields {
		if value.Type() == pipeline.JSONArray {
			return refused("the outermost element is a list", nil, "hoist it first: hoist: orders")
		}
		if err := writeXML(&out, name, value); err != nil {
			return err
		}
	}
	*v = pipeline.TextValue(out.Bytes())
	return nil
}

func writeXML(out *bytes.Buffer, name string, n pipeline.Node) error {
	if !xmlName(name) {
		return refused("the name of a field cannot be that of an element", nil, "rename it first: letters, digits, - _ and . only, and a letter or _ first")
	}
	if n.Type() == pipeline.JSONArray {
		for e := range n.Elements {
			if e.Type() == pipeline.JSONArray {
				return refused("a list is in a list, and XML has none", nil, "flatten it first")
			}
			if err := writeXML(out, name, e); err != nil {
				return err
			}
		}
		return nil
	}
	out.WriteString("<" + name)
	if n.Type() == pipeline.JSONObject {
		if err := writeAttributes(out, n); err != nil {
			return err
		}
	}
	out.WriteByte('>')
	if err := writeContent(out, n); err != nil {
		return err
	}
	out.WriteString("</" + name + ">")
	return nil
}

func writeAttributes(out *bytes.Buffer, n pipeline.Node) error {
	for name, value := range n.Fields {
		attribute, ok := strings.CutPrefix(name, "@")
		if !ok {
			continue
		}
		if t := value.Type(); !xmlName(attribute) || t == pipeline.JSONObject || t == pipeline.JSONArray {
			return refused("an attribute has no name that XML takes, or is no text", nil, "rename it first, or make it an element")
		}
		out.WriteString(" " + attribute + `="`)
		if err := writeText(out, value); err != nil {
			return err
		}
		out.WriteByte('"')
	}
	return nil
}

func writeContent(out *bytes.Buffer, n pipeline.Node) error {
	if n.Type() != pipeline.JSONObject {
		return writeText(out, n)
	}
	for name, value := range n.Fields {
		var err error
		switch {
		case strings.HasPrefix(name, "@"):
		case name == "#text":
			err = writeText(out, value)
		default:
			err = writeXML(out, name, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func writeText(out *bytes.Buffer, n pipeline.Node) error {
	if n.Type() == pipeline.JSONNull {
		return nil
	}
	text := n.Text()
	for _, c := range text {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0xfffe || c == 0xffff {
			return refused("a text has a control character, and XML holds none", nil, "replace it first, or use another format")
		}
	}
	if err := xml.EscapeText(out, []byte(text)); err != nil {
		return refused("a text cannot be written as XML", err, "")
	}
	return nil
}

// xmlName tells whether a name can be that of an element, in ASCII or beyond it.
func xmlName(name string) bool {
	for i, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_', c >= 0xc0 && c != 0xd7 && c != 0xf7 && c < 0x300:
		case i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return name != ""
}
