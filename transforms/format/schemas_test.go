package format

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

// TestSubjects finds what does not go together, at the setting.
func TestSubjects(t *testing.T) {
	at := func(url, user, password string) *RegistrySettings {
		return &RegistrySettings{URL: pipeline.Secret(url), User: user, Password: pipeline.Secret(password)}
	}
	const local = "http://localhost:8081"
	for _, tc := range []struct {
		settings SubjectSettings
		schema   bool
		want     string // field: what; empty: nothing is wrong
	}{
		{SubjectSettings{Registry: at(local, "", "")}, false, ""},
		{SubjectSettings{Registry: at("https://a", "u", "p"), Subject: "s"}, false, ""},
		{SubjectSettings{Registry: at(local, "", ""), Subject: "s", Register: true}, true, ""},
		{SubjectSettings{}, true, ""},
		{SubjectSettings{}, false, ": nothing says what the schema is"},
		{SubjectSettings{Subject: "s"}, true, "subject: there is no registry to ask"},
		{SubjectSettings{Register: true}, true, "register: there is no registry to register at"},
		{SubjectSettings{Registry: at(local, "", "")}, true, "schema: values say by which schema they were written, and this one is of no subject"},
		{SubjectSettings{Registry: at(local, "", ""), Subject: "s", Register: true}, false, "register: there is no schema to register"},
		{SubjectSettings{Registry: at("localhost:8081", "", "")}, false, "registry.url: it is no http:// or https:// address"},
		{SubjectSettings{Registry: at(local, "", "p")}, false, "registry.password: it is the password of no user"},
	} {
		got := ""
		for _, p := range tc.settings.problems(tc.schema) {
			got += p.Field + ": " + p.What
		}
		if got != tc.want {
			t.Errorf("%+v: got %q, want %q", tc.settings, got, tc.want)
		}
	}
}
