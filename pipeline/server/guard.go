package server

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// cookie is where a browser keeps the token of who has signed in.
const cookie = "penstock_token"

// guard lets requests through that may be answered: to a name of this server, from no other
// site, and with a token where tokens are asked for.
type guard struct {
	next    http.Handler
	keys    *keyring // nil: nobody needs a token
	hosts   []string // names that the server goes by, beside its addresses
	foreign *http.CrossOriginProtection
}

func newGuard(next http.Handler, keys *keyring, hosts []string) *guard {
	return &guard{next: next, keys: keys, hosts: hosts, foreign: http.NewCrossOriginProtection()}
}

// ServeHTTP refuses what may not be answered.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
	switch {
	case !g.isMine(r.Host):
		refuse(w, http.StatusMisdirectedRequest, "this server does not go by the name that the request was sent to; --host gives it another")
	case g.foreign.Check(r) != nil:
		refuse(w, http.StatusForbidden, "the request comes from a page of another site")
	case strings.HasPrefix(r.URL.Path, "/health/"):
		g.next.ServeHTTP(w, r)
	default:
		g.authorized(w, r)
	}
}

// isMine tells of a Host header whether it names this server: a page of another site can
// have its own name lead here (DNS rebinding), but not change the header.
func (g *guard) isMine(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	return name == "localhost" || net.ParseIP(name) != nil || slices.Contains(g.hosts, strings.ToLower(name))
}

// authorized answers who has a token that lets him.
func (g *guard) authorized(w http.ResponseWriter, r *http.Request) {
	if g.keys == nil || isPublic(r) {
		g.next.ServeHTTP(w, r)
		return
	}
	role, known := g.keys.role(tokenIn(r))
	look := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case !known:
		w.Header().Set("WWW-Authenticate", `Bearer realm="penstock"`)
		refuse(w, http.StatusUnauthorized, "a token is needed; penstock token new makes one")
	case role != Operator && !look:
		refuse(w, http.StatusForbidden, "the token is for looking; what is asked for takes an operator's")
	default:
		g.next.ServeHTTP(w, r)
	}
}

// isPublic tells of what holds nothing of anybody: the page without what it shows.
func isPublic(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/ui/") || r.URL.Path == "/" && wantsPage(r)
}

// tokenIn gives the token of a request; empty: it has none.
func tokenIn(r *http.Request) string {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return token
	}
	if c, err := r.Cookie(cookie); err == nil {
		return c.Value
	}
	return ""
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: why}) //nolint:errcheck // who asked is gone
}
