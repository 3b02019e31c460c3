package server

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

// web is the page: it comes out of the binary, and asks nobody else for anything.
//
//go:embed web
var web embed.FS

// page serves the page, and lets people in who have a token.
type page struct {
	keys   *keyring // nil: nobody needs a token
	secure bool     // over TLS
	root   http.HandlerFunc
	files  http.Handler
}

func newPage(keys *keyring, secure bool, root http.HandlerFunc) (*page, error) {
	files, err := fs.Sub(web, "web")
	if err != nil {
		return nil, err
	}
	return &page{keys, secure, root, http.FileServerFS(files)}, nil
}

func (p *page) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", p.index)
	mux.Handle("GET /ui/", http.StripPrefix("/ui", p.files))
	mux.HandleFunc("POST /ui/session", p.signIn)
	mux.HandleFunc("DELETE /ui/session", p.signOut)
}

// index is the page to a browser, and what Connect's clients ask first to others.
func (p *page) index(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	if !wantsPage(r) {
		p.root(w, r)
		return
	}
	p.files.ServeHTTP(w, r)
}

// wantsPage tells a browser from a program.
func wantsPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// sessionAge is how long a browser keeps a token.
const sessionAge = 30 * 24 * time.Hour

// signIn gives a browser its token back as a cookie that no script can read.
func (p *page) signIn(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Token string `json:"token"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&in); err != nil || !isJSON(r) {
		refuse(w, http.StatusBadRequest, `a token is sent as {"token": "…"}`)
		return
	}
	if p.keys != nil {
		if _, known := p.keys.role(in.Token); !known {
			refuse(w, http.StatusUnauthorized, "nobody has this token")
			return
		}
	}
	p.set(w, in.Token, int(sessionAge.Seconds()))
}

func (p *page) signOut(w http.ResponseWriter, _ *http.Request) { p.set(w, "", -1) }

func (p *page) set(w http.ResponseWriter, token string, age int) {
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: token, Path: "/", MaxAge: age, HttpOnly: true, Secure: p.secure, SameSite: http.SameSiteStrictMode})
	w.WriteHeader(http.StatusNoContent)
}
