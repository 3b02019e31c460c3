package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
)

// usage is what a Penstock holds at a moment.
type usage struct{ rss, goroutines, files int }

// soakSamples is how often a soak looks.
const soakSamples = 60

// soaks is events going through for a long time, and nothing else.
func soaks(s sizes) []fault {
	return []fault{{fmt.Sprintf("nothing for %v", s.soak), func(ctx context.Context, r *run) error {
		all := make([][]usage, len(r.jobs))
		for range soakSamples {
			if err := wait(ctx, s.soak/soakSamples); err != nil {
				return err
			}
			for n, j := range r.jobs {
				now, err := j.usage(ctx)
				if err != nil {
					return err
				}
				all[n] = append(all[n], now)
			}
		}
		for n, j := range r.jobs {
			j.grown(all[n])
		}
		return nil
	}}}
}

// usage looks at the job's only process.
func (j *job) usage(ctx context.Context) (u usage, err error) {
	pid := j.instances[0].pid()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	_, _ = fmt.Sscanf(field(status, "VmRSS"), "%d kB", &u.rss) // 0 where it does not tell
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return u, err
	}
	u.rss, u.files = u.rss>>10, len(files)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+j.metrics+"/metrics", http.NoBody)
	if err != nil {
		return u, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return u, err
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if n, found := strings.CutPrefix(lines.Text(), "go_goroutines "); found {
			u.goroutines, err = strconv.Atoi(n)
			return u, err
		}
	}
	return u, fmt.Errorf("the metrics of %s do not tell how many goroutines there are", j.name)
}

// grown compares the last quarter with the second one: the first is the start. A median
// that is a tenth, and a little, higher is growth.
func (j *job) grown(all []usage) {
	quarter := len(all) / 4
	early, late := all[quarter:2*quarter], all[3*quarter:]
	var told, grown []string
	for _, of := range []struct {
		name  string
		value func(usage) int
		room  int
	}{
		{"MiB", func(u usage) int { return u.rss }, 8},
		{"goroutines", func(u usage) int { return u.goroutines }, 5},
		{"open files", func(u usage) int { return u.files }, 3},
	} {
		before, after := median(early, of.value), median(late, of.value)
		told = append(told, fmt.Sprintf("%d → %d %s", before, after, of.name))
		if after > before+before/10+of.room {
			grown = append(grown, of.name)
		}
	}
	j.said = strings.Join(told, ", ")
	if len(grown) > 0 {
		j.note = strings.Join(grown, " and ") + " grew: " + j.said
	}
}

func median(all []usage, of func(usage) int) int {
	values := make([]int, len(all))
	for i, u := range all {
		values[i] = of(u)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
