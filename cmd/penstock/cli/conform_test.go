package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline/config"
)

// conformance names, for each component that is built in, the tests that carry it through
// the suite of its kind: a package, a function, and the subtest where it has one for each.
var conformance = map[string][]string{
	"source redis_list":            {"connectors/redis.TestSourcesConform"},
	"source redis_stream":          {"connectors/redis.TestStreamSourcesConform"},
	"source kafka":                 {"connectors/kafka.TestSourceConforms"},
	"source stdin":                 {"connectors/local.TestSourcesConform/stdin"},
	"source file":                  {"connectors/local.TestSourcesConform/file"},
	"source generate":              {"connectors/local.TestSourcesConform/generate"},
	"source watermill_redisstream": {"connectors/watermill.TestStockRedisSourceConforms"},
	"source watermill_kafka":       {"connectors/watermill.TestStockKafkaSourceConforms"},
	"sink kafka":                   {"connectors/kafka.TestSinkConforms", "connectors/kafka.TestPlainSinkConforms"},
	"sink stdout":                  {"connectors/local.TestSinksConform/stdout"},
	"sink file":                    {"connectors/local.TestSinksConform/file"},
	"sink drop":                    {"connectors/local.TestDropConforms"},
	"sink watermill_redisstream":   {"connectors/watermill.TestStockRedisSinkConforms"},
	"sink watermill_kafka":         {"connectors/watermill.TestStockKafkaSinkConforms"},
	"transform dedupe":             {"transforms.TestTransformsConform/dedupe", "cmd/penstock/cli.TestStoresConform/dedupe"},
	"transform lookup":             {"transforms.TestTransformsConform/lookup", "cmd/penstock/cli.TestStoresConform/lookup"},
	"transform plugin":             {"plugins/host.TestConforms"},
}

// inTables are the components of which a table of one test has a subtest each, of the
// same name.
var inTables = map[string]struct{ test, names string }{
	"transform": {"transforms.TestTransformsConform", "filter set compute drop rename key map extract hoist flatten split cast timestamp mask validate sample headers rate_limit delay route decode encode"},
	"format": {"transforms/format.TestFormatsConform", "json text bytes connect_json cloudevents debezium msgpack cbor avro protobuf json_schema yaml xml csv logfmt access_log pattern " +
		"base64 hex gzip zstd lz4 snappy"},
}

// TestBuiltInsConform: whatever is built in goes through the suite of its kind.
func TestBuiltInsConform(t *testing.T) {
	table := maps.Clone(conformance)
	for kind, one := range inTables {
		for name := range strings.FieldsSeq(one.names) {
			table[kind+" "+name] = []string{one.test + "/" + name}
		}
	}
	c, packages := BuiltIn().catalog(), map[string]declarations{}
	for kind, list := range map[string]struct {
		suite      string
		components []config.Component
	}{"source": {"Source", c.Sources}, "transform": {"Transform", c.Transforms}, "format": {"Transform", c.Formats}, "sink": {"Sink", c.Sinks}} {
		for _, name := range namesOf(list.components) {
			component := kind + " " + name
			if len(table[component]) == 0 {
				t.Errorf("%s is built in, and no test is named that carries it through conform.%s", component, list.suite)
			}
			for _, test := range table[component] {
				if what := suiteFault(t, packages, test, list.suite); what != "" {
					t.Errorf("%s: %s %s", component, test, what)
				}
			}
			delete(table, component)
		}
	}
	for component := range table {
		t.Errorf("%s is named here, and is not built in", component)
	}
}

// suiteFault says what is wrong with the name of a test that calls a suite; empty: nothing.
func suiteFault(t *testing.T, packages map[string]declarations, test, suite string) string {
	t.Helper()
	dot := strings.LastIndex(test, ".")
	path := test[:dot]
	function, subtest, inTable := strings.Cut(test[dot+1:], "/")
	if packages[path] == nil {
		packages[path] = testsOf(t, filepath.Join("..", "..", "..", filepath.FromSlash(path)))
	}
	found := packages[path][function]
	if found == nil || !found.names["conform."+suite] {
		return "is not there, or does not call conform." + suite
	}
	keys := maps.Clone(found.keys)
	for name := range found.names { // the table may be beside the test
		if other := packages[path][name]; other != nil {
			maps.Copy(keys, other.keys)
		}
	}
	if inTable && !keys[subtest] {
		return "has a table without it"
	}
	return ""
}

// declarations are those of a package's tests, by name.
type declarations map[string]*declaration

// declaration is what is looked for in one: the names that it mentions, and the texts that
// are keys of its tables.
type declaration struct{ names, keys map[string]bool }

// testsOf reads the tests of a package, whatever they are built for.
func testsOf(t *testing.T, dir string) declarations {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("tests in %s: %v, %v", dir, files, err)
	}
	all := declarations{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					all[d.Name.Name] = declared(d)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, is := spec.(*ast.ValueSpec); is {
						all[v.Names[0].Name] = declared(v)
					}
				}
			}
		}
	}
	return all
}

func declared(n ast.Node) *declaration {
	d := &declaration{map[string]bool{}, map[string]bool{}}
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			d.names[n.Name] = true
		case *ast.SelectorExpr:
			if of, is := n.X.(*ast.Ident); is {
				d.names[of.Name+"."+n.Sel.Name] = true
			}
		case *ast.KeyValueExpr:
			if key, is := n.Key.(*ast.BasicLit); is && key.Kind == token.STRING {
				text, _ := strconv.Unquote(key.Value)
				d.keys[text] = true
			}
		}
		return true
	})
	return d
}
