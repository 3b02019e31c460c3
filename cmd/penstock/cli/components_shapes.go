package cli

import (
	"github.com/penstock-io/penstock/transforms"
)

// wholeValue tells of decode whether all of the value is read.
func wholeValue(settings any) bool {
	return settings.(*transforms.FieldFormatSettings).Field == "value"
}

// shapes are the built-in transforms that give records another form, and those of ways.
func shapes() []Transform {
	always := func(any) bool { return true }
	return append(append(fieldFormats(), ways()...),
		NewTransform(TransformInfo{
			Name: "map", Example: "map: '{\"user\": value.user_id, \"total\": value.price * value.quantity}'\n", Fields: always,
			Doc: "Makes a new value of a record, by an expression.",
		}, func(_ Environment, t transforms.MapSettings) (*transforms.Map, error) { return transforms.NewMap(t) }),
		NewTransform(TransformInfo{
			Name: "extract", Example: "extract: value.payload.after\n", Fields: always,
			Doc: "Makes a field of the value the whole of it.",
		}, func(_ Environment, t transforms.ExtractSettings) (*transforms.Extract, error) {
			return transforms.NewExtract(t)
		}),
		NewTransform(TransformInfo{
			Name: "hoist", Example: "hoist: payload\n", Fields: always,
			Doc: "Puts the value into an object of one field.",
		}, func(_ Environment, t transforms.HoistSettings) (*transforms.Hoist, error) {
			return transforms.NewHoist(t)
		}),
		NewTransform(TransformInfo{
			Name: "flatten", Example: "flatten: {delimiter: _}\n",
			Doc: `Puts the fields of inner objects into the outer one.

{"a": {"b": 1}} becomes {"a.b": 1}. Arrays stay as they are, and so do objects in
them and empty objects.`,
		}, func(_ Environment, t transforms.FlattenSettings) (*transforms.Flatten, error) {
			return transforms.NewFlatten(t)
		}),
		NewTransform(TransformInfo{
			Name: "split", Example: "split: {field: value.items, into: value.item}\n",
			Doc: `Makes several records of one: of the elements of a list, or the parts of a text.

They take its place, in their order, with its key, headers, time and topic; they are
delivered with the position of the record, all or none. An empty list makes none: the
record is filtered. on_error decides about each by itself; a dead letter holds the
record as it came, and the number of the part, and is not replayed.`,
		}, func(_ Environment, t transforms.SplitSettings) (*transforms.Split, error) {
			return transforms.NewSplit(t)
		}),
		NewTransform(TransformInfo{
			Name: "cast", Example: "cast: {value.price: float, value.user_id: string}\n",
			Doc: "Gives fields another type, where nothing is lost by it.",
		}, func(_ Environment, t transforms.CastSettings) (*transforms.Cast, error) { return transforms.NewCast(t) }),
		NewTransform(TransformInfo{
			Name: "timestamp", Example: "timestamp: {field: value.ts, from: unix_ms, to: rfc3339, record: true}\n",
			Doc: "Writes a time in another form, or makes it the record's own.",
		}, func(_ Environment, t transforms.TimestampSettings) (*transforms.Timestamp, error) {
			return transforms.NewTimestamp(t)
		}),
		NewTransform(TransformInfo{
			Name: "mask", Example: "mask: {fields: [value.email, headers.cookie], with: '***'}\n",
			Doc: "Hides what stands in fields, headers or the key.",
		}, func(_ Environment, t transforms.MaskSettings) (*transforms.Mask, error) { return transforms.NewMask(t) }),
		NewTransform(TransformInfo{
			Name: "validate", Example: "validate: {that: value.price >= 0, message: a price is less than nothing}\n",
			Doc: "Refuses records of which something is not true.",
		}, func(_ Environment, t transforms.ValidateSettings) (*transforms.Validate, error) {
			return transforms.NewValidate(t)
		}),
	)
}

// fieldFormats are the transforms that fill one field: in a format, from a table.
func fieldFormats() []Transform {
	return []Transform{
		NewTransform(TransformInfo{
			Name: "decode", Example: "decode: {field: value.body, format: {base64: json}}\n", Fields: wholeValue,
			Doc: `Reads the text of a field in a format.

What it stands for takes its place. Bytes that are a text are one.`,
		}, func(env Environment, t transforms.FieldFormatSettings) (*transforms.Decode, error) {
			f, err := env.Format(t.Format)
			if err != nil {
				return nil, err
			}
			return transforms.NewDecode(t, f)
		}),
		NewTransform(TransformInfo{
			Name: "encode", Example: "encode: {field: value.body, format: {base64: msgpack}}\n",
			Doc: `Writes a field in a format, as a text.

A text is written as it is. A format of bytes goes into base64 or hex.`,
		}, func(env Environment, t transforms.FieldFormatSettings) (*transforms.Encode, error) {
			f, err := env.Format(t.Format)
			if err != nil {
				return nil, err
			}
			return transforms.NewEncode(t, f)
		}),
		NewTransform(TransformInfo{
			Name: "lookup", Example: "lookup: {by: value.item, into: value.product, json: '{\"sku-1\": {\"name\": \"shoes\"}}'}\n",
			Doc: `Puts what a table has for a record into it.

A hash of Redis is asked once for each batch; while it does not answer, the pipeline
waits. penstock test and penstock preview ask it too.`,
		}, lookup),
	}
}
