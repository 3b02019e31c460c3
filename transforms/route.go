package transforms

import (
	"context"
	"regexp"
	"strconv"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// RouteSettings are the settings of route.
type RouteSettings struct {
	Topic pipeline.Expression `yaml:"topic" example:"'\"events_\" + value.action'" doc:"The topic that records go to. null or an optional without a value: the sink's own."`
	Match string              `yaml:"match" example:"'user_behavior:(\\d+)'" doc:"A regular expression (RE2) that all of a topic has to match; of a record that has none yet, its list, stream or partition (origin.shard). Others go where they went."`
	To    string              `yaml:"to" example:"user_behavior_$1" doc:"The topic of those that match; $1 or ${name} is what a group has matched."`
}

// Validate finds which of the two ways is written, and how.
func (s RouteSettings) Validate() []pipeline.Problem {
	switch {
	case (s.Topic != "") == (s.Match != ""):
		return []pipeline.Problem{{What: "either topic or match says where records go", Do: "write topic: EXPRESSION, or match and to"}}
	case (s.Match != "") != (s.To != ""):
		return []pipeline.Problem{{What: "match and to belong together", Do: "write both"}}
	}
	if _, err := regexp.Compile(s.Match); err != nil {
		return []pipeline.Problem{{Field: "match", What: strconv.Quote(s.Match) + " is no regular expression: " + err.Error(), Do: "see https://github.com/google/re2/wiki/Syntax"}}
	}
	return nil
}

// Route says which topic records go to.
type Route struct {
	topic *expr.Program // nil: match decides
	match *regexp.Regexp
	to    string
}

// NewRoute makes a route. The error is the first that Validate finds, or of the
// expression.
func NewRoute(s RouteSettings) (*Route, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	if s.Topic != "" {
		topic, err := expr.Compile(s.Topic, expr.Anything)
		return &Route{topic: topic}, err
	}
	match, err := regexp.Compile("^(?:" + s.Match + ")$")
	return &Route{match: match, to: s.To}, err
}

// Apply sets the topics. Whether a topic can be one, the sink says.
func (t *Route) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		if t.topic == nil {
			t.byMatch(b, r)
			continue
		}
		topic, _, err := t.topic.Bytes(b, r)
		if err != nil {
			r.Fail(err)
			continue
		}
		r.Topic = string(topic)
	}
	return nil
}

func (t *Route) byMatch(b *pipeline.Batch, r *pipeline.Record) {
	was := r.Topic
	if was == "" {
		was = b.Shard
	}
	if found := t.match.FindStringSubmatchIndex(was); found != nil {
		r.Topic = string(t.match.ExpandString(nil, t.to, was, found))
	}
}
