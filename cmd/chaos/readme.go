package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The marks between which the table stands.
const (
	beginMark = "<!-- chaos: this table is made by go run ./cmd/chaos --readme README.md -->\n"
	endMark   = "<!-- chaos ends -->"
)

// between cuts a text at the marks.
func between(text string) (before, after string, err error) {
	before, rest, found := strings.Cut(text, beginMark)
	_, after, ends := strings.Cut(rest, endMark)
	if !found || !ends {
		return "", "", errors.New("the marks of the table are missing: " + strings.TrimSpace(beginMark) + " and " + endMark)
	}
	return before, after, nil
}

// kept adds the rows to those of earlier runs in the directory --out, of which they
// replace those of the same pipelines, and gives all in the order of the scenarios. So a
// table can be made of several runs; each row says when it was made.
func (r *Report) kept() ([]Row, error) {
	name := filepath.Join(r.options.out, "rows.json")
	var all []Row
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, row := range r.Rows {
		all = slices.DeleteFunc(all, func(old Row) bool { return old.Scenario == row.Scenario && old.Shape == row.Shape })
	}
	all = append(all, r.Rows...)
	place := func(row Row) int {
		return slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == row.Scenario })
	}
	slices.SortStableFunc(all, func(a, b Row) int { return 10*(place(a)-place(b)) + strings.Compare(string(a.Shape), string(b.Shape)) })
	if err := os.MkdirAll(r.options.out, 0o755); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := writeJSON(&out, all); err != nil {
		return nil, err
	}
	return all, os.WriteFile(name, out.Bytes(), 0o644) //nolint:gosec // figures are no secret
}

// writeReadme writes the table of rows into a file, between the marks.
func (r *Report) writeReadme(name string, rows []Row) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, after, err := between(string(text))
	if err != nil {
		return err
	}
	table := before + beginMark + r.markdown(rows) + endMark + after
	return os.WriteFile(name, []byte(table), 0o644) //nolint:gosec // a README is no secret
}

// markdown is the table for a README.
func (r *Report) markdown(rows []Row) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s; Redis %s, three brokers of Kafka %s; everything on the one machine.\n\n", r.Machine, r.Redis, r.Kafka)
	s.WriteString("| what is done | from | events | faults | starts again | lost | doubled | disordered | corrupt | | run |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range rows {
		fmt.Fprintf(&s, "| %s | %s | %s | %d | %d | %d | %s | %d | %d | %s | %s, seed %d |\n", whatOf(row.Scenario), row.Shape, thousands(row.Events),
			row.Faults, row.Restarts, row.Lost, thousands(row.Doubled), row.Disordered, row.Corrupt, row.remark(), row.Time.Format("2 Jan 2006"), row.Seed)
	}
	return s.String()
}
