package config

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline"
)

// scalar decodes texts, numbers and what is written as text.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, f field, path string) {
	if n.Kind != yaml.ScalarNode {
		d.want(n, f, path)
		return
	}
	switch {
	case f.typ == typeDuration, f.typ == typeSize, f.typ == typeDelivery, f.typ.Kind() == reflect.String:
		d.textual(n, v, f, path)
	case f.typ.Kind() == reflect.Bool:
		if n.ShortTag() != "!!bool" {
			d.want(n, f, path)
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	default:
		d.number(n, v, f, path)
	}
}

// textual decodes what is written as text and may hold variables.
func (d *decoder) textual(n *yaml.Node, v reflect.Value, f field, path string) {
	bytes := f.typ == typeSize && n.ShortTag() == "!!int"
	if !isText(n) && !bytes {
		d.want(n, f, path)
		return
	}
	text, ok := d.text(n, f.typ == typeSecret, path)
	if !ok {
		return
	}
	if f.local && text != "" {
		d.locals = append(d.locals, Local{d.src.place(n), label(path), text})
	}
	if len(f.enum) > 0 && !slices.Contains(f.enum, text) {
		d.wrong(n, path, fmt.Sprintf("%s has to be %s, not %s", label(path), f.typeName(), quote(d.hidden.scrub(text))),
			suggest(text, f.enum)+f.otherwise)
		return
	}
	var err error
	switch f.typ {
	case typeDuration:
		var duration time.Duration
		duration, err = time.ParseDuration(text)
		v.SetInt(int64(duration))
	case typeSize:
		var size pipeline.Size
		size, err = parseSize(text)
		v.SetInt(int64(size))
	case typeDelivery:
		v.SetUint(uint64(pipeline.ExactlyOnce) - uint64(slices.Index(f.enum, text)))
	default:
		if d.empty(n, len(text), f, path) {
			return
		}
		v.SetString(text)
		if f.path {
			d.paths = append(d.paths, recordPath{n, text, path})
		}
	}
	if err != nil || (f.typ == typeDuration || f.typ == typeSize) && v.Int() < 0 {
		d.wrong(n, path, fmt.Sprintf("%s is not a %s: %s", quote(d.hidden.scrub(text)), f.typeName(), label(path)), "write "+units(f))
		return
	}
	d.least(n, v, f, path)
}

func units(f field) string {
	if f.typ == typeSize {
		return "a size like " + f.sample() + ": a whole number of B, KiB, MiB, GiB, KB, MB or GB"
	}
	return "a duration like " + f.sample() + ": numbers with ms, s, m or h"
}

// isText says whether YAML takes a scalar for text. Dates are text here.
func isText(n *yaml.Node) bool {
	return n.ShortTag() == "!!str" && n.Tag != "!" || n.ShortTag() == "!!timestamp"
}

// text gives a scalar's text with its variables put in.
func (d *decoder) text(n *yaml.Node, secret bool, path string) (string, bool) {
	if d.literal {
		return n.Value, true
	}
	if secret && !d.private {
		d.secrets = append(d.secrets, secretAt{n, path})
	}
	text, parts, files, bad := d.lookup.expand(n.Value)
	d.hidden.add(files...)
	if d.lookup.HideEnv {
		d.hidden.add(parts...)
	}
	if secret && (!d.private || text != n.Value) {
		d.hidden.add(text)
		d.hidden.add(parts...)
	}
	if bad != nil {
		d.wrong(n, path, bad.what+": "+label(path), bad.do)
		return "", false
	}
	return text, true
}

// number decodes integers and floats.
func (d *decoder) number(n *yaml.Node, v reflect.Value, f field, path string) {
	text, ok := numberText(n)
	if !ok {
		d.want(n, f, path)
		return
	}
	switch {
	case v.CanInt():
		i, err := strconv.ParseInt(text, 10, v.Type().Bits())
		ok = err == nil
		v.SetInt(i)
	case v.CanUint():
		u, err := strconv.ParseUint(text, 10, v.Type().Bits())
		ok = err == nil
		v.SetUint(u)
	case v.CanFloat():
		x, err := strconv.ParseFloat(text, v.Type().Bits())
		ok = err == nil
		v.SetFloat(x)
	}
	if !ok {
		what := fmt.Sprintf("%s has to be %s; %s is out of its range or has a fraction", label(path), a(f.typeName()), clip(n.Value))
		d.wrong(n, path, what, "write a number like "+f.sample())
		return
	}
	d.least(n, v, f, path)
}

// least checks the smallest value of a number, size or duration.
func (d *decoder) least(n *yaml.Node, v reflect.Value, f field, path string) {
	if f.min == "" {
		return
	}
	least, ok := f.least()
	below := ok && (v.CanInt() && float64(v.Int()) < least || v.CanUint() && float64(v.Uint()) < least ||
		v.CanFloat() && v.Float() < least)
	if below {
		d.wrong(n, path, fmt.Sprintf("%s has to be at least %s, not %s", label(path), f.min, clip(n.Value)), "write "+f.sample())
	}
}

// empty notes that a field says nothing which has to say something.
func (d *decoder) empty(n *yaml.Node, length int, f field, path string) bool {
	if length > 0 || !f.filled {
		return false
	}
	d.wrong(n, path, label(path)+" is empty", "write "+d.missing(f))
	return true
}

// least gives the smallest number a field takes, durations in nanoseconds.
func (f field) least() (float64, bool) {
	switch f.typ {
	case typeDuration:
		duration, err := time.ParseDuration(f.min)
		return float64(duration), err == nil
	case typeSize:
		size, err := parseSize(f.min)
		return float64(size), err == nil
	}
	least, err := strconv.ParseFloat(f.min, 64)
	return least, err == nil
}

// numberText gives a number as JSON writes it, digit by digit as it stands in the
// file. Numbers with a leading zero mean different things to different readers, and
// are refused.
func numberText(n *yaml.Node) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" && n.ShortTag() != "!!float" {
		return "", false
	}
	text := strings.TrimPrefix(n.Value, "+")
	if json.Valid([]byte(text)) {
		return text, true
	}
	if plain := strings.TrimPrefix(strings.ReplaceAll(text, "_", ""), "-"); len(plain) > 1 && plain[0] == '0' && plain[1] >= '0' && plain[1] <= '9' {
		return "", false
	}
	if i, ok := new(big.Int).SetString(text, 0); ok {
		return i.String(), true
	}
	x, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		return "", false
	}
	return strconv.FormatFloat(x, 'g', -1, 64), true
}

// anything decodes a node as JSON would hold it; texts have their variables put in.
func (d *decoder) anything(n *yaml.Node, path string) (value any, ok bool) {
	n = resolve(n)
	switch n.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		for key, child := range pairs(n) {
			at := join(path, key.Value)
			d.place(at, key, child)
			object[key.Value], _ = d.anything(child, at)
		}
		return object, true
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, child := range n.Content {
			list[i], _ = d.anything(child, fmt.Sprintf("%s[%d]", path, i))
		}
		return list, true
	}
	if number, ok := numberText(n); ok {
		return json.Number(number), true
	}
	switch {
	case n.ShortTag() == "!!null":
		return nil, true
	case n.ShortTag() == "!!bool":
		return strings.EqualFold(n.Value, "true"), true
	case isText(n):
		return d.text(n, d.private, path)
	}
	d.wrong(n, path, describe(n)+" is not a value that JSON can hold: "+label(path), "put it in quotes to make it text")
	return nil, false
}

// parseSize reads 4 MiB, 64KiB, 1 MB or a number of bytes.
func parseSize(text string) (pipeline.Size, error) {
	digits := strings.TrimRight(text, "BKMGTikmgtb ")
	number, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("not a size: %w", err)
	}
	unit, ok := sizeUnits[strings.TrimSpace(text[len(digits):])]
	if !ok || number > math.MaxInt64/unit || number < 0 {
		return 0, fmt.Errorf("not a size: %w", strconv.ErrRange)
	}
	return pipeline.Size(number * unit), nil
}

var sizeUnits = map[string]int64{
	"": 1, "B": 1,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
}
