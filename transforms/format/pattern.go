package format

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
)

// PatternSettings are the settings of pattern.
type PatternSettings struct {
	Pattern string `yaml:",whole" required:"true" example:"'(?P<level>[A-Z]+) (?P<message>.*)'" doc:"A regular expression (RE2) for the whole of the text; each group with a name is a field."`
}

// Validate finds what is no pattern.
func (s PatternSettings) Validate() []pipeline.Problem {
	if _, err := compilePattern(s.Pattern); err != nil {
		return []pipeline.Problem{{What: err.Error(), Do: "write it in RE2, https://github.com/google/re2/wiki/Syntax, with groups like (?P<level>[A-Z]+)"}}
	}
	return nil
}

func compilePattern(text string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(text); err != nil {
		return nil, fmt.Errorf("it is no pattern: %w", err)
	}
	pattern, err := regexp.Compile(`\A(?s:(?-s:` + text + `)\r?\n?)\z`)
	if err != nil {
		return nil, fmt.Errorf("it is no pattern: %w", err)
	}
	seen := map[string]bool{}
	for _, name := range pattern.SubexpNames() {
		if name != "" && seen[name] {
			return nil, fmt.Errorf("two of its groups are called %s", name)
		}
		seen[name] = true
	}
	if len(seen) < 2 {
		return nil, errors.New("no group in it has a name")
	}
	return pattern, nil
}

// Pattern reads texts by a regular expression. It writes nothing.
type Pattern struct {
	pattern *regexp.Regexp
	what    string          // "the pattern"
	numbers map[string]bool // fields that are whole numbers
	dash    bool            // - stands for nothing
}

// NewPattern makes the format. The error is the one that Validate finds.
func NewPattern(s PatternSettings) (*Pattern, error) {
	pattern, err := compilePattern(s.Pattern)
	return &Pattern{pattern: pattern, what: "the pattern"}, err
}

// AccessLogSettings are the settings of access_log.
type AccessLogSettings struct {
	Kind string `yaml:"kind,scalar" default:"combined" enum:"combined,common" doc:"The form of its lines: that of Apache and nginx, or the older one without referer and agent."`
}

const (
	commonLine = `(?P<host>\S+) (?P<ident>\S+) (?P<user>.*?) \[(?P<time>[^\]]+)\] "(?:(?P<method>[A-Z]+) (?P<path>\S+)(?: (?P<protocol>\S+))?|(?P<request>(?:[^"\\]|\\.)*))" (?P<status>\d{3}) (?P<bytes>\d{1,18}|-)`
	referLine  = ` "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"`
)

// NewAccessLog makes the format of a web server's access log.
func NewAccessLog(s AccessLogSettings) (*Pattern, error) {
	line := commonLine
	if s.Kind == "combined" {
		line += referLine
	}
	pattern, err := compilePattern(line)
	return &Pattern{pattern: pattern, what: "a line of an access log (" + s.Kind + ")", dash: true, numbers: map[string]bool{"status": true, "bytes": true}}, err
}

// Read gives an object of the groups that have a name and matched.
func (f *Pattern) Read(_ context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	if !utf8.Valid(raw) {
		return pipeline.Value{}, unread(errNotUTF8)
	}
	at := f.pattern.FindSubmatchIndex(raw)
	if at == nil {
		return pipeline.Value{}, unread(errors.New("it does not match " + f.what))
	}
	json := append(b.Arena.Alloc(2*len(raw)+64), '{')
	for i, name := range f.pattern.SubexpNames() {
		if name == "" || at[2*i] < 0 {
			continue
		}
		text := raw[at[2*i]:at[2*i+1]]
		if f.dash && string(text) == "-" {
			continue
		}
		if len(json) > 1 {
			json = append(json, ',')
		}
		json = append(pipeline.AppendString(json, name), ':')
		if f.numbers[name] {
			json = append(json, trimZeros(text)...)
		} else {
			json = pipeline.AppendString(json, text)
		}
	}
	return document(b, append(json, '}'))
}

// trimZeros takes away the zeros that JSON does not let a number begin with.
func trimZeros(digits []byte) []byte {
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	return digits
}

// Write refuses every value.
func (f *Pattern) Write(context.Context, *pipeline.Batch, *pipeline.Value) error { return f.Writable() }

// Writable says that it is only for reading.
func (f *Pattern) Writable() error {
	return refused("this format is only read, not written", nil, "write another one in sink.format")
}
