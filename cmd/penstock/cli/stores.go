package cli

import (
	"strings"

	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/transforms"
)

// storeSettings say which Redis a transform uses.
type storeSettings struct {
	URL pipeline.Secret `yaml:"url" example:"${REDIS_URL:-redis://localhost:6379/0}" doc:"Where Redis is, written as in redis_list; default: the source's own."`
	TLS *redis.TLS      `yaml:"tls" doc:"Whom to trust, with TLS and a url."`
}

// validate finds what is wrong with the url. It shows nothing of it.
func (s storeSettings) validate() []pipeline.Problem {
	if s.URL == "" {
		return nil
	}
	var problems []pipeline.Problem
	for _, p := range s.connection(Environment{}).Validate() {
		p.Field = "redis." + p.Field
		problems = append(problems, p)
	}
	return problems
}

func (s storeSettings) connection(env Environment) redis.Connection {
	if s.URL == "" {
		return *env.Redis
	}
	return redis.Connection{URL: s.URL, TLS: s.TLS}
}

// dedupeSettings are the settings of dedupe.
type dedupeSettings struct {
	transforms.DedupeSettings `yaml:",inline"`
	Redis                     *claimSettings `yaml:"redis" example:"{name: shop}" doc:"Keep the keys in Redis: other instances and pipelines see them, and they last over a restart. Without it they are kept in memory."`
}

type claimSettings struct {
	Server storeSettings `yaml:",inline"`
	Name   string        `yaml:"name" example:"shop" doc:"Pipelines with the same name share the keys; default: the pipeline's own."`
}

// Validate finds what decoding cannot.
func (s dedupeSettings) Validate() []pipeline.Problem {
	problems := s.DedupeSettings.Validate()
	if s.Redis == nil {
		return problems
	}
	if strings.ContainsAny(s.Redis.Name, "{}") {
		problems = append(problems, pipeline.Problem{Field: "redis.name", What: "has braces, which say in a Cluster where keys lie", Do: "write a name without { and }"})
	}
	return append(problems, s.Redis.Server.validate()...)
}

// dedupe makes a dedupe. In a trial nothing is written to Redis.
func dedupe(env Environment, s dedupeSettings) (pipeline.Transform, error) {
	if s.Redis == nil || env.Trial {
		return transforms.NewDedupe(s.DedupeSettings, env.Clock)
	}
	name := s.Redis.Name
	if name == "" {
		name = env.Pipeline
	}
	store, err := redis.NewClaims(s.Redis.Server.connection(env), name, s.Within, env.Log)
	if err != nil {
		return nil, err
	}
	return transforms.NewSharedDedupe(s.DedupeSettings, env.Clock, store, env.Lasting)
}

// lookupSettings are the settings of lookup.
type lookupSettings struct {
	transforms.LookupSettings `yaml:",inline"`
	Redis                     *hashSettings `yaml:"redis" example:"{hash: products}" doc:"A hash of Redis: by is looked up among its fields, for a batch at once, as it is then. In place of csv and json."`
}

type hashSettings struct {
	Server storeSettings `yaml:",inline"`
	Hash   string        `yaml:"hash" required:"true" example:"products" doc:"The key of the hash."`
	Values string        `yaml:"values" default:"json" enum:"json,text" doc:"What its fields hold."`
}

// Validate finds what decoding cannot.
func (s lookupSettings) Validate() []pipeline.Problem {
	s.Remote = s.Redis != nil
	problems := s.LookupSettings.Validate()
	if s.Redis != nil {
		problems = append(problems, s.Redis.Server.validate()...)
	}
	return problems
}

func lookup(env Environment, s lookupSettings) (pipeline.Transform, error) {
	if s.Redis == nil {
		return transforms.NewLookup(s.LookupSettings)
	}
	s.Remote = true
	table, err := redis.NewHash(s.Redis.Server.connection(env), s.Redis.Hash, env.Log)
	if err != nil {
		return nil, err
	}
	return transforms.NewRemoteLookup(s.LookupSettings, table, s.Redis.Values == "text")
}

// checkStores finds transforms that want the source's Redis where it reads none, and
// stores for which the records have no names.
func (c Components) checkStores(p *config.Pipeline) config.Errors {
	var errs config.Errors
	source := c.source(p)
	for _, step := range p.Transforms {
		var store *storeSettings
		switch s := step.Settings.(type) {
		case *dedupeSettings:
			if s.Redis == nil {
				continue
			}
			if source.Lasting == nil {
				errs = append(errs, config.Error{At: step.At, What: "dedupe cannot keep its keys in Redis: records of " + p.Source.Component + " have no names that last, so one that comes again after a crash would be taken for a duplicate",
					Do: "leave redis out; keys are kept in memory then"})
				continue
			}
			store = &s.Redis.Server
		case *lookupSettings:
			if s.Redis == nil {
				continue
			}
			store = &s.Redis.Server
		default:
			continue
		}
		if store.URL == "" && (source.Redis == nil || source.Redis(p.Source.Settings) == nil) {
			errs = append(errs, config.Error{At: step.At, What: "the source " + p.Source.Component + " has no Redis that " + step.Component + " could use", Do: "write url: redis://host:port/db under redis"})
		}
	}
	return errs
}
