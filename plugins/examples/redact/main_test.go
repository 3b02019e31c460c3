package main

import (
	"testing"

	"github.com/penstock-io/penstock/plugins/sdk/sdktest"
)

func TestRedact(t *testing.T) {
	for name, tc := range map[string]struct {
		settings, value, want string
	}{
		"a field":              {`{"fields": ["user.email", "ua", "none"]}`, `{"id": 1e400, "user": {"email": "a@b.de", "n": 12.50}, "ua": 7}`, `{"id": 1e400,"user":{"email":"***","n": 12.50},"ua":"***"}`},
		"a pattern":            {`{"patterns": ["email"], "with": "x"}`, `{"a":"to a.b@c.de, d@e.fg","l":[{"m":"q@r.st"},12.50],"k":"a@b"}`, `{"a":"to x, x","l":[{"m":"x"},12.50],"k":"a@b"}`},
		"cards and addresses":  {`{"patterns": ["card", "ip"]}`, `{"a":"4111 1111 1111 1111 from 10.0.0.1","n":4111111111111111}`, `{"a":"*** from ***","n":4111111111111111}`},
		"nothing to be masked": {`{"patterns": ["email"]}`, `{"a" : "b"}`, `{"a" : "b"}`},
		"no object":            {`{"patterns": ["email"]}`, `[1]`, `refused: the value is no object`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := sdktest.One(t, plugin(), tc.settings, tc.value); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	for settings, want := range map[string]string{`{}`: ": nothing is masked", `{"patterns": ["mail"]}`: `patterns[0]: has to be one of email, card, ip, not "mail"`} {
		if got := sdktest.Problems(t, plugin(), settings); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q", settings, got)
		}
	}
}
