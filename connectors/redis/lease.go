package redis

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/bsm/redislock"
	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// LeaseKey gives the key of a pipeline's lease: penstock:lease:{<pipeline>}. Frozen.
func LeaseKey(name string) string { return companionPrefix + "lease:{" + name + "}" }

// leaseVersion is that of what a lease's key holds: a token, and a holder as JSON.
const leaseVersion = 1

// holder is who has a lease, as its key tells the others.
type holder struct {
	Version  int       `json:"version"`
	Instance string    `json:"instance"`
	Since    time.Time `json:"since"`
	// Where its process runs, so that others there can see whether it still does.
	Place string `json:"place,omitempty"`
	PID   int    `json:"pid"`
}

// Lease is a pipeline.Lease in one key of Redis (bsm/redislock): a token, and who has
// it. One server keeps it, no quorum: it is for liveness alone.
type Lease struct {
	client   *client
	locks    *redislock.Client
	key      string
	life     time.Duration
	instance string
	token    string

	lock  *redislock.Lock // nil: this instance does not have it
	asked bool            // the key may hold the token: nobody has said otherwise
}

var _ pipeline.Lease = (*Lease)(nil)

// NewLease makes the lease of a pipeline at the server of c, for an instance, which
// is named to the others. It connects to nobody yet. Errors: Permanent, of settings
// and files.
func NewLease(c Connection, name, instance string, life time.Duration, log *slog.Logger) (*Lease, error) {
	shared, err := c.newClient(log)
	if err != nil {
		return nil, err
	}
	return &Lease{client: shared, locks: redislock.New(shared.UniversalClient), key: LeaseKey(name), life: life, instance: instance, token: rand.Text()}, nil
}

// Life is how long the lease lasts without being renewed.
func (l *Lease) Life() time.Duration { return l.life }

// Close closes the connections; it gives nothing back. It may be called more than
// once.
func (l *Lease) Close() error { return l.client.Close() }

// Take takes or renews the lease. One whose holder ran on this machine and is gone
// is taken at once. Where Redis lets this user have no lease (no right to the key, a
// server that takes no writes), that is logged once and there is none.
func (l *Lease) Take(ctx context.Context) (anew bool, err error) {
	if l.lock != nil {
		err := l.lock.Refresh(ctx, l.life, nil)
		if !errors.Is(err, redislock.ErrNotObtained) {
			return false, l.without(ctx, err)
		}
		l.lock = nil
	}
	err = l.obtain(ctx)
	if !errors.Is(err, redislock.ErrNotObtained) {
		return l.lock != nil, l.without(ctx, err)
	}
	has, token, err := l.holder(ctx)
	if err == nil && token != "" && has.gone() {
		l.client.log.Info("the process that had the lease has ended: it is taken over", "instance", has.Instance)
		if err = l.remove(ctx, token); err == nil {
			err = l.obtain(ctx)
		}
		if !errors.Is(err, redislock.ErrNotObtained) {
			return l.lock != nil, l.without(ctx, err)
		}
		has = holder{}
	}
	l.asked = false
	return false, &pipeline.Taken{Instance: has.Instance, Since: has.Since}
}

// obtain takes the lease where nobody has it, or this instance.
func (l *Lease) obtain(ctx context.Context) (err error) {
	now := holder{Version: leaseVersion, Instance: l.instance, Since: time.Now().UTC().Truncate(time.Second), Place: machine(), PID: os.Getpid()}
	text, err := json.Marshal(now)
	if err != nil {
		return err
	}
	l.asked = true
	l.lock, err = l.locks.Obtain(ctx, l.key, l.life, &redislock.Options{Token: l.token, Metadata: string(text)})
	return err
}

// without gives an error its class, and nil where Redis refuses the lease: work goes
// on without it then, unless the key says that another instance has it.
func (l *Lease) without(ctx context.Context, err error) error {
	if err == nil || !refusesWrite(err) {
		return l.client.classify("taking the lease "+l.key, err)
	}
	if has, token, looked := l.holder(ctx); looked == nil && token != "" && token != l.token {
		return &pipeline.Taken{Instance: has.Instance, Since: has.Since}
	}
	l.client.absent("a lease at "+l.key+" ("+err.Error()+")", "no instance stands by: a second one takes over, and this one ends")
	return nil
}

// refusesWrite tells whether the server answers, and does not let this user write
// the key, now or ever. Redis has no word for what it refuses in a script, and says
// it differently since 7.2.
func refusesWrite(err error) bool {
	if _, answered := errors.AsType[redis.Error](err); !answered {
		return false
	}
	for _, refusal := range []string{"NOPERM", "READONLY", "OOM", "MISCONF", "NOREPLICAS"} {
		if redis.HasErrorPrefix(err, refusal) {
			return true
		}
	}
	return strings.Contains(err.Error(), "ACL failure in script") || strings.Contains(err.Error(), "The user executing the script can't")
}

// tokenLength is that of rand.Text.
var tokenLength = len(rand.Text())

// holder reads who has the lease; an empty token: nobody has.
func (l *Lease) holder(ctx context.Context) (has holder, token string, err error) {
	text, err := l.client.Get(ctx, l.key).Result()
	if errors.Is(err, redis.Nil) {
		return holder{}, "", nil
	}
	if err != nil || len(text) < tokenLength {
		return holder{}, text, err
	}
	if err := json.Unmarshal([]byte(text[tokenLength:]), &has); err != nil || has.Version != leaseVersion {
		has = holder{} // of another version: it cannot be told
	}
	return has, text[:tokenLength], nil
}

// Active names the instance that has the lease of a pipeline, this one or another in
// the same Redis; empty: nobody has. It takes nothing.
func (l *Lease) Active(ctx context.Context, name string) (string, error) {
	other := *l
	other.key = LeaseKey(name)
	has, token, err := other.holder(ctx)
	if err != nil || token == "" || has.gone() {
		return "", l.client.classify("looking at the lease "+other.key, err)
	}
	return (&pipeline.Taken{Instance: has.Instance, Since: has.Since}).Error(), nil
}

// removing removes the lease where it has a token.
var removing = redis.NewScript(`local v = redis.call("get", KEYS[1])
if v and string.sub(v, 1, #ARGV[1]) == ARGV[1] then return redis.call("del", KEYS[1]) end
return 0`)

func (l *Lease) remove(ctx context.Context, token string) error {
	return removing.Run(ctx, l.client, []string{l.key}, token).Err()
}

// Release gives the lease back, if this instance may have it.
func (l *Lease) Release(ctx context.Context) error {
	if !l.asked {
		return nil
	}
	err := l.remove(ctx, l.token)
	if err != nil && !refusesWrite(err) {
		return l.client.classify("giving the lease "+l.key+" back", err)
	}
	l.lock, l.asked = nil, false
	return nil
}

// machine names where this process can see other processes: this boot of the kernel
// and this namespace of process ids. Empty where that is not known (it is on Linux).
func machine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + namespace
}

// gone tells whether the holder's process is known to have ended.
func (h holder) gone() bool {
	if h.Place == "" || h.Place != machine() {
		return false
	}
	p, err := os.FindProcess(h.PID)
	if err != nil {
		return false
	}
	defer p.Release() //nolint:errcheck // nothing can be done about it
	return errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
