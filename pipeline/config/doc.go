// Package config turns pipeline files (YAML) into typed specs, and tells every
// mistake of a file at once, each with its line and column.
//
// It knows no component: the binary hands in a Catalog of what is built in, and
// each component brings a plain struct of settings. The struct's tags say all
// there is to say of a setting, so that the parser, the JSON Schema (Schema), the
// reference (Reference) and the effective file (Effective) cannot disagree:
//
//	yaml:"name"        its name in the file; no tag: not a setting
//	yaml:",inline"     of an embedded struct: its fields stand among the others
//	yaml:",whole"      takes the node of the whole struct: filter: <expression>
//	yaml:",scalar"     the struct may be a scalar, for this field, or a mapping, for
//	                   the others: trigger: continuous or trigger: {every: 5s}
//	doc:"…"            one or two sentences for the reference
//	default:"…"        as it would stand in the file; used when the field is absent. Of a
//	                   ",scalar" field: when the whole struct is absent. bool: false
//	required:"true"    absent is a mistake, and so is an empty text, list or map;
//	                   required:"written": it may be empty
//	enum:"a,b"         the only texts it takes
//	min:"1"            the smallest number, size or duration it takes
//	example:"…"        as it would stand in the file
//	condition:"true"   of an Expression: its result has to be true or false
//	path:"true"        the text (or list of texts, or the keys of the map) names parts
//	                   of a record: value.user_id
//	local:"true"       the text (or list of texts) names files or programs of this machine
//	private:"true"     of any, and maps of it: what variables in it stand for is secret
//
// Settings are string, bool, integers, floats, time.Duration, pipeline.Size,
// pipeline.Secret, pipeline.Expression, any, structs, pointers to structs
// (optional), and slices and maps (keys are strings) of these. In any, numbers are
// json.Number exactly as they were written, objects map[string]any, lists []any.
//
// Texts, durations and sizes take ${NAME}, ${NAME:-default}, ${file:/path} and $$
// (see Lookup); expressions do not.
//
// A settings struct may have a method Validate() []pipeline.Problem, called after
// decoding, also when fields were wrong: problems of fields that are known to be
// wrong are then left out.
package config
