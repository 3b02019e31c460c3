package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline/config"
)

func shopWith(url, password string) string {
	return "name: shop # the shop\nsource:\n  redis_list:\n    keys: [a]\n    url: " + url + "\nsink:\n  kafka:\n    brokers: [\"b:1\"]\n    topic: t\n    sasl:\n      user: u\n      password: " + password + " # keep\n"
}

func secretsOf(p *config.Pipeline) string {
	return p.Source.Settings.(*listSettings).Connection.URL.Reveal() + " " + p.Sink.Settings.(*kafkaSettings).SASL.Password.Reveal()
}

// TestShownAndRestored: what is shown holds no secret, and sent back unchanged, or with
// other changes, it is what it was.
func TestShownAndRestored(t *testing.T) {
	for name, tc := range map[string]struct{ url, password, shownURL, shownPassword string }{
		"none":             {`redis://h:1/0`, `${PW}`, `redis://h:1/0`, `${PW}`},
		"a URL's":          {`redis://u:hunter2@h:1/0`, `"correct horse"`, `"redis://u:********@h:1/0"`, `"********"`},
		"quotes and signs": {`'redis://:it''s@h'`, `'a # "b" \ é'`, `"redis://:********@h"`, `"********"`},
		"a variable in it": {`redis://u:${PW}@h`, `x${PW}`, `redis://u:${PW}@h`, `"********"`},
		"a default":        {`redis://u:${PW:-hunter2}@h`, `${PW:-hunter2}`, `"redis://u:********@h"`, `"********"`},
	} {
		t.Run(name, func(t *testing.T) {
			lookup := config.Lookup{Env: func(string) (string, bool) { return "from-the-environment", true }}
			parse := func(text string) *config.Pipeline {
				t.Helper()
				all, err := config.Parse(catalog(), lookup, config.File{Name: "a.yaml", Data: []byte(text)})
				if err != nil {
					t.Fatalf("%v in\n%s", err, text)
				}
				return all[0]
			}
			before := parse(shopWith(tc.url, tc.password))
			shown, err := before.Shown()
			if want := shopWith(tc.shownURL, tc.shownPassword); err != nil || string(shown) != want {
				t.Fatalf("%v, shown is\n%s\nwant\n%s", err, shown, want)
			}
			changed := strings.Replace(string(shown), "name: shop", "# changed\nname: shop", 1)
			restored, err := parse(changed).Restored(before)
			if err != nil {
				t.Fatal(err)
			}
			after := parse(string(restored))
			if a, b := secretsOf(before), secretsOf(after); a != b {
				t.Errorf("restored is %s, want %s", b, a)
			}
			if tc.password[0] != '$' {
				_, err = parse(changed).Restored(nil)
				if errs, ok := errors.AsType[config.Errors](err); !ok || !strings.Contains(errs.Error(), "is masked, and nothing is known that was here") {
					t.Errorf("without anything before: %v", err)
				}
			}
		})
	}
}
