package kafka

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-io/penstock/pipeline"
)

// marks say which offsets of a partition are dealt with: all before next, and those in
// the spans, which lie behind it, in order.
type marks struct {
	next  int64
	spans []span
}

// span is the offsets from first to before end.
type span struct{ first, end int64 }

func (m *marks) has(offset int64) bool {
	if offset < m.next {
		return true
	}
	return slices.ContainsFunc(m.spans, func(s span) bool { return s.first <= offset && offset < s.end })
}

// marksOf makes the marks of a partition of which left is what is not dealt with, in
// order, from an offset to before another one.
func marksOf(left []int64, from, to int64) marks {
	if len(left) == 0 {
		return marks{next: to}
	}
	m := marks{next: max(from, left[0])}
	for i, offset := range left {
		end := to
		if i+1 < len(left) {
			end = left[i+1]
		}
		if first := offset + 1; first < end {
			m.spans = append(m.spans, span{first, end})
		}
	}
	return m
}

// followedBy adds what of spans lies behind an offset, which is where the marks end.
func (m marks) followedBy(spans []span, from int64) marks {
	for _, s := range spans {
		s.first = max(s.first, from)
		switch {
		case s.first >= s.end:
		case s.first <= m.next:
			m.next = s.end
		case len(m.spans) > 0 && m.spans[len(m.spans)-1].end >= s.first:
			m.spans[len(m.spans)-1].end = s.end
		default:
			m.spans = append(m.spans, s)
		}
	}
	return m
}

// maxMarks is what a broker takes as metadata of an offset, unless it is told otherwise
// (offset.metadata.max.bytes), with room to spare.
const maxMarks = 4000

// text writes the spans: "7-9,12-13". Errors: Permanent, where they are too many.
func (m *marks) text() (string, error) {
	var parts []string
	for _, s := range m.spans {
		parts = append(parts, fmt.Sprintf("%d-%d", s.first, s.end))
	}
	text := strings.Join(parts, ",")
	if len(text) > maxMarks {
		return "", &pipeline.Error{Class: pipeline.Permanent, What: "too many single letters were given back of a topic: they cannot be noted any more",
			Do: "give back those that come before them"}
	}
	return text, nil
}

// marksIn reads what text has written. What cannot be read is nothing: letters are
// shown again rather than hidden.
func marksIn(next int64, text string) marks {
	m := marks{next: next}
	for part := range strings.SplitSeq(text, ",") {
		first, end, _ := strings.Cut(part, "-")
		from, err := strconv.ParseInt(first, 10, 64)
		to, also := strconv.ParseInt(end, 10, 64)
		if err == nil && also == nil && from < to {
			m.spans = append(m.spans, span{from, to})
		}
	}
	return m
}
