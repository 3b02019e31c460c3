package conform

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// ledger is a sink in memory that stores positions and keeps the rules, but for its
// flaw.
type ledger struct {
	flaw    string
	release <-chan struct{} // ends what a flaw keeps blocked
	*vault
	closes int
}

// vault is what several ledgers may share, as several processes share a store.
type vault struct {
	mu        sync.Mutex
	delivered []string
	positions map[string]map[string]pipeline.Position // by pipeline and shard
	owners    map[laneName]*ledgerLane
}

func newVault() *vault {
	return &vault{positions: map[string]map[string]pipeline.Position{}, owners: map[laneName]*ledgerLane{}}
}

// another gives the ledger as another process would have it.
func (s *ledger) another() *ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	other := &ledger{flaw: s.flaw, release: s.release, vault: s.vault}
	if s.flaw == "has positions in memory only" {
		clear(s.positions)
	}
	return other
}

// endOthers ends the lanes of a pipeline that other instances have opened.
func (s *ledger) endOthers(id pipeline.LaneID) {
	for name, l := range s.owners {
		number := name.number
		switch {
		case name.pipeline != id.Pipeline || l.instance == id.Instance:
		case s.flaw == "ends its own number only":
		case s.flaw == "ends lanes beyond its own only" && number < id.Lanes:
		case s.flaw == "ends lanes among its own only" && number >= id.Lanes:
		default:
			delete(s.owners, name)
		}
	}
}

type laneName struct {
	pipeline string
	number   int
}

func (s *ledger) Open(_ context.Context, id pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &ledgerLane{ledger: s, pipeline: id.Pipeline, number: id.Lane, instance: id.Instance, gone: make(chan struct{})}
	if s.flaw == "knows one lane" {
		l.number = 0
	}
	if s.flaw == "shares positions" {
		l.pipeline = "p"
	}
	s.endOthers(id)
	s.owners[laneName{l.pipeline, l.number}] = l
	if s.flaw == "leaves a goroutine" && id.Pipeline == "other" {
		go func() { <-s.release }()
	}
	return l, maps.Clone(s.positions[l.pipeline]), nil
}

func (s *ledger) Close() error {
	if s.closes++; s.closes > 1 && s.flaw == "closes once" {
		return errClosed
	}
	return nil
}

type ledgerLane struct {
	ledger   *ledger
	pipeline string
	number   int
	instance string
	batches  []*pipeline.Batch
	values   []string
	once     sync.Once
	gone     chan struct{}
}

func (l *ledgerLane) Check(*pipeline.Record) error {
	if l.ledger.flaw == "Check waits" {
		<-l.ledger.release
	}
	return nil
}

func (l *ledgerLane) Write(_ context.Context, b *pipeline.Batch) error {
	flaw := l.ledger.flaw
	for i := range b.Records {
		r := &b.Records[i]
		switch text := string(r.Value.Raw()); {
		case r.Fate != pipeline.Deliver && flaw != "ignores fates":
		case flaw == "delivers at Write":
			l.ledger.mu.Lock()
			l.ledger.delivered = append(l.ledger.delivered, text)
			l.ledger.mu.Unlock()
		case flaw == "turns records round":
			l.values = append([]string{text}, l.values...)
		default:
			l.values = append(l.values, text)
		}
	}
	l.batches = append(l.batches, b)
	return nil
}

func (l *ledgerLane) Commit(ctx context.Context, positions map[string]pipeline.Position) error {
	s := l.ledger
	switch s.flaw {
	case "refuses an empty commit":
		if len(l.batches) == 0 {
			return fmt.Errorf("there is nothing to commit")
		}
	case "Commit does not notice Close":
		select {
		case <-l.gone:
			<-s.release
		case <-time.After(2 * callTime):
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-l.gone:
		if s.flaw != "commits after Close" {
			return errClosed
		}
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	if s.owners[laneName{l.pipeline, l.number}] != l && s.flaw != "does not fence" {
		return &pipeline.Error{Class: pipeline.Fenced, What: "the lane was opened again"}
	}
	s.delivered = append(s.delivered, l.values...)
	if s.positions[l.pipeline] == nil || s.flaw == "keeps the last positions only" {
		s.positions[l.pipeline] = map[string]pipeline.Position{}
	}
	maps.Copy(s.positions[l.pipeline], positions)
	if s.flaw != "keeps batches" {
		l.batches, l.values = nil, nil
		return nil
	}
	l.values = nil
	for _, b := range l.batches { // which are somebody else's again
		for i := range b.Records {
			l.values = append(l.values, string(b.Records[i].Value.Raw()))
		}
	}
	return nil
}

func (l *ledgerLane) Close(context.Context) error {
	l.once.Do(func() { close(l.gone) })
	return nil
}
