package transforms

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/format"
)

func TestDecodeAndEncode(t *testing.T) {
	encodes := func(field string, f pipeline.Format) pipeline.Transform {
		e, err := NewEncode(FieldFormatSettings{Field: field}, f)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	decodes := func(field string, f pipeline.Format) pipeline.Transform {
		d, err := NewDecode(FieldFormatSettings{Field: field}, f)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	packed := format.NewBase64(format.NewGzip(format.JSON{}, 1000))
	for _, tc := range []struct {
		stage          pipeline.Transform
		in, want, fail string
	}{
		{decodes("value.body", format.JSON{}), `{"a":1,"body":"{\"x\":[12.50]}","z":2}`, `{"a":1,"body":{"x":[12.50]},"z":2}`, ""},
		{decodes("value.in.body", format.NewBase64(format.MsgPack{})), `{"in":{"body":"gaFhAQ=="}}`, `{"in":{"body":{"a":1}}}`, ""},
		{decodes("value.body", format.NewBase64(format.Bytes{})), `{"body":"aGk="}`, `{"body":"hi"}`, ""},
		{decodes("value.body", format.NewBase64(format.Bytes{})), `{"body":"/w=="}`, "", "value.body: its bytes are no text, and JSON holds no bytes; put base64 around the format: {base64: gzip}"},
		{decodes("value.body", format.JSON{}), `{"body":"a secret"}`, "", "value.body: the value cannot be read: not JSON: at byte 0 there is a letter where a value should be; set source.format to text or bytes to take it as it is"},
		{decodes("value.body", format.JSON{}), `{"body":7}`, "", "value.body: it is a number, not a text; test it first in when:"},
		{decodes("value.body", format.JSON{}), `{}`, "", "value.body: it is missing; test it first in when:, or mend what writes the record"},
		{decodes("value", format.JSON{}), `"{\"a\":1}"`, `{"a":1}`, ""},
		{encodes("value.body", format.JSON{}), `{"body":{"x": [12.50]}}`, `{"body":"{\"x\": [12.50]}"}`, ""},
		{encodes("value.body", format.NewBase64(format.MsgPack{})), `{"body":{"a":1}}`, `{"body":"gaFhAQ=="}`, ""},
		{encodes("value.body", format.NewBase64(format.Bytes{})), `{"body":"hi"}`, `{"body":"aGk="}`, ""},
		{encodes("value.body", format.MsgPack{}), `{"body":{"a":-1}}`, "", "value.body: its bytes are no text, and JSON holds no bytes; put base64 around the format: {base64: msgpack}"},
		{encodes("value.body", format.JSON{}), `{"a":1}`, "", "value.body: nothing to write: it is missing; test it first in when:, or mend what writes the record"},
		{encodes("value", format.NewHex(format.Text{})), `"hi"`, `6869`, ""},
	} {
		b := batch(t, tc.in)
		apply(t, tc.stage, b)
		r := &b.Records[0]
		switch {
		case tc.fail != "" && (r.Fate != pipeline.Failed || r.Failure.Err.Error() != tc.fail):
			t.Errorf("%s:\n got %v, %v\nwant %s", tc.in, r.Fate, r.Failure, tc.fail)
			if r.Failure != nil {
				t.Log(r.Failure.Err)
			}
		case tc.fail == "" && string(r.Value.Raw()) != tc.want:
			t.Errorf("%s:\n got %s (%v)\nwant %s", tc.in, r.Value.Raw(), r.Failure, tc.want)
		}
	}
	b := batch(t, `{"body":{"a":[1,"x"]}}`)
	apply(t, encodes("value.body", packed), b)
	apply(t, decodes("value.body", packed), b)
	if got := string(b.Records[0].Value.Raw()); got != `{"body":{"a":[1,"x"]}}` {
		t.Errorf("it comes back as %s", got)
	}
	for _, field := range []string{"key", "headers.a", "value.", "else"} {
		if _, err := NewDecode(FieldFormatSettings{Field: field}, format.JSON{}); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	pattern, err := format.NewPattern(format.PatternSettings{Pattern: "(?P<a>.*)"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewEncode(FieldFormatSettings{Field: "value.a"}, pattern); err == nil {
		t.Error("a format that only reads encodes")
	}
}

// TestValidateBySchema refuses what does not fit, and says where in the schema.
func TestValidateBySchema(t *testing.T) {
	const schema = `{"type":"object","required":["id"],"properties":{"price":{"minimum":0}}}`
	for message, said := range map[string]string{"": "the value does not fit the schema", "no order": "no order"} {
		v, err := NewValidate(ValidateSettings{Schema: schema, Message: message})
		if err != nil {
			t.Fatal(err)
		}
		b := batch(t, `{"id":1,"price":0}`, `{"price":1}`, `{"id":1,"price":-1}`)
		apply(t, v, b)
		for i, want := range []string{"", said + ": the schema refuses it at /required", said + ": the schema refuses it at /properties/price/minimum"} {
			got := ""
			if r := &b.Records[i]; r.Fate == pipeline.Failed {
				got = r.Failure.Err.Error()
			}
			if got != want {
				t.Errorf("record %d: got %q, want %q", i, got, want)
			}
		}
	}
	for _, s := range []ValidateSettings{{}, {That: "true", Schema: schema}, {Schema: "{"}, {Schema: `{"type":7}`}} {
		if _, err := NewValidate(s); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}
