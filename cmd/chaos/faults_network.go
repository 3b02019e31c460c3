package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// halfOpen lets nothing through any more, either way, and leaves connections open.
func halfOpen(p *proxy) error {
	return errors.Join(p.poison("timeout", "upstream", attributes{"timeout": 0}), p.poison("timeout", "downstream", attributes{"timeout": 0}))
}

// slow makes each answer take a tenth to three tenths of a second.
func slow(p *proxy) error {
	return p.poison("latency", "downstream", attributes{"latency": 200, "jitter": 100})
}

// connections are cut, slowed down and half-open, those to Redis and those to Kafka.
func connections(s sizes) []fault {
	if s.short {
		return []fault{broken("Redis", redisFront)[2], broken("Kafka", brokerFronts)[0]}
	}
	var all []fault
	for range s.rounds {
		all = append(all, broken("Redis", redisFront)...)
		all = append(all, broken("Kafka", brokerFronts)...)
	}
	return all
}

func redisFront(r *run) []*proxy   { return []*proxy{r.front} }
func brokerFronts(r *run) []*proxy { return r.fronts }

func broken(to string, fronts func(*run) []*proxy) []fault {
	return []fault{
		onFronts("connections to "+to+" cut", fronts, cutThrice),
		onFronts("connections to "+to+" slow", fronts, hold(slow)),
		onFronts("connections to "+to+" half-open", fronts, hold(halfOpen)),
	}
}

func onFronts(name string, fronts func(*run) []*proxy, do func(context.Context, *run, []*proxy) error) fault {
	return fault{name, func(ctx context.Context, r *run) error { return do(ctx, r, fronts(r)) }}
}

func cutThrice(ctx context.Context, r *run, fronts []*proxy) error {
	for range 3 {
		for _, p := range fronts {
			if err := p.cut(); err != nil {
				return err
			}
		}
		if err := r.between(ctx, 100*time.Millisecond, 800*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// hold does something to the proxies, and undoes it after some seconds.
func hold(bad func(*proxy) error) func(context.Context, *run, []*proxy) error {
	return func(ctx context.Context, r *run, fronts []*proxy) error {
		for _, p := range fronts {
			if err := bad(p); err != nil {
				return err
			}
		}
		if err := r.between(ctx, 2*time.Second, 4*time.Second); err != nil {
			return err
		}
		for _, p := range fronts {
			if err := p.heal(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// lostReplies drops replies to EndTxn: whether a transaction was committed is unknown
// to who asked for it, and it was.
func lostReplies(s sizes) []fault {
	const drops = 3
	var all []fault
	for range s.rounds {
		all = append(all, fault{fmt.Sprintf("%d replies to EndTransaction dropped", drops), func(ctx context.Context, r *run) error {
			before := droppedEnds.Load()
			if err := r.fronted(func(p *proxy) error {
				p.refuse()
				return errors.Join(p.poison("drop_end_txn_reply", "upstream", attributes{}), p.inner.Start())
			}); err != nil {
				return err
			}
			if err := eventually(ctx, time.Minute, "replies to EndTransaction are dropped", func() bool { return droppedEnds.Load() >= before+drops }); err != nil {
				return err
			}
			return r.fronted(func(p *proxy) error { return p.heal(ctx) })
		}})
	}
	return all
}
