package config

import "reflect"

// maxNesting bounds how deep settings that hold themselves are shown.
const maxNesting = 8

// eachField calls yield for each field of a component's settings, with its path
// inside the component: "trigger.every", "servers[].port". What stands for the
// whole of a component or object is called by the name before it.
func eachField(c Component, yield func(f field, path string)) {
	if c.Settings == nil {
		return
	}
	fieldsOf(reflect.TypeOf(c.Settings()).Elem(), c.Name, "", 0, yield)
}

func fieldsOf(t reflect.Type, name, path string, depth int, yield func(f field, path string)) {
	suffix := ""
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		switch t.Kind() {
		case reflect.Slice:
			suffix += "[]"
		case reflect.Map:
			suffix += ".*"
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == typeUse || depth > maxNesting {
		return
	}
	path += suffix
	s := shapeOf(t)
	for _, single := range []*field{s.whole, s.scalar} {
		if single != nil && single.name == "" {
			f := *single
			f.name = name
			yield(f, path)
		}
	}
	for _, f := range s.fields {
		at := join(path, f.name)
		yield(f, at)
		fieldsOf(f.typ, f.name, at, depth+1, yield)
	}
}
