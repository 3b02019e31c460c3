package redis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// Validate finds what decoding cannot.
func (s *ListSettings) Validate() []pipeline.Problem {
	found := append(s.Connection.Validate(), validateKeys(s.Keys)...)
	for i, key := range s.Keys {
		if _, err := companionOf(key); err != nil && key != "" && !isPattern(key) {
			found = append(found, pipeline.Problem{Field: keyField(i), What: "no companion key can lie in its slot, because of its braces", Do: "rename the list"})
		}
	}
	return append(found, s.Trigger.validate()...)
}

// Validate finds what decoding cannot.
func (s *StreamSettings) Validate() []pipeline.Problem {
	found := append(append(s.Connection.Validate(), validateKeys(s.Keys)...), s.Trigger.validate()...)
	if _, ok := parseID([]byte(s.Start)); !ok && s.Start != "oldest" && s.Start != "newest" {
		found = append(found, pipeline.Problem{Field: "start", What: "neither oldest, newest nor an entry's id", Do: "write an id like 1700000000000-0"})
	}
	if s.Watermill && s.ValueField != "" {
		found = append(found, pipeline.Problem{Field: "value_field", What: "the value of a Watermill message is its payload", Do: "leave value_field out, or watermill"})
	}
	return append(found, s.validateGroup()...)
}

// validateGroup finds what does not go with a group.
func (s *StreamSettings) validateGroup() []pipeline.Problem {
	if s.Group == nil {
		return nil
	}
	var found []pipeline.Problem
	if !s.Trigger.continuous() {
		found = append(found, pipeline.Problem{Field: "trigger", What: "a group is read continuously", Do: "leave trigger out, or group"})
	}
	if s.Trim != "none" {
		found = append(found, pipeline.Problem{Field: "trim", What: "others may read the stream beside the group", Do: "leave trim out, and let the writer trim"})
	}
	if s.Group.Consumers < 1 || s.Group.Consumers > 100 {
		found = append(found, pipeline.Problem{Field: "group.consumers", What: "not between 1 and 100", Do: "write how many consumers read each key"})
	}
	if s.Group.ClaimIdle < time.Second {
		found = append(found, pipeline.Problem{Field: "group.claim_idle", What: "less than a second", Do: "write more than a batch takes to be delivered, like 1m"})
	}
	if s.Group.MaxDeliveries < 0 {
		found = append(found, pipeline.Problem{Field: "group.max_deliveries", What: "less than nothing", Do: "write 0 for any number"})
	}
	return found
}

// Validate finds what decoding cannot.
func (c Connection) Validate() []pipeline.Problem {
	if _, wrong := c.parse(); wrong != nil {
		return []pipeline.Problem{*wrong}
	}
	return nil
}

func validateKeys(keys []string) []pipeline.Problem {
	var found []pipeline.Problem
	problem := func(i int, what, do string) {
		found = append(found, pipeline.Problem{Field: keyField(i), What: what, Do: do})
	}
	for i, key := range keys {
		switch {
		case key == "":
			problem(i, "an empty key", "write the name of a list or stream")
		case slices.Index(keys, key) < i:
			problem(i, "the same key twice", "leave one of them out")
		case strings.HasPrefix(key, companionPrefix):
			problem(i, "a companion key of Penstock's own", "write the name of a list or stream")
		case !closed(key):
			problem(i, "a pattern whose [ has no ] or nothing in it", `write [abc] or [a-z], or \[ for the character`)
		}
	}
	return found
}

func keyField(i int) string { return fmt.Sprintf("keys[%d]", i) }

// closed tells whether each [ of a pattern holds something up to a ], as Redis
// reads patterns (https://redis.io/docs/latest/commands/keys/).
func closed(pattern string) bool {
	open := -1 // where the [ is
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case c == '[' && open < 0:
			open = i
		case c == ']' && open == i-1 && i > 0:
			return false
		case c == ']':
			open = -1
		}
	}
	return open < 0
}
