package config_test

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline/config"
)

func TestCatalogCheck(t *testing.T) {
	if err := (&config.Catalog{Sources: []config.Component{{Name: "a"}, {Name: "b"}}, Sinks: []config.Component{{Name: "a"}, {Name: "when"}}}).Check(); err != nil {
		t.Error(err)
	}
	err := (&config.Catalog{
		Sources:    []config.Component{{Name: "a"}, {Name: "format"}, {Name: "a"}},
		Transforms: []config.Component{{}, {Name: "on_error"}},
		Formats:    []config.Component{{Name: "f"}, {Name: "f"}},
		Sinks:      []config.Component{{Name: "format"}},
	}).Check()
	const want = `source format: that is the name of a setting beside it; call it otherwise
source a: there are two of that name; call one of them otherwise, or leave it out
transform number 1 of 2 has no name
transform on_error: that is the name of a setting beside it; call it otherwise
format f: there are two of that name; call one of them otherwise, or leave it out
sink format: that is the name of a setting beside it; call it otherwise`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
