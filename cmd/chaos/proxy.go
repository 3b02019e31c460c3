package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// proxy stands before a server, and does to the bytes what it is told.
type proxy struct{ inner *toxiproxy.Proxy }

// newProxy starts a proxy on a free port. The caller stops it.
func newProxy(server *toxiproxy.ApiServer, name, upstream string) (*proxy, error) {
	p := &proxy{toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)}
	if err := p.inner.Start(); err != nil {
		return nil, fmt.Errorf("the proxy before %s: %w", name, err)
	}
	return p, nil
}

// newProxyServer is what proxies want; it listens nowhere.
func newProxyServer() *toxiproxy.ApiServer {
	return toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
}

func (p *proxy) addr() string { return p.inner.Listen }

// refuse cuts every connection and takes none until heal.
func (p *proxy) refuse() { p.inner.Stop() }

// cut cuts every connection; new ones are taken.
func (p *proxy) cut() error {
	p.inner.Stop()
	return p.inner.Start()
}

// attributes are those of a toxic.
type attributes map[string]any

// poison adds a toxic of a type ("latency") to what goes "upstream", to the server, or
// "downstream".
func (p *proxy) poison(kind, stream string, a attributes) error {
	text, err := json.Marshal(map[string]any{"type": kind, "stream": stream, "toxicity": 1, "attributes": a})
	if err != nil {
		return err
	}
	_, err = p.inner.Toxics.AddToxicJson(strings.NewReader(string(text)))
	return err
}

// heal removes all toxics and takes connections. Those there are are cut: a link whose
// other side stands still would hold the toxic for ever.
func (p *proxy) heal(ctx context.Context) error {
	p.inner.Stop()
	p.inner.Toxics.ResetToxics(ctx)
	return p.inner.Start()
}
