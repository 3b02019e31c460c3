//go:build unix

package pipelinetest

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/connectors/local"
)

func TestTakePrinted(t *testing.T) {
	shop := local.NewShop(1, 2)
	var lines []string
	for _, at := range []string{"Partition:0\tOffset:7", "Partition:3\tOffset:1", "Partition:0\tOffset:8"} {
		event, user := shop.Append(nil)
		lines = append(lines, at+"\t"+user+"\t"+string(event))
	}
	j := newJudge(shop.Counts())
	if err := takePrinted(strings.NewReader(strings.Join(lines, "\n")+"\n"), j); err != nil {
		t.Fatal(err)
	}
	if got := j.verdict(); !got.OK() || got.Records != 3 {
		t.Error(got)
	}

	j = newJudge(shop.Counts())
	if err := takePrinted(strings.NewReader(lines[0]+"\n"+lines[0]+"\n"+lines[1]), j); err != nil {
		t.Fatal(err)
	}
	if got := j.verdict(); got.Lost != 1 || got.Doubled != 1 {
		t.Error(got)
	}
}

func TestTakePrintedRefusesOtherLines(t *testing.T) {
	for _, line := range []string{
		"a line of a log",
		"Offset:7\tPartition:0\tk\tv",
		"Partition:x\tOffset:7\tk\tv",
		"Partition:0\tOffset:\tk\tv",
	} {
		if err := takePrinted(strings.NewReader(line), newJudge(nil)); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
}
