package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// open holds the companion against the committed position, and cleans up what a
// crash left:
//
//	Kafka none,  Redis none or 0   adopt the list from its head
//	Kafka none,  Redis above 0     halt: another pipeline has read here
//	Kafka = Redis                  go on
//	Kafka ahead                    committed, not trimmed: trim, if the item there is the committed one
//	Kafka behind, Redis none, or another incarnation: on_gap
func (r *listReader) open(ctx context.Context, req pipeline.OpenRequest) error {
	incarnation, base, err := r.adopt(ctx, req.From)
	if err != nil {
		return err
	}
	from := req.From
	switch {
	case from == nil && (base == 0 || req.KeepsPosition):
		from = &pipeline.Position{Incarnation: incarnation, Offset: pipeline.Offset{Minor: base}}
		from.Evidence.Added = base
	case from == nil:
		return &pipeline.Error{Class: pipeline.Gap,
			What: fmt.Sprintf("list %s was read by another pipeline, or by this one under another name, or _penstock_positions was deleted, or the Kafka is a new one: its companion %s says %d items were removed, and Kafka holds no position for it", r.key, r.companion, base),
			Do: "stop whoever else reads it for good; then, after a rename, penstock positions copy FILE --from OLD_NAME; else penstock positions adopt FILE " + r.key +
				" goes on where Redis says, and penstock positions reset FILE " + r.key + " makes this one read what the list holds now from its head"}
	case incarnation == "":
		return r.anew(ctx, *from, "it has no companion "+r.companion+" any more (FLUSHALL, DEL, or a failover)")
	case incarnation != from.Incarnation:
		return r.anew(ctx, *from, "its companion is another incarnation, "+incarnation)
	case from.Offset.Minor < base:
		return r.anew(ctx, *from, fmt.Sprintf("%d items were removed beyond the committed position", base-from.Offset.Minor))
	}
	r.begin(*from, base)
	if from.Offset.Minor == base {
		return nil
	}
	// Committed, not cleaned up.
	err = r.trim(ctx, *from)
	if pipeline.ClassOf(err) == pipeline.Gap {
		return r.anew(ctx, *from, err.Error())
	}
	return err
}

// begin sets where the reading starts.
func (r *listReader) begin(p pipeline.Position, base uint64) {
	r.start, r.cursor = p, p
	r.incarnation, r.base, r.highest, r.runs, r.broken = p.Incarnation, base, base, nil, nil
}

// anew takes the list as a new one from its head, where on_gap allows it. Its
// positions go on from the last, so that they never go backwards.
func (r *listReader) anew(ctx context.Context, from pipeline.Position, why string) error {
	if r.source.settings.OnGap != "continue" {
		return &pipeline.Error{Class: pipeline.Gap,
			What: fmt.Sprintf("list %s does not continue what was delivered: %s; committed position %d of incarnation %s", r.key, why, from.Offset.Minor, from.Incarnation),
			Do:   "see who pops, trims, deletes or restores it; to read what it holds now from its head, say on_gap: continue, or once: penstock positions set FILE " + r.key + " oldest (where the companion is gone: reset FILE " + r.key + ")"}
	}
	p := pipeline.Position{Incarnation: rand.Text(), Offset: from.Offset}
	p.Evidence.Added = from.Offset.Minor
	err := r.source.client.HSet(ctx, r.companion, "version", companionVersion, "incarnation", p.Incarnation, "position", p.Offset.Minor).Err()
	if err != nil {
		return r.source.client.classify("making the companion of list "+r.key, err)
	}
	r.source.client.log.Warn("the list is taken as a new one, from its head", "list", r.key, "why", why, "position", p.Offset.Minor)
	r.begin(p, p.Offset.Minor)
	return nil
}

// adoptScript makes the companion where there is none, and gives what it holds.
var adoptScript = redis.NewScript(`
if ARGV[1] ~= '' and redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'version', '` + companionVersion + `', 'incarnation', ARGV[1], 'position', '0')
end
return redis.call('HMGET', KEYS[1], 'version', 'incarnation', 'position')`)

// adopt gives the companion's incarnation and position; "" and 0: there is none.
// It makes one only where Kafka holds no position.
func (r *listReader) adopt(ctx context.Context, from *pipeline.Position) (string, uint64, error) {
	fresh := ""
	if from == nil {
		fresh = rand.Text()
	}
	reply, err := adoptScript.Run(ctx, r.source.client, []string{r.companion}, fresh).Slice()
	if err != nil {
		return "", 0, r.source.client.classify("reading the companion of list "+r.key, err)
	}
	return readCompanion(r.companion, reply)
}

// readCompanion gives incarnation and position of version, incarnation and position
// as Redis has answered them; "" and 0: there is no companion.
func readCompanion(companion string, reply []any) (string, uint64, error) {
	version, _ := reply[0].(string)
	incarnation, _ := reply[1].(string)
	position, _ := reply[2].(string)
	base, ok := parseUint([]byte(position))
	switch {
	case incarnation == "" && version == "" && position == "":
		return "", 0, nil
	case version != companionVersion || incarnation == "" || !ok:
		return "", 0, &pipeline.Error{Class: pipeline.Permanent, What: "the companion " + companion + " cannot be read: " + side(incarnation, position) + ", version " + strconv.Quote(version),
			Do: "a newer Penstock or somebody else wrote it; run the newer one, or delete it"}
	}
	return incarnation, base, nil
}

// side shows what Redis says of a list.
func side(incarnation, position string) string {
	return fmt.Sprintf("incarnation %q, position %q", incarnation, position)
}

// seen takes over what the companion says now, with the turn held. Where it
// says less than it did, Redis has lost its newest writes, and the items are back
// too. Where it says more, up to what this reader knows, an answer to a trim was
// lost, or an earlier owner's trim came late. Beyond that, somebody else reads.
func (r *listReader) seen(incarnation, position string, known uint64) error {
	base, ok := parseUint([]byte(position))
	switch {
	case incarnation == "" && position == "":
		return r.gap("its companion "+r.companion+" is gone (FLUSHALL, DEL, or a failover)", known)
	case incarnation != r.incarnation || !ok:
		return r.gap("the companion "+r.companion+" changed under the reader: "+side(incarnation, position), known)
	case base > known:
		return &pipeline.Error{Class: pipeline.Fenced,
			What: fmt.Sprintf("list %s was taken over by another reader: %d of its items are removed, and this one has read %d", r.key, base, known),
			Do:   "stop one of the two; a list has one reader"}
	}
	r.trimmedTo(base)
	return nil
}

// trimmedTo keeps that base items are removed, with the turn held.
func (r *listReader) trimmedTo(base uint64) {
	r.base, r.highest = base, max(r.highest, base)
	done := 0
	for done < len(r.runs) && r.runs[done].end <= base {
		done++
	}
	r.runs = append(r.runs[:0], r.runs[done:]...)
}

// errTrimmedMeanwhile: the companion's position is not the one that the request
// was made for. The reply is thrown away.
var errTrimmedMeanwhile = errors.New("the list was trimmed meanwhile")

// gap is the error of a list that changed under the reader, which has read up to
// a position.
func (r *listReader) gap(why string, read uint64) error {
	return &pipeline.Error{Class: pipeline.Gap,
		What: fmt.Sprintf("list %s does not continue what was read: %s; read up to %d of incarnation %s, of which %d were removed", r.key, why, read, r.incarnation, r.base),
		Do:   "let nobody else pop from, trim or delete the list; to read what it holds now from its head, say on_gap: continue, or once: penstock positions set FILE " + r.key + " oldest (where the companion is gone: reset FILE " + r.key + ")"}
}

// culprit tells who can have changed the list, with the turn held: others, where
// the companion has not gone backwards.
func (r *listReader) culprit(others ...string) string {
	if r.base < r.highest {
		return "Redis has lost its newest writes (a failover, or a restart without them)"
	}
	return strings.Join(append([]string{"another client pops or trims", "Redis has lost its newest writes (a failover)"}, others...), ", or ")
}

const otherEnd = "writers push at the other end than pushed_by says"

// checkEviction refuses a server that may evict the list and its companion.
func (s *ListSource) checkEviction(ctx context.Context) error {
	err := s.client.eachNode(ctx, func(ctx context.Context, node redis.UniversalClient) error {
		reply, err := node.ConfigGet(ctx, "maxmemory-policy").Result()
		policy := reply["maxmemory-policy"]
		if err != nil || s.settings.AllowEviction || !strings.HasPrefix(policy, "allkeys-") {
			return err
		}
		return &pipeline.Error{Class: pipeline.Permanent, What: "Redis may evict the list and its companion: maxmemory-policy is " + policy,
			Do: "set maxmemory-policy to noeviction or volatile-…, or say allow_eviction: true"}
	})
	classed := s.client.classify("asking for maxmemory-policy", err)
	if c := pipeline.ClassOf(classed); err == nil || c == pipeline.Permanent || c == pipeline.Unreachable && !strings.Contains(err.Error(), "NOPERM") {
		return classed
	}
	s.client.absent("CONFIG GET", "a maxmemory-policy that evicts the list goes unnoticed")
	return nil
}
