package config_test

import (
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/penstock-io/penstock/pipeline/config"
)

// lookup knows a few variables and files.
func lookup() config.Lookup {
	variables := map[string]string{
		"KAFKA_PASSWORD": "open sesame", "EMPTY": "", "TOPIC": "from_env",
		"BAD_URL": "http://user:hunter2@host", "WITHIN": "5m",
	}
	files := map[string]string{"/run/secrets/token": "s3cr3t-token\n", "/run/secrets/lines": "a\nb\r\n"}
	return config.Lookup{
		Env: func(name string) (string, bool) { v, ok := variables[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, fmt.Errorf("open: %w", fs.ErrNotExist)
		},
	}
}

func parse(text string) ([]*config.Pipeline, error) {
	return config.Parse(catalog(), lookup(), config.File{Name: "test.yaml", Data: []byte(text)})
}

func TestParseGivesATypedSpec(t *testing.T) {
	text, err := os.ReadFile("testdata/user-behavior.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", got[0])
}
