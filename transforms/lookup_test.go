package transforms

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

const products = "name,sku,price\n\"shoes, red\",s1,12.50\nhat,s2,3\n"

func TestLookup(t *testing.T) {
	byCSV := LookupSettings{By: "value.item", Into: "value.product", CSV: products, Column: "sku", Missing: "refuse"}
	byName := LookupSettings{By: "value.item", Into: "value.in.product", CSV: products, Missing: "pass"}
	byJSON := LookupSettings{By: "value.item", Into: "value.item", JSON: `{"s1":{"price": 12.50},"7":[1],"":null}`, Missing: "refuse"}
	const nothing = "! the table has nothing for the record; add it to the table, or write missing: pass"
	for _, tc := range []struct {
		settings LookupSettings
		in, want string
	}{
		{byCSV, `{"item":"s1"}`, `{"item":"s1","product":{"name":"shoes, red","sku":"s1","price":"12.50"}}`},
		{byCSV, `{"item":"s3"}`, nothing},
		{byCSV, `{"item":null}`, nothing},
		{byName, `{"item":"hat"}`, `{"item":"hat","in":{"product":{"name":"hat","sku":"s2","price":"3"}}}`},
		{byName, `{"item":"s1"}`, `{"item":"s1"}`},
		{byJSON, `{"item":"s1","z":1}`, `{"item":{"price": 12.50},"z":1}`},
		{byJSON, `{"item":7}`, `{"item":[1]}`},
		{byJSON, `{"item":""}`, `{"item":null}`},
		{byJSON, `{"item":null}`, nothing},
	} {
		l, err := NewLookup(tc.settings)
		if err != nil {
			t.Fatal(err)
		}
		b := batch(t, tc.in)
		apply(t, l, b)
		r := &b.Records[0]
		got := string(r.Value.Raw())
		if r.Fate == pipeline.Failed {
			got = "! " + r.Failure.Err.Error()
		}
		if got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.in, got, tc.want)
		}
	}
	for want, s := range map[string]LookupSettings{
		"it looks things up in one table": {By: "1", Into: "value.a"},
		"it looks things up":              {By: "1", Into: "value.a", CSV: "a", JSON: "{}"},
		"value is all of the record":      {By: "1", Into: "value", CSV: "a\n"},
		"into key is no field":            {By: "1", Into: "key", CSV: "a\n"},
		"no such column":                  {By: "1", Into: "value.a", CSV: "a\n", Column: "b"},
		"row 3 is not CSV":                {By: "1", Into: "value.a", CSV: "a\n1\n1,2\n"},
		"row 3 is the second one":         {By: "1", Into: "value.a", CSV: "a\n1\n1\n"},
		"not JSON":                        {By: "1", Into: "value.a", JSON: "secret"},
		"it is an array":                  {By: "1", Into: "value.a", JSON: "[]"},
	} {
		if _, err := NewLookup(s); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", s, err)
		}
	}
}
