package cli

import (
	"fmt"

	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// checkRedis looks at the url of a Redis for package config.
func checkRedis(url pipeline.Secret) []pipeline.Problem {
	return redis.Connection{URL: url}.Validate()
}

// redisOf gives the Redis that a url names: the source's own where it names none.
func (c Components) redisOf(p *config.Pipeline, url pipeline.Secret) redis.Connection {
	if url == "" {
		return *c.source(p).Redis(p.Source.Settings)
	}
	return redis.Connection{URL: url}
}

// lease makes the lease of a pipeline; nil: it has none. It connects to nobody.
func (c Components) lease(p *config.Pipeline, env Environment) (*redis.Lease, error) {
	if p.Lease == nil {
		return nil, nil
	}
	return redis.NewLease(c.redisOf(p, p.Lease.URL), p.Name, env.Instance, p.Lease.Life, env.Log)
}

// instances tells what becomes of several instances of a pipeline.
func (c Components) instances(p *config.Pipeline) []string {
	source, sink := c.source(p), c.sink(p)
	if p.Lease == nil {
		switch {
		case source.Best == pipeline.AtLeastOnce:
			return []string{"no lease: several instances share the work, as far as the source lets them"}
		case sink.Positions:
			return []string{"no lease: a second instance takes over, and the first ends"}
		}
		return []string{"no lease, and no fence: a second instance does the same work again; start no second one"}
	}
	where := "the source's Redis"
	if p.Lease.URL != "" {
		where = "the Redis of lease.url"
	}
	lines := []string{
		fmt.Sprintf("any number may run: a lease in %s, key %s, says which one is active; the others stand by", where, redis.LeaseKey(p.Name)),
		fmt.Sprintf("when the active one is stopped, another is active within a second; when it is killed or cut off, within %v (lease.life), or at once where both are processes of one machine", p.Lease.Life),
	}
	if sink.Positions {
		return append(lines, "the guarantee does not hang on the lease: one that still believes in an old lease is fenced by the sink, and commits nothing")
	}
	return append(lines, "the sink fences nobody: one that still believes in an old lease writes beside the new one, and records come twice")
}
