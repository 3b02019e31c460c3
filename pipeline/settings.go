package pipeline

// Expression is a setting that holds a CEL expression over key, value, headers,
// topic, time and origin. Package config checks it; package
// transforms/expr compiles it.
type Expression string

// Secret is a setting that is masked wherever it is shown. URLs are Secrets too:
// they may hold a password.
type Secret string

// String masks the secret.
func (s Secret) String() string { return "********" }

// GoString masks the secret.
func (s Secret) GoString() string { return s.String() }

// Reveal gives the secret itself, for the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// Size is a setting in bytes, written as 4 MiB, 64 KiB, 1 MB or a number.
type Size int64

// Problem is a mistake in the settings of a component, found by its Validate
// method, at a field (a path of names as in the file, "trigger.cron").
type Problem struct {
	Field string
	What  string // what is wrong
	Do    string // what to write
}

// Error gives "field: what; do".
func (p Problem) Error() string { return p.Field + ": " + p.What + "; " + p.Do }
