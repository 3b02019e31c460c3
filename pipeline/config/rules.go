package config

import (
	"fmt"
	"go.yaml.in/yaml/v4"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

var safeName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// checker checks what no single field of a document shows, and fills in what
// depends on others.
type checker struct {
	*parser
	decoder *decoder
	spec    *Pipeline
}

func (c *checker) check() {
	c.name()
	c.tasks()
	fields, because := c.formats()
	c.delivery()
	c.lease()
	c.middleware()
	c.onError()
	c.values(fields, because)
	c.tests()
}

// failAt notes a mistake at the value of a path, or near it.
func (c *checker) failAt(path, what, do string) { c.parser.failAt(c.decoder.nearest(path), what, do) }

// name checks what becomes part of transactional ids and keys.
func (c *checker) name() {
	name := c.spec.Name
	if c.decoder.bad["name"] {
		return
	}
	at := c.src.place(c.decoder.nearest("name"))
	first, taken := c.named[name]
	switch {
	case !safeName.MatchString(name) || len(name) > maxNameBytes:
		c.failAt("name", fmt.Sprintf("the name %s cannot be part of ids and keys", quote(c.hidden.scrub(name))),
			fmt.Sprintf("write at most %d letters, digits, dots, underscores and hyphens, like user-behavior", maxNameBytes))
	case taken:
		c.failAt("name", fmt.Sprintf("another pipeline is called %s, at %s", name, first), "give each pipeline its own name")
	default:
		c.named[name] = at
	}
}

// maxTasks bounds what one process opens at once: each task is a producer.
const maxTasks = 64

func (c *checker) tasks() {
	if n := c.spec.Tasks; (n < 1 || n > maxTasks) && !c.decoder.bad["tasks"] {
		c.failAt("tasks", fmt.Sprintf("there cannot be %d tasks", n), fmt.Sprintf("write how many lanes are to write at once, from 1 to %d", maxTasks))
	}
}

// formats fills in the formats that are not written. It says whether the values
// that reach the transforms have fields, and why not.
func (c *checker) formats() (fields bool, because string) {
	source, sink := &c.spec.Source, &c.spec.Sink
	if c.unsure("source") {
		return true, ""
	}
	if c.fields(sources, source.Use) {
		if source.Format != nil {
			c.failAt("source.format", fmt.Sprintf("no format applies: the values of this %s have fields already", source.Component),
				"remove format")
		}
		if _, ok := c.catalog.find(formats, "json"); ok && sink.Format == nil {
			sink.Format = c.plain("json", sink.At)
		}
		return true, ""
	}
	because = "the source's format is bytes, as no other is written"
	if source.Format == nil {
		source.Format = c.plain("bytes", source.At)
	} else {
		because = "the source's format is " + source.Format.Component
	}
	return c.fields(formats, *source.Format), because
}

// plain uses a format with its defaults.
func (c *checker) plain(name string, at Place) *Use {
	use := Use{Component: name, At: at}
	if _, ok := c.catalog.find(formats, name); ok {
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name, Line: at.Line, Column: at.Col}
		nothing := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: at.Line, Column: at.Col}
		c.decoder.component(key, nothing, &use, formats, "format")
	}
	return &use
}

// unsure says whether something was wrong at a path or in it.
func (c *checker) unsure(path string) bool { return c.decoder.knownBad(path, "\x00") }

func (c *checker) fields(k kind, use Use) bool {
	component, ok := c.catalog.find(k, use.Component)
	if ok && component.Inner != nil {
		inner := component.Inner(use.Settings)
		return c.fields(k, Use{Component: inner.Component, Settings: inner.Settings})
	}
	return ok && component.Fields != nil && component.Fields(use.Settings)
}

// delivery refuses a guarantee that source and sink cannot keep.
func (c *checker) delivery() {
	bad := c.decoder.bad
	source, ok := c.catalog.find(sources, c.spec.Source.Component)
	sink, also := c.catalog.find(sinks, c.spec.Sink.Component)
	if !ok || !also || bad["delivery"] || bad["source"] || bad["sink"] {
		return
	}
	best, limit, at := source.Keeps(c.spec.Source.Settings), "source "+source.Name, "source."+source.Name
	if kept := sink.Keeps(c.spec.Sink.Settings); kept < best {
		best, limit, at = kept, "sink "+sink.Name, "sink."+sink.Name
	}
	written := "the default"
	if c.decoder.places["delivery"].key != nil {
		at, written = "delivery", "as written"
	}
	if c.spec.Delivery > best {
		c.failAt(at, fmt.Sprintf("delivery %s, %s, cannot be kept: the %s keeps %s at best", c.spec.Delivery, written, limit, best),
			"write delivery: "+best.String())
	}
}

// lease gives a pipeline one where its source keeps one and its sink fences who had
// the lane before: both together are exactly once.
func (c *checker) lease() {
	source, ok := c.catalog.find(sources, c.spec.Source.Component)
	if !ok || c.unsure("source") || c.unsure("sink") || c.unsure("lease") || c.unsure("delivery") {
		return
	}
	leases := source.Redis != nil && source.Redis(c.spec.Source.Settings) && c.spec.Delivery == pipeline.ExactlyOnce
	switch l := c.spec.Lease; {
	case l == nil && leases:
		c.decoder.value(&yaml.Node{Kind: yaml.MappingNode}, reflect.ValueOf(&c.spec.Lease).Elem(), field{typ: reflect.TypeFor[*Lease]()}, "lease")
	case l == nil:
	case l.URL == "" && !leases:
		c.failAt("lease", fmt.Sprintf("a pipeline of %s with delivery %s has no lease of its own", source.Name, c.spec.Delivery),
			"write url: redis://host:port/db in it, or remove lease")
	case l.URL != "" && c.catalog.CheckRedis != nil:
		c.decoder.problems(c.catalog.CheckRedis(l.URL), "lease")
	}
}

// stopsWithin is how long a stop may have to wait for batches that are throttled: half
// of what run's --shutdown allows unless told otherwise.
const stopsWithin = 10 * time.Second

// middleware checks that each item names one, and that a throttled pipeline can stop.
func (c *checker) middleware() {
	for i, m := range c.spec.Middleware {
		path, named := fmt.Sprintf("middleware[%d]", i), 0
		for _, is := range []bool{m.Throttle != nil, m.Timeout != 0, m.Breaker != nil} {
			if is {
				named++
			}
		}
		if named != 1 && !c.unsure(path) {
			c.failAt(path, fmt.Sprintf("an item of middleware names one, and this one names %d", named), "write one of throttle, timeout, circuit_breaker; an item each")
		}
		if m.Throttle == nil || c.unsure(path) || c.unsure("window") {
			continue
		}
		each := m.Throttle.Per / time.Duration(m.Throttle.Batches)
		switch waits := each * time.Duration(c.spec.Window.Batches); {
		case each == 0:
			c.failAt(path+".throttle", "no clock ticks that fast", "write fewer batches, or a longer per")
		case waits > stopsWithin:
			c.failAt(path+".throttle", fmt.Sprintf("a stop would wait %v for the %d batches of the window", waits, c.spec.Window.Batches),
				fmt.Sprintf("write window: {batches: %d}, or less, or a faster throttle", max(1, int64(stopsWithin/each))))
		}
	}
}

// values checks expressions, and the names of parts of a record, in the order in
// which a record meets them.
func (c *checker) values(fields bool, because string) {
	from := stagesWithFields(c, fields)
	for _, e := range c.decoder.expressions {
		c.decoder.check(e, stage(e.path) >= from, because)
	}
	for _, p := range c.decoder.paths {
		if strings.HasPrefix(p.text, "value.") && stage(p.path) < from {
			c.parser.failAt(p.node, fmt.Sprintf("%s: the value has no fields here: %s", p.text, because), withFields)
		}
	}
}

// stagesWithFields gives the first stage at which values have fields.
func stagesWithFields(c *checker, fields bool) int {
	if fields {
		return math.MinInt
	}
	for i, step := range c.spec.Transforms {
		if c.unsure(fmt.Sprintf("transforms[%d]", i)) || c.fields(transforms, step.Use) {
			return i + 1
		}
	}
	return math.MaxInt
}

// stage numbers the stages of a record by the path of a setting: before 0 the
// source, then the transforms, then the sink.
func stage(path string) int {
	if number, ok := strings.CutPrefix(path, "transforms["); ok {
		number, _, _ = strings.Cut(number, "]")
		if i, err := strconv.Atoi(number); err == nil {
			return i
		}
	}
	if strings.HasPrefix(path, "sink") {
		return math.MaxInt - 1
	}
	return -1
}
