package redis

import (
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// Connection says how Redis is reached: one server, a Cluster, or whom Sentinels name.
type Connection struct {
	URL pipeline.Secret `yaml:"url" default:"redis://localhost:6379/0" doc:"Where Redis is: redis://[user:password@]host:port/db, a Cluster at redis+cluster://host:port,host:port, or whom Sentinels name at redis+sentinel://host:port,host:port/master/db; with TLS rediss://, rediss+cluster://, rediss+sentinel://." example:"${REDIS_URL:-redis://localhost:6379/0}"`
	TLS *TLS            `yaml:"tls" doc:"Whom to trust, with TLS."`
}

// TLS says whom to trust.
type TLS struct {
	CAFile     string `yaml:"ca_file" local:"true" doc:"Certificate authorities to trust, PEM; default: the system's." example:"/etc/ssl/redis-ca.pem"`
	ServerName string `yaml:"server_name" doc:"The name in the server's certificate, where it is not its host name."`
}

// Trigger says when a source is drained.
type Trigger struct {
	Mode     string        `yaml:",scalar" default:"continuous" enum:"continuous" doc:"continuous: as records come."`
	Every    time.Duration `yaml:"every" doc:"Drain at the start and then this long after the last drain began." example:"5s"`
	Cron     string        `yaml:"cron" doc:"Drain at these times: minute, hour, day of month, month, day of week." example:"*/5 * * * *"`
	TimeZone string        `yaml:"time_zone" doc:"The time zone of cron; default: the machine's." example:"Europe/Berlin"`
}

// ListSettings is the face of redis_list in a pipeline file.
type ListSettings struct {
	Connection    `yaml:",inline"`
	Keys          []string `yaml:"keys" required:"true" doc:"The lists, each a shard; * ? and [ match many, also those that come later." example:"[user_behavior]"`
	PushedBy      string   `yaml:"pushed_by" default:"rpush" enum:"rpush,lpush" doc:"How writers push: the other end is read."`
	Trigger       Trigger  `yaml:"trigger" doc:"When to drain."`
	OnGap         string   `yaml:"on_gap" default:"halt" enum:"halt,continue" doc:"When the list does not continue what was delivered: halt and show both sides, or take it as a new list, from its head (better twice than never)."`
	AllowEviction bool     `yaml:"allow_eviction" doc:"Run although the server's maxmemory-policy may evict the list."`
}

// StreamSettings is the face of redis_stream in a pipeline file.
type StreamSettings struct {
	Connection `yaml:",inline"`
	Keys       []string `yaml:"keys" required:"true" doc:"The streams, each a shard; * ? and [ match many, also those that come later." example:"[user_behavior]"`
	Start      string   `yaml:"start" default:"oldest" doc:"Where the very first start begins: oldest, newest, or after an entry's id." example:"oldest"`
	Trim       string   `yaml:"trim" default:"none" enum:"none,after_commit" doc:"after_commit: remove what is committed."`
	ValueField string   `yaml:"value_field" doc:"The field whose bytes are the value; the others become headers. Without it an entry is an object of its fields." example:"payload"`
	Watermill  bool     `yaml:"watermill" doc:"Entries are Watermill messages, as watermill-redisstream writes them: the payload is the value, the metadata become headers, and the uuid the header _watermill_message_uuid."`
	Group      *Group   `yaml:"group" doc:"Read as a consumer of a group, which others may read beside: at least once, in order per consumer. Without it entries are read by position." example:"{name: penstock}"`
	Trigger    Trigger  `yaml:"trigger" doc:"When to drain."`
	OnGap      string   `yaml:"on_gap" default:"halt" enum:"halt,continue" doc:"When the stream does not continue what was delivered: halt and show both sides, or go on: after what is missing, or from the start of what is a new stream (better twice than never)."`
}

// Group says how the entries of a stream are shared with others.
type Group struct {
	Name          string        `yaml:"name" required:"true" doc:"The group; it is made where it is missing." example:"penstock"`
	Consumer      string        `yaml:"consumer" doc:"The consumer's name in the group; each process needs its own. Default: a new one for each start."`
	Consumers     int           `yaml:"consumers" default:"1" doc:"How many consumers of the group read each key here."`
	ClaimIdle     time.Duration `yaml:"claim_idle" default:"1m" doc:"Take over entries that another consumer of the group has not acknowledged for so long."`
	MaxDeliveries int           `yaml:"max_deliveries" default:"0" doc:"Refuse an entry that consumers were handed more often than this and never acknowledged; 0: never."`
}
