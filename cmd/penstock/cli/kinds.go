package cli

import (
	"io"
	"log/slog"
	"reflect"

	"go.opentelemetry.io/otel/trace"

	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// Environment is what a component may use of the process and should know of its
// pipeline.
type Environment struct {
	Log    *slog.Logger // with the pipeline's name
	Stdin  io.Reader
	Stdout io.Writer
	Clock  pipeline.Clock
	// Tracer follows records; nil: nobody does.
	Tracer trace.Tracer
	// DrainOnce: the pipeline ends when all that is in the source now is delivered,
	// so a source that reads on a schedule reads at once.
	DrainOnce bool
	// Delivery is the guarantee that the pipeline asks for.
	Delivery pipeline.Delivery
	// Pipeline is the pipeline's name, and Instance that of this process and start, to
	// people and to rivals.
	Pipeline, Instance string
	// DeadLetters is the topic of the dead letters that the sink keeps, empty where it
	// keeps none.
	DeadLetters string
	// Source is the name of the pipeline's source: redis_list.
	Source string
	// Redis is the one that the source reads; nil: it reads none.
	Redis *redis.Connection
	// Dir is the folder of the pipeline's file.
	Dir string
	// Lasting is that of the source.
	Lasting func(shard, incarnation string) string
	// Trial: the stages are for a test or a preview, and change nothing outside.
	Trial bool
	// Format makes a format that settings name.
	Format func(pipeline.Named) (pipeline.Format, error)
}

// What is known of a component: what a file may say of it, and what the reference
// and explain say.
type (
	// SourceInfo says what there is to know of a source. Name, Keeps and Order are
	// required.
	SourceInfo struct {
		Name    string // as files name it: greetings
		Doc     string // a first line that can stand alone, then paragraphs
		Example string // YAML, as it would stand in a file: "greetings: {to: [Ada]}\n"
		// Best is the strongest guarantee it keeps, Keeps says why it holds, and Order
		// what order it gives.
		Best         pipeline.Delivery
		Keeps, Order string
		// Asks are what only the server can tell, and what hangs on it.
		Asks []string
		// Fields says whether its values have fields, with settings (a pointer to them)
		// as they stand in the file; such a source takes no format. nil: they are bytes.
		Fields func(settings any) bool
		// Redis gives the Redis that it reads, with settings (a pointer to them): that keeps
		// the pipeline's lease, and can keep its dead letters, where the file names no
		// other. nil: it reads none.
		Redis func(settings any) *redis.Connection
		// Lasting gives what names, with its offset, a record for good, wherever and whenever
		// it comes again; nil: nothing does.
		Lasting func(shard, incarnation string) string
		// With says all this otherwise for some settings (a pointer to them); nil: they
		// make no difference.
		With func(settings any, info SourceInfo) SourceInfo
	}
	// TransformInfo says what there is to know of a transform. Name is required.
	TransformInfo struct {
		Name, Doc, Example string // as those of a source
		// But says where it weakens the guarantee, with settings (a pointer to them), empty:
		// nowhere; nil: it does not.
		But func(settings any) string
		// Fields says whether values have fields after it, as that of a source; nil:
		// those they had.
		Fields func(settings any) bool
	}
	// FormatInfo says what there is to know of a format. Name is required.
	FormatInfo struct {
		Name, Doc, Example string // as those of a source
		// Fields: the values that were read have fields.
		Fields bool
		// Inner gives the format that is within, with settings (a pointer to them), where
		// the values that were read are those of that one; nil: there is none.
		Inner func(settings any) pipeline.Named
	}
	// SinkInfo says what there is to know of a sink. Name, Keeps and Order are
	// required.
	SinkInfo struct {
		Name, Doc, Example string // as those of a source
		// Best is the strongest guarantee it keeps, and Keeps says why it holds. A sink
		// that keeps exactly once stores positions.
		Best      pipeline.Delivery
		Keeps     string
		Positions bool
		// Order is what becomes of the records' order, and Unordered that of records
		// that have no key; empty: the same.
		Order, Unordered string
		// Asks are what only the server can tell, and what hangs on it.
		Asks []string
		// Key gives the expression that makes the records' keys, from settings (a
		// pointer to them); nil: it takes none.
		Key func(settings any) pipeline.Expression
		// Partition gives the expression that makes the records' partitions, as Key does,
		// and Spread what becomes of the order where settings, and not keys, spread
		// records, empty where keys do; nil: it has no such settings.
		Partition func(settings any) pipeline.Expression
		Spread    func(settings any) string
		// Weaker is what it is where a pipeline asks for less than its best; nil: the
		// same.
		Weaker func(info SinkInfo) SinkInfo
	}
)

type (
	// Source is a source that files may name. NewSource makes one; the zero Source is
	// none.
	Source struct {
		SourceInfo
		maker[pipeline.Source]
	}
	// Transform is a transform that files may name. NewTransform makes one; the zero
	// Transform is none.
	Transform struct {
		TransformInfo
		maker[pipeline.Transform]
	}
	// Format is a format that files may name. NewFormat makes one; the zero Format is
	// none.
	Format struct {
		FormatInfo
		maker[pipeline.Format]
	}
	// Sink is a sink that files may name. NewSink makes one; the zero Sink is none.
	Sink struct {
		SinkInfo
		maker[pipeline.Sink]
	}
)

// NewSource gives a source that is made by build, once for each pipeline that names
// it, with the settings of its file. S is a struct; the tags of its fields say what
// they take (see package config), and it may have a method Validate. build checks
// what Validate does not, and connects to nobody; an error of it refuses the file.
func NewSource[S any, P pipeline.Source](info SourceInfo, build func(env Environment, settings S) (P, error)) Source {
	m := maker[pipeline.Source]{settings: reflect.TypeFor[S]()}
	if build != nil {
		m.build = func(env Environment, settings any) (pipeline.Source, error) { return build(env, *settings.(*S)) }
	}
	return Source{info, m}
}

// NewTransform gives a transform that is made by build, once for each step of a
// pipeline that names it, as NewSource does.
func NewTransform[S any, P pipeline.Transform](info TransformInfo, build func(env Environment, settings S) (P, error)) Transform {
	m := maker[pipeline.Transform]{settings: reflect.TypeFor[S]()}
	if build != nil {
		m.build = func(env Environment, settings any) (pipeline.Transform, error) { return build(env, *settings.(*S)) }
	}
	return Transform{info, m}
}

// NewFormat gives a format that is made by build, once for each place that names it, as
// NewSource does.
func NewFormat[S any, P pipeline.Format](info FormatInfo, build func(env Environment, settings S) (P, error)) Format {
	m := maker[pipeline.Format]{settings: reflect.TypeFor[S]()}
	if build != nil {
		m.build = func(env Environment, settings any) (pipeline.Format, error) { return build(env, *settings.(*S)) }
	}
	return Format{info, m}
}

// NewSink gives a sink that is made by build, once for each pipeline that names it,
// as NewSource does.
func NewSink[S any, P pipeline.Sink](info SinkInfo, build func(env Environment, settings S) (P, error)) Sink {
	m := maker[pipeline.Sink]{settings: reflect.TypeFor[S]()}
	if build != nil {
		m.build = func(env Environment, settings any) (pipeline.Sink, error) { return build(env, *settings.(*S)) }
	}
	return Sink{info, m}
}

// maker makes a component from the settings of a file.
type maker[C any] struct {
	settings reflect.Type
	build    func(env Environment, settings any) (C, error)
}

// fault tells what a maker lacks; empty: nothing.
func (m maker[C]) fault() (what, do string) {
	switch {
	case m.settings == nil:
		return "it was not made by its constructor", "use NewSource, NewTransform, NewFormat or NewSink"
	case m.settings.Kind() != reflect.Struct:
		return "its settings are a " + m.settings.String(), "take a struct; one without fields has no settings"
	case m.build == nil:
		return "there is no function that builds it", "give its constructor one"
	}
	return "", ""
}

// fresh makes a pointer to new settings.
func (m maker[C]) fresh() any { return reflect.New(m.settings).Interface() }

// component is the source as package config knows it.
func (s Source) component() config.Component {
	c := config.Component{Name: s.Name, Doc: s.Doc, Example: s.Example, Best: s.Best, Fields: s.Fields, Settings: s.fresh}
	if s.Redis != nil {
		c.Redis = func(settings any) bool { return s.Redis(settings) != nil }
	}
	if s.With != nil {
		c.BestWith = func(settings any) pipeline.Delivery { return s.With(settings, s.SourceInfo).Best }
	}
	return c
}

// but tells where the transform weakens the guarantee; empty: nowhere.
func (t Transform) but(settings any) string {
	if t.But == nil {
		return ""
	}
	return t.But(settings)
}

func (t Transform) component() config.Component {
	return config.Component{Name: t.Name, Doc: t.Doc, Example: t.Example, Fields: t.Fields, Settings: t.fresh}
}

func (f Format) component() config.Component {
	c := config.Component{Name: f.Name, Doc: f.Doc, Example: f.Example, Inner: f.Inner, Fields: func(any) bool { return f.Fields }}
	if f.settings != nil && f.settings.NumField() > 0 {
		c.Settings = f.fresh
	}
	return c
}

func (s Sink) component() config.Component {
	return config.Component{Name: s.Name, Doc: s.Doc, Example: s.Example, Best: s.Best, Settings: s.fresh}
}
