package redis

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// meet holds a server that was connected to anew against what was read. Its replication
// id is another one after a failover, and after a restart; then the entry at the position
// must be there, where older ones are. Where it is not, what was read came from a server
// that had lost touch with the others, or was lost in a crash, and the entries that took
// its place can have ids before the position
// (https://redis.io/docs/latest/operate/oss_and_stack/management/replication/).
func (r *streamReader) meet(ctx context.Context, c *conn) error {
	if c.met {
		return nil
	}
	id, err := r.replicationID(c)
	if err != nil {
		return err
	}
	known := r.cursor.Evidence.ReplicationID
	if id != known && known != "" && id != "" {
		before, found, err := r.newestUpTo(c, r.cursor.Offset)
		if err != nil {
			return err
		}
		if found && before != r.cursor.Offset {
			return r.replaced(ctx, before)
		}
	}
	c.met = true
	if id != "" {
		r.cursor.Evidence.ReplicationID = id
	}
	return nil
}

// replaced is what a server leads to that does not hold what was read.
func (r *streamReader) replaced(ctx context.Context, before pipeline.Offset) error {
	g, err := r.glance(ctx)
	if err != nil {
		return err
	}
	return r.startOver(g, fmt.Sprintf("Redis is another one now, or was restarted, and has entries up to %s and after the position, but not the one there", before))
}

// replicationID asks INFO (https://redis.io/docs/latest/commands/info/); empty: the server
// does not tell.
func (r *streamReader) replicationID(c *conn) (string, error) {
	c.command("INFO", "replication")
	if err := c.flush(answerPatience); err != nil {
		return "", err
	}
	n, err := c.expect('$')
	if refused := replyOf(err); refused != "" && !strings.HasPrefix(refused, "BUSY ") { // with a script, which ends
		r.source.client.absent("INFO replication", "a failover that loses entries which were read shows by the stream's last id and counts only")
		return "", nil
	}
	switch {
	case err != nil:
		return "", err
	case n > readBuffer/2: // of a server with a thousand replicas
		return "", c.skip(n)
	}
	text, err := c.glimpse(n)
	for line := range strings.Lines(string(text)) {
		if id, ok := strings.CutPrefix(line, "master_replid:"); ok {
			return strings.TrimSpace(id), nil
		}
	}
	return "", err
}

// newestUpTo gives the id of the newest entry up to one.
func (r *streamReader) newestUpTo(c *conn, id pipeline.Offset) (newest pipeline.Offset, found bool, err error) {
	c.command("XREVRANGE", r.key, id.String(), "-", "COUNT", "1")
	if err := c.flush(answerPatience); err != nil {
		return newest, false, err
	}
	n, err := c.array()
	if err != nil || n < 1 {
		return newest, false, err
	}
	newest, err = r.entry(c, &pipeline.Batch{}, time.Now())
	return newest, err == nil, err
}
