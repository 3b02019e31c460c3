package cli

import (
	"encoding/json"
	"encoding/xml"
	"os"
)

// testReport is what test --json answers.
type testReport struct {
	Tests  int          `json:"tests"`
	Failed int          `json:"failed"`
	Each   []testResult `json:"results"`
}

type testResult struct {
	Pipeline string `json:"pipeline"`
	Test     string `json:"test"`
	At       string `json:"at"`
	Passed   bool   `json:"passed"`
	// Expected and Got are lists of records, where the test looks.
	Expected   json.RawMessage `json:"expected"`
	Got        json.RawMessage `json:"got"`
	Difference string          `json:"difference,omitempty"`
}

func reportOf(all []*tried) testReport {
	report := testReport{Tests: len(all), Failed: failures(all), Each: []testResult{}}
	for _, t := range all {
		report.Each = append(report.Each, testResult{
			Pipeline: t.pipeline.Name, Test: t.test.Name, At: t.test.At.String(), Passed: t.passed(),
			Expected: json.RawMessage(t.want), Got: json.RawMessage(t.got), Difference: t.difference(),
		})
	}
	return report
}

// The elements of JUnit's XML that its readers agree on.
type (
	junitSuites struct {
		XMLName  xml.Name `xml:"testsuites"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Suites   []*junitSuite
	}
	junitSuite struct {
		XMLName  xml.Name `xml:"testsuite"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Cases    []junitCase
	}
	junitCase struct {
		XMLName xml.Name      `xml:"testcase"`
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr"`
		Failure *junitFailure `xml:"failure"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",cdata"`
	}
)

// writeJUnit writes a suite a pipeline to a file.
func writeJUnit(name string, all []*tried) error {
	suites := junitSuites{Tests: len(all), Failures: failures(all)}
	for i, t := range all {
		if i == 0 || all[i-1].pipeline != t.pipeline {
			suites.Suites = append(suites.Suites, &junitSuite{Name: t.pipeline.Name})
		}
		suite := suites.Suites[len(suites.Suites)-1]
		one := junitCase{Name: t.test.Name, Class: t.pipeline.Name, File: t.test.At.File, Line: t.test.At.Line}
		suite.Tests++
		if !t.passed() {
			suite.Failures++
			one.Failure = &junitFailure{Message: "what came is not what is expected", Text: "\n" + t.difference()}
		}
		suite.Cases = append(suite.Cases, one)
	}
	text, err := xml.MarshalIndent(suites, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append([]byte(xml.Header), append(text, '\n')...), 0o644) //nolint:gosec // a report, for whoever runs CI
}
