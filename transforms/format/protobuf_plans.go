package format

import (
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// plans keeps the plans of messages of a registry: the same message by each of its
// schemas.
type plans struct {
	mu   sync.Mutex
	made map[planKey]planOf
}

type planKey struct {
	id   int
	name protoreflect.FullName
}

type planOf struct {
	plan *protoMessage
	err  error
}

func (p *plans) of(id int, d protoreflect.MessageDescriptor) (*protoMessage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := planKey{id, d.FullName()}
	if made, ok := p.made[key]; ok {
		return made.plan, made.err
	}
	plan, err := planProto(d)
	p.made[key] = planOf{plan, err}
	return plan, err
}
