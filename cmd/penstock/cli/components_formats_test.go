package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFormatsWithinFormats are taken in both ways they can be written, say their
// mistakes at their places, and come back from explain as they were.
func TestFormatsWithinFormats(t *testing.T) {
	for written, want := range map[string]string{
		"gzip":                        "gzip:\n        of: bytes\n        limit: 64 MiB",
		"{gzip: json}":                "gzip:\n        of: json\n        limit: 64 MiB",
		"{zstd: {base64: json}}":      "zstd:\n        of:\n          base64: json\n        limit: 64 MiB",
		"{lz4: {of: hex, limit: 1k}}": `! 5:34: "1k" is not a size`,
		"{snappy: {of: {csv: {columns: [a]}}, limit: 1 KiB}}": "snappy:\n        of:\n          csv:\n            columns: [a]\n            header: false\n            delimiter: ','\n        limit: 1 KiB",
		"{gzip: jsom}":                        `! 5:18: unknown format "jsom"; write json`,
		"{gzip: {base64: jsom}}":              `! 5:27: unknown format "jsom"; write json`,
		"{gzip: {limit: 1 MiB}}":              "gzip:\n        of: bytes\n        limit: 1 MiB",
		"{csv: {header: true, columns: [a]}}": "! 5:32: columns: the header has the names already; remove columns or header",
		"{pattern: '(?P<a>x'}":                "! 5:21: it is no pattern",
		"{access_log: combinde}":              `! 5:24: source.format.access_log has to be one of combined, common`,
	} {
		name := filepath.Join(t.TempDir(), "f.yaml")
		text := "name: f\nsource:\n  redis_list:\n    keys: [a]\n  format: " + written + "\nsink:\n  kafka: {brokers: ['localhost:9092'], topic: t}\n"
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := penstock(t, "explain", name)
		if mistake, ok := strings.CutPrefix(want, "! "); ok {
			if !strings.Contains(got.errOut, ":"+mistake) {
				t.Errorf("%s: got\n%s\nwant %s", written, got.errOut, mistake)
			}
			continue
		}
		if !strings.Contains(got.out, "format:\n      "+want+"\n") {
			t.Errorf("%s: got\n%s%s\nwant %s", written, got.out, got.errOut, want)
		}
		_, effective, _ := strings.Cut(got.out, "The file with every default\n")
		if err := os.WriteFile(name, []byte(effective), 0o600); err != nil {
			t.Fatal(err)
		}
		if again := penstock(t, "explain", name); again.out != got.out && !strings.HasSuffix(again.out, effective) {
			t.Errorf("%s: what explain wrote is explained otherwise:\n%s%s", written, again.out, again.errOut)
		}
	}
}

// TestFormatsOnlyRead are refused in a sink, before a record comes.
func TestFormatsOnlyRead(t *testing.T) {
	for format, want := range map[string]string{
		"access_log":                                    "this format is only read, not written",
		"{gzip: {pattern: '(?P<a>.*)'}}":                "this format is only read, not written",
		"{avro: {registry: {url: http://localhost:1}}}": "write subject: user_behavior_topic-value beside registry",
	} {
		name := filepath.Join(t.TempDir(), "f.yaml")
		text := "name: f\nsource: {redis_list: {keys: [a]}, format: json}\nsink: {kafka: {brokers: ['localhost:9092'], topic: t}, format: " + format + "}\n"
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := penstock(t, "validate", name); got.code != exitInvalid || !strings.Contains(got.errOut, "f.yaml:3:") || !strings.Contains(got.errOut, "sink.format: ") || !strings.Contains(got.errOut, want) {
			t.Errorf("%s: %+v", format, got)
		}
	}
}

// TestFieldsWithinFormats: the format within says whether values have fields.
func TestFieldsWithinFormats(t *testing.T) {
	for format, ok := range map[string]bool{"{gzip: json}": true, "gzip": false, "{gzip: {base64: text}}": false, "{base64: {hex: msgpack}}": true} {
		name := filepath.Join(t.TempDir(), "f.yaml")
		text := "name: f\nsource: {redis_list: {keys: [a]}, format: " + format + "}\ntransforms: [{filter: value.a == 1}]\nsink: {kafka: {brokers: ['localhost:9092'], topic: t}}\n"
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := penstock(t, "validate", name); (got.code == 0) != ok {
			t.Errorf("%s: %+v", format, got)
		}
	}
}
