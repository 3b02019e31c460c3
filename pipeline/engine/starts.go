package engine

import "github.com/penstock-io/penstock/pipeline"

// mostStarts is how many shards the log tells of by name.
const mostStarts = 20

// sayStarts logs where each shard starts when the first session opens, so that
// one that is read from its beginning is seen. Of many, the rest is counted.
func (s *session) sayStarts(opened []*shard) {
	t := s.task
	if t.said {
		return
	}
	t.said = true
	named := opened[:min(len(opened), mostStarts)]
	for _, sh := range named {
		sh.sayStart()
	}
	rest, unknown := opened[len(named):], 0
	for _, sh := range rest {
		if !sh.resumes() {
			unknown++
		}
	}
	if len(rest) > 0 {
		t.cfg.Log.Info("more shards are open", "shards", len(rest), "without_position", unknown)
	}
}

func (sh *shard) sayStart() {
	what := "shard starts: no position of it was committed"
	if sh.resumes() {
		what = "shard goes on where it was committed"
	}
	sh.session.task.cfg.Log.Info(what, "shard", sh.name, "after", sh.written.Offset.String())
}

// resumes tells whether sink or source had a position of the shard.
func (sh *shard) resumes() bool {
	if sh.session.task.cfg.SourceKeepsPosition {
		return sh.written.Offset != pipeline.Offset{}
	}
	_, known := sh.session.positions[sh.name]
	return known
}
