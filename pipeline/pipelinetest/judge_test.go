package pipelinetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/connectors/local"
)

// sent is one record of a topic that a test makes up.
type sent struct {
	partition int32
	key       string
	value     string
}

// as gives a user's events, in partition 0.
func as(user string, seqs ...int) []sent {
	var all []sent
	for _, seq := range seqs {
		all = append(all, sent{0, user, made(user, seq)})
	}
	return all
}

// in moves records to a partition.
func in(partition int32, records []sent) []sent {
	for i := range records {
		records[i].partition = partition
	}
	return records
}

func join(lists ...[]sent) []sent {
	var all []sent
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// faults shows each kind of fault with its exact count. Expected are u1-1 … u1-4
// and u2-1, u2-2.
var faults = map[string]struct {
	topic []sent
	want  Report
}{
	"nothing wrong": {
		join(as("u1", 1, 2), in(1, as("u2", 1, 2)), as("u1", 3, 4)),
		Report{Records: 6},
	},
	"nothing at all": {nil, Report{Lost: 6, Examples: []string{
		"lost: u1-1", "lost: u1-2", "lost: u1-3", "lost: u1-4", "lost: u2-1",
	}}},
	"one lost in the middle": {
		join(as("u1", 1, 2, 4), as("u2", 1, 2)),
		Report{Records: 5, Lost: 1, Examples: []string{"lost: u1-3"}},
	},
	"the end lost": {
		join(as("u1", 1, 2, 3), as("u2", 1)),
		Report{Records: 4, Lost: 2, Examples: []string{"lost: u1-4", "lost: u2-2"}},
	},
	"one doubled at once": {
		join(as("u1", 1, 2, 2, 3, 4), as("u2", 1, 2)),
		Report{Records: 7, Doubled: 1, Examples: []string{"doubled: u1-2, partition 0 offset 2"}},
	},
	"a batch doubled later is not disordered": {
		join(as("u1", 1, 2, 3, 4), as("u2", 1, 2), as("u1", 1, 2), as("u1", 1)),
		Report{Records: 9, Doubled: 3, Examples: []string{
			"doubled: u1-1, partition 0 offset 6", "doubled: u1-2, partition 0 offset 7", "doubled: u1-1, partition 0 offset 8",
		}},
	},
	"doubled in another partition": {
		join(as("u1", 1, 2, 3, 4), as("u2", 1, 2), in(1, as("u1", 4))),
		Report{Records: 7, Doubled: 1, Examples: []string{"doubled: u1-4, partition 1 offset 0"}},
	},
	"one late": {
		join(as("u1", 1, 3, 4, 2), as("u2", 1, 2)),
		Report{Records: 6, Disordered: 1, Examples: []string{"disordered: u1-2, partition 0 offset 3, after u1-4"}},
	},
	"one early makes those it overtook disordered": {
		join(as("u1", 4, 1, 2, 3), as("u2", 1, 2)),
		Report{Records: 6, Disordered: 3, Examples: []string{
			"disordered: u1-1, partition 0 offset 1, after u1-4",
			"disordered: u1-2, partition 0 offset 2, after u1-4",
			"disordered: u1-3, partition 0 offset 3, after u1-4",
		}},
	},
	"users overtake each other": {
		join(as("u2", 1), as("u1", 1, 2), as("u2", 2), as("u1", 3, 4)),
		Report{Records: 6},
	},
	"strayed to another partition": {
		join(as("u1", 1, 2, 3), in(1, as("u1", 4)), as("u2", 1, 2)),
		Report{Records: 6, Disordered: 1, Examples: []string{"disordered: u1-4, partition 1 offset 0, others in partition 0"}},
	},
	"a corrupt one stands for nothing": {
		join(as("u1", 1, 2, 3), []sent{{0, "u1", strings.Replace(made("u1", 4), "12.50", "99.99", 1)}}, as("u2", 1, 2)),
		Report{Records: 6, Corrupt: 1, Lost: 1, Examples: []string{"corrupt: partition 0 offset 3: its sum is wrong", "lost: u1-4"}},
	},
	"under another key": {
		join(as("u1", 1, 2, 3, 4), as("u2", 1), []sent{{0, "u1", made("u2", 2)}}),
		Report{Records: 6, Corrupt: 1, Lost: 1, Examples: []string{"corrupt: partition 0 offset 5: its key is not its user_id", "lost: u2-2"}},
	},
	"not an event": {
		join(as("u1", 1, 2, 3, 4), as("u2", 1, 2), []sent{{0, "u1", "hello"}, {0, "", ""}}),
		Report{Records: 8, Corrupt: 2, Examples: []string{
			"corrupt: partition 0 offset 6: " + errNotEvent.Error(), "corrupt: partition 0 offset 7: " + errNotEvent.Error(),
		}},
	},
	"events that nobody sent": {
		join(as("u1", 1, 2, 3, 4, 5), as("u2", 1, 2), as("u3", 1)),
		Report{Records: 8, Foreign: 2, Examples: []string{"foreign: u1-5, partition 0 offset 4", "foreign: u3-1, partition 0 offset 7"}},
	},
	"a little of everything": {
		join(as("u1", 2, 1, 1), as("u3", 1), []sent{{0, "", "x"}}, as("u1", 4), as("u2", 1, 2)),
		Report{Records: 8, Lost: 1, Doubled: 1, Disordered: 1, Corrupt: 1, Foreign: 1, Examples: []string{
			"foreign: u3-1, partition 0 offset 3", "corrupt: partition 0 offset 4: " + errNotEvent.Error(),
			"disordered: u1-1, partition 0 offset 1, after u1-2", "doubled: u1-1, partition 0 offset 2", "lost: u1-3",
		}},
	},
}

var expected = Expectation{"u1": 4, "u2": 2}

func TestJudgeCountsEachFault(t *testing.T) {
	for name, c := range faults {
		t.Run(name, func(t *testing.T) {
			forward, backward := newJudge(expected), newJudge(expected)
			feed(forward, c.topic, 0, 1)
			feed(backward, c.topic, 1, 0)
			got := forward.verdict()
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if got.OK() != (len(c.want.Examples) == 0) {
				t.Errorf("OK is %t for %s", got.OK(), got)
			}
			other := backward.verdict()
			got.Examples, other.Examples = nil, nil
			if !reflect.DeepEqual(got, other) {
				t.Errorf("partitions read in another order give another report: %s, %s", got, other)
			}
		})
	}
}

// feed hands a topic to a judge, one partition after the other.
func feed(j *judge, topic []sent, partitions ...int32) {
	for _, partition := range partitions {
		offset := int64(0)
		for _, s := range topic {
			if s.partition == partition {
				j.take(partition, offset, []byte(s.key), []byte(s.value))
				offset++
			}
		}
	}
}

func TestJudgeAgreesWithTheShop(t *testing.T) {
	shop := local.NewShop(7, 30)
	events := make([][2][]byte, 1000)
	for i := range events {
		event, user := shop.Append(nil)
		events[i] = [2][]byte{[]byte(user), event}
	}
	j := newJudge(shop.Counts())
	for i, e := range events {
		j.take(0, int64(i), e[0], e[1])
	}
	if got := j.verdict(); !got.OK() || got.Records != len(events) {
		t.Error(got)
	}
}

func TestReportForPeopleAndPrograms(t *testing.T) {
	r := Report{Records: 3, Lost: 1, Doubled: 2, Disordered: 3, Corrupt: 4, Foreign: 5, Examples: []string{"lost: u1-2"}}
	want := "3 records: 1 lost, 2 doubled, 3 disordered, 4 corrupt, 5 foreign\n  lost: u1-2"
	if got := fmt.Sprint(r); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	text, err := json.Marshal(r)
	want = `{"records":3,"lost":1,"doubled":2,"disordered":3,"corrupt":4,"foreign":5,"examples":["lost: u1-2"]}`
	if string(text) != want || err != nil {
		t.Errorf("got %s, %v", text, err)
	}
}

func BenchmarkJudge(b *testing.B) {
	shop := local.NewShop(7, 1000)
	shop.Seek(1 << 20)
	want := shop.Counts()
	shop.Seek(0)
	event, user := shop.Append(nil)
	j := newJudge(want)
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		j.take(0, 0, []byte(user), event)
		j.partitions[0] = j.partitions[0][:0]
	}
}
