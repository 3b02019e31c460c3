package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// alone are settings that stand alone.
type alone struct {
	Name  string         `yaml:"name" required:"true" example:"x"`
	Every time.Duration  `yaml:"every" default:"5s" min:"1s"`
	List  []inner        `yaml:"list"`
	More  map[string]any `yaml:"more"`
}

type inner struct {
	Kind string `yaml:"kind" enum:"a,b" default:"a" doc:"One of two."`
}

func (a alone) Validate() []pipeline.Problem {
	if a.Name == "bad" {
		return []pipeline.Problem{{Field: "name", What: "is bad", Do: "write good"}}
	}
	return nil
}

func TestSettings(t *testing.T) {
	for text, want := range map[string]string{
		`{"name":"x","list":[{"kind":"b"},{}],"more":{"a":[1,"${X}"]}}`: "",
		`{}`:                                    ": name is missing",
		`{"nam":"x"}`:                           `nam: unknown field "nam"`,
		`{"name":1}`:                            "name: has to be text",
		`{"name":"x","every":"1ms"}`:            "every: has to be at least 1s",
		`{"name":"x","list":[{},{"kind":"c"}]}`: "list[1].kind: has to be one of a, b",
		`{"name":"x","list":{}}`:                "list: has to be a list",
		`{"name":"bad"}`:                        "name: is bad",
		`[]`:                                    ": this has to be an object, not a list",
		`{"name":`:                              ": ",
		``:                                      ": the file holds no settings",
	} {
		var into alone
		var all []string
		for _, p := range config.Settings(&into, []byte(text)) {
			all = append(all, p.Field+": "+p.What)
		}
		got := strings.Join(all, "|")
		if want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		if want == "" && (into.Every != 5*time.Second || into.List[0].Kind != "b" || into.List[1].Kind != "a" || into.More["a"].([]any)[1] != "${X}") {
			t.Errorf("%s: %+v", text, into)
		}
	}
}

func TestSettingsSchema(t *testing.T) {
	schema, err := config.SettingsSchema[alone]()
	if err != nil || !strings.Contains(string(schema), `"One of two."`) || !strings.Contains(string(schema), `"required"`) {
		t.Errorf("%s, %v", schema, err)
	}
}
