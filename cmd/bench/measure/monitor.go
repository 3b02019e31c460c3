package measure

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// FirstCommand watches a Redis (host:port) with MONITOR and sends the time at
// which it saw the first command of that name. It watches when it returns. The
// channel is closed without a time when ctx ends or the connection breaks.
func FirstCommand(ctx context.Context, addr, command string) (<-chan time.Time, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("watch Redis: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	lines := bufio.NewReader(conn)
	_, err = conn.Write([]byte("MONITOR\r\n"))
	if err == nil {
		_, err = lines.ReadString('\n') // +OK
	}
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, fmt.Errorf("watch Redis: %w", err)
	}
	seen := make(chan time.Time, 1)
	go func() {
		defer close(seen)
		defer stop()
		defer conn.Close() //nolint:errcheck // nothing was written that could be lost
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			if isCommand(line, command) {
				seen <- time.Now()
				return
			}
		}
	}()
	return seen, nil
}

// isCommand reads a line of MONITOR: +1339518083.107412 [0 127.0.0.1:60866] "xread" "COUNT" …
func isCommand(line, command string) bool {
	_, rest, found := strings.Cut(line, `] "`)
	name, _, _ := strings.Cut(rest, `"`)
	return found && strings.EqualFold(name, command)
}
