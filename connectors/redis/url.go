package redis

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// address is where Redis is, as a URL says.
type address struct {
	// servers are how one server is reached: the only one, or those of a Cluster, or
	// the Sentinels, that are asked first. Login, TLS and time-outs are the same in all.
	servers []*redis.Options
	cluster bool
	// master is what the Sentinels call the server; empty: there are none.
	master string
	// sentinel is the login of the Sentinels themselves.
	sentinel struct{ username, password string }
}

// The forms of a URL, as people are shown them.
const (
	oneServer = "redis://[user:password@]host:port/db, or rediss:// for TLS"
	ofCluster = "redis+cluster://[user:password@]host:port,host:port, or rediss+cluster:// for TLS"
	sentinels = "redis+sentinel://[user:password@]host:port,host:port/master/db, or rediss+sentinel:// for TLS"
)

// parse reads the URL. What is wrong with it shows nothing of it: that may be a part
// of the password.
func (c Connection) parse() (*address, *pipeline.Problem) {
	scheme, rest, _ := strings.Cut(c.URL.Reveal(), "://")
	plain, kind, _ := strings.Cut(scheme, "+")
	login, hosts, after := cutAuthority(rest)
	a := &address{cluster: kind == "cluster"}
	form := oneServer
	var wrong *pipeline.Problem
	switch {
	case a.cluster:
		form = ofCluster
	case kind == "sentinel":
		form = sentinels
		if after, wrong = a.ofSentinels(after); wrong != nil {
			return nil, wrong
		}
	case kind != "" || strings.Contains(hosts, ","):
		return nil, &pipeline.Problem{Field: "url", What: "not a Redis URL", Do: "write " + oneServer + "; " + ofCluster + "; " + sentinels}
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if kind == "sentinel" && !strings.Contains(host[strings.LastIndexByte(host, ']')+1:], ":") {
			host += ":26379"
		}
		o, err := redis.ParseURL(plain + "://" + login + host + after)
		if err != nil || kind != "" && (host == "" || host[0] == ':') {
			wrong := &pipeline.Problem{Field: "url", What: "not a Redis URL", Do: "write " + form}
			if strings.Contains(rest, "@") {
				wrong.Do += "; special characters of user and password percent-encoded, @ as %40, / as %2F, # as %23, % as %25"
			}
			return nil, wrong
		}
		if _, port, err := net.SplitHostPort(o.Addr); o.Network == "tcp" && (err != nil || !isPort(port)) {
			return nil, &pipeline.Problem{Field: "url", What: "its port is not a number from 1 to 65535", Do: "write " + form}
		}
		a.servers = append(a.servers, o)
	}
	if a.cluster && a.servers[0].DB != 0 {
		return nil, &pipeline.Problem{Field: "url", What: "a Cluster has one database, 0", Do: "write " + ofCluster}
	}
	return a, nil
}

// cutAuthority cuts what follows :// into the login with its @, the hosts, and the rest.
func cutAuthority(text string) (login, hosts, after string) {
	end := strings.IndexAny(text, "/?#")
	if end < 0 {
		end = len(text)
	}
	authority := text[:end]
	at := strings.LastIndexByte(authority, '@') + 1
	return authority[:at], authority[at:], text[end:]
}

// ofSentinels takes the master's name and the login of the Sentinels out of path and
// query, and gives what is left for the server.
func (a *address) ofSentinels(after string) (string, *pipeline.Problem) {
	u, err := url.Parse(after)
	if err != nil || u.Fragment != "" {
		return "", &pipeline.Problem{Field: "url", What: "not a Redis URL", Do: "write " + sentinels}
	}
	name, db, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if name == "" {
		return "", &pipeline.Problem{Field: "url", What: "it does not say what the Sentinels call the server", Do: "write " + sentinels}
	}
	query := u.Query()
	a.master = name
	a.sentinel.username, a.sentinel.password = query.Get("sentinel_username"), query.Get("sentinel_password")
	query.Del("sentinel_username")
	query.Del("sentinel_password")
	return "/" + db + "?" + query.Encode(), nil
}

func isPort(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return err == nil && port > 0
}

// hosts names the servers of the URL.
func (a *address) hosts() []string {
	var hosts []string
	for _, o := range a.servers {
		hosts = append(hosts, o.Addr)
	}
	return hosts
}

// String names what is reached, for errors.
func (a *address) String() string {
	at := strings.Join(a.hosts(), ",")
	switch {
	case a.cluster:
		return "Redis Cluster at " + at
	case a.master != "":
		return "Redis " + a.master + " of the Sentinels at " + at
	}
	return "Redis at " + at
}

// client makes the client of go-redis, which connects to nobody yet.
func (a *address) client() redis.UniversalClient {
	o := a.servers[0]
	o.Protocol, o.DisableIdentity, o.PoolSize, o.MaxRetries, o.DialerRetries = 2, true, 4, -1, 1
	o.ContextTimeoutEnabled = true
	switch {
	case a.cluster:
		return redis.NewClusterClient(&redis.ClusterOptions{
			Addrs: a.hosts(), Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig, ClientName: o.ClientName,
			Protocol: o.Protocol, DisableIdentity: true, PoolSize: o.PoolSize, MaxRetries: o.MaxRetries, DialerRetries: o.DialerRetries, ContextTimeoutEnabled: true,
			DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolTimeout: o.PoolTimeout,
		})
	case a.master != "":
		return redis.NewFailoverClient(&redis.FailoverOptions{
			MasterName: a.master, SentinelAddrs: a.hosts(), SentinelUsername: a.sentinel.username, SentinelPassword: a.sentinel.password,
			Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig, ClientName: o.ClientName,
			Protocol: o.Protocol, DisableIdentity: true, PoolSize: o.PoolSize, MaxRetries: o.MaxRetries, DialerRetries: o.DialerRetries, ContextTimeoutEnabled: true,
			DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, PoolTimeout: o.PoolTimeout,
		})
	}
	return redis.NewClient(o)
}
