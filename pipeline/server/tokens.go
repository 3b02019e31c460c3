package server

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
)

// Role is what the owner of a token may do.
type Role string

// The roles.
const (
	ReadOnly Role = "read-only" // look
	Operator Role = "operator"  // look and change
)

// Token is a token as it is stored: not itself, but its hash.
type Token struct {
	Version int       `json:"version"`
	Name    string    `json:"name"` // whose it is
	Role    Role      `json:"role"`
	SHA256  string    `json:"sha256"` // of the token, which has 256 bits of chance in it: nobody guesses it
	Made    time.Time `json:"made"`
}

// tokenPrefix begins every token, so that people and scanners of secrets know it.
const tokenPrefix = "penstock_"

// NewToken makes a token, adds its hash to a file, which only its owner may read, and gives
// it: nobody can give it again.
func NewToken(file, name string, role Role) (string, error) {
	if role != ReadOnly && role != Operator {
		return "", fmt.Errorf("there is no role %q; write %s or %s", role, ReadOnly, Operator)
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	token := tokenPrefix + hex.EncodeToString(secret)
	sum := sha256.Sum256([]byte(token))
	line, err := json.Marshal(Token{1, name, role, hex.EncodeToString(sum[:]), time.Now().UTC()})
	if err != nil {
		return "", err
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	_, err = out.Write(append(line, '\n'))
	return token, errors.Join(err, out.Close())
}

// ReadTokens reads the tokens of a file; none where there is no file.
func ReadTokens(file string) ([]Token, error) {
	in, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var all []Token
	lines := bufio.NewScanner(in)
	for number := 1; lines.Scan(); number++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var t Token
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil || t.Version != 1 || len(t.SHA256) != 2*sha256.Size {
			return nil, fmt.Errorf("%s:%d: this is no token of this version; penstock token new writes them", file, number)
		}
		all = append(all, t)
	}
	return all, lines.Err()
}

// keyring knows the tokens of a file, and sees when the file changes.
type keyring struct {
	file string // empty: nobody needs a token

	mu     sync.Mutex
	seen   time.Time // the file was changed
	looked time.Time
	tokens []Token
}

// lookAtTokens is how often it is looked whether the file has changed.
const lookAtTokens = time.Second

// role gives what the owner of a token may do; false: nobody's.
func (k *keyring) role(token string) (Role, bool) {
	sum := sha256.Sum256([]byte(token))
	given := []byte(hex.EncodeToString(sum[:]))
	found, known := Role(""), false
	for _, t := range k.now() { // all of them, whichever it is: the time tells nothing
		if subtle.ConstantTimeCompare(given, []byte(t.SHA256)) == 1 {
			found, known = t.Role, true
		}
	}
	return found, known
}

// now gives the tokens there are. While the file cannot be read, nobody has one.
func (k *keyring) now() []Token {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.looked) < lookAtTokens {
		return k.tokens
	}
	k.looked = time.Now()
	info, err := os.Stat(k.file)
	if err != nil {
		k.tokens, k.seen = nil, time.Time{}
		return nil
	}
	if info.ModTime().Equal(k.seen) {
		return k.tokens
	}
	if k.tokens, err = ReadTokens(k.file); err == nil {
		k.seen = info.ModTime()
	}
	return k.tokens
}
