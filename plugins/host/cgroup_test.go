//go:build unix

package host

import (
	"strings"
	"testing"
	"time"
)

// mayLimit tells whether a limit holds here. Where it does not, a warning is all there is.
func mayLimit(t *testing.T) bool {
	t.Helper()
	group, err := newCgroup(1<<30, 1)
	if err != nil {
		t.Logf("no cgroup can be made here: %v", err)
		return false
	}
	if err := group.close(); err != nil {
		t.Error(err)
	}
	return true
}

func warns(t *testing.T, log *lines, may bool) {
	t.Helper()
	if got := strings.Count(log.text(), "are not limited"); got > 1 || (got == 0) != may {
		t.Errorf("it may limit is %v; the log says %s", may, log.text())
	}
}

func TestMemoryIsLimited(t *testing.T) {
	p, log := played(t, "good", func(s *Settings) { s.Memory = 128 << 20 })
	may := mayLimit(t)
	b := batch(t, `{"a":1}`, `{"do":"gorge"}`, `{"a":2}`)
	mustApply(t, p, b)
	warns(t, log, may)
	if !may {
		return
	}
	want := `{"a":1}
{"do":"gorge"} failed: the plugin does not survive the record: it was killed by the system: it took more memory than its setting memory allows
{"a":2}`
	if got := show(b); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if n := p.Stats().Restarts; n > 10 {
		t.Errorf("%d processes were started", n)
	}
}

// What the plugin burns takes as long as its part of a core needs.
func TestCPUIsLimited(t *testing.T) {
	p, log := played(t, "good", func(s *Settings) { s.CPUs = 0.2 })
	may := mayLimit(t)
	b := batch(t, `{"do":"burn"}`)
	began := time.Now()
	mustApply(t, p, b)
	took := time.Since(began)
	warns(t, log, may)
	if may && took < 4*burnt {
		t.Errorf("%v of CPU took %v, at a fifth of a core", burnt, took)
	}
}
