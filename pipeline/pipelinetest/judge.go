package pipelinetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Expectation says which events were sent: for each user u the events u-1, u-2,
// … up to the number given, in that order. The shop of package connectors/local
// gives it as Counts.
type Expectation map[string]int

// Report is the judgement over a topic. Each record is counted once among
// Doubled, Disordered, Corrupt and Foreign, or not at all.
type Report struct {
	// Records is how many committed records the topic holds.
	Records int `json:"records"`
	// Lost is how many expected events have no whole record.
	Lost int `json:"lost"`
	// Doubled is how many records hold an event that an earlier one has held.
	Doubled int `json:"doubled"`
	// Disordered is how many events came, for the first time, after a later
	// event of their user, or in another partition than the user's lowest.
	Disordered int `json:"disordered"`
	// Corrupt is how many records are not whole events with their user as key.
	// They stand for no event: what they should have been is lost.
	Corrupt int `json:"corrupt"`
	// Foreign is how many records hold a whole event that is not expected.
	Foreign int `json:"foreign"`
	// Examples tells of the first few of each kind, without their contents.
	Examples []string `json:"examples,omitempty"`
}

// OK says whether every event is there once, whole and in order, and nothing else.
func (r Report) OK() bool { return r.Lost+r.Doubled+r.Disordered+r.Corrupt+r.Foreign == 0 }

// String gives one line of counts, and a line for each example.
func (r Report) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d records: %d lost, %d doubled, %d disordered, %d corrupt, %d foreign",
		r.Records, r.Lost, r.Doubled, r.Disordered, r.Corrupt, r.Foreign)
	for _, example := range r.Examples {
		s.WriteString("\n  ")
		s.WriteString(example)
	}
	return s.String()
}

// maxExamples is how many examples of each kind a report holds.
const maxExamples = 5

// judge takes the records of a topic in any order of partitions, and in the order
// of offsets within one, and gives the report.
type judge struct {
	users      map[string]*user
	partitions map[int32][]arrival
	report     Report
}

// user is what is known of one user.
type user struct {
	name string
	want int
	seen []uint64 // a bit for each seq
	top  int      // highest seq so far
	home int32    // lowest partition with an event of this user
}

// arrival is a record that holds an expected event.
type arrival struct {
	user   *user
	seq    int
	offset int64
}

func newJudge(want Expectation) *judge {
	j := &judge{users: make(map[string]*user, len(want)), partitions: map[int32][]arrival{}}
	for name, n := range want {
		j.users[name] = &user{name: name, want: n, seen: make([]uint64, n/64+1), home: -1}
	}
	return j
}

// take notes one record.
func (j *judge) take(partition int32, offset int64, key, value []byte) {
	j.report.Records++
	e, err := parseEvent(key, value)
	if err != nil {
		j.count(&j.report.Corrupt, "corrupt: partition %d offset %d: %v", partition, offset, err)
		return
	}
	u := j.users[string(e.user)]
	if u == nil || e.seq > u.want {
		j.count(&j.report.Foreign, "foreign: %s, partition %d offset %d", e.id, partition, offset)
		return
	}
	if u.home < 0 || partition < u.home {
		u.home = partition
	}
	j.partitions[partition] = append(j.partitions[partition], arrival{u, e.seq, offset})
}

// verdict judges what was taken: partition after partition, so that the result
// does not depend on which was read first.
func (j *judge) verdict() Report {
	for _, partition := range slices.Sorted(maps.Keys(j.partitions)) {
		for _, a := range j.partitions[partition] {
			j.place(partition, a)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.users)) {
		u := j.users[name]
		for seq := 1; seq <= u.want; seq++ {
			if !u.has(seq) {
				j.count(&j.report.Lost, "lost: %s-%d", name, seq)
			}
		}
	}
	return j.report
}

// place judges one expected event against those before it.
func (j *judge) place(partition int32, a arrival) {
	u := a.user
	switch {
	case u.has(a.seq):
		j.count(&j.report.Doubled, "doubled: %s-%d, partition %d offset %d", u.name, a.seq, partition, a.offset)
	case partition != u.home:
		j.count(&j.report.Disordered, "disordered: %s-%d, partition %d offset %d, others in partition %d",
			u.name, a.seq, partition, a.offset, u.home)
	case a.seq < u.top:
		j.count(&j.report.Disordered, "disordered: %s-%d, partition %d offset %d, after %s-%d",
			u.name, a.seq, partition, a.offset, u.name, u.top)
	}
	u.seen[a.seq/64] |= 1 << (a.seq % 64)
	u.top = max(u.top, a.seq)
}

func (u *user) has(seq int) bool { return u.seen[seq/64]&(1<<(seq%64)) != 0 }

// count adds one to a kind, with an example while there are few of it.
func (j *judge) count(kind *int, format string, args ...any) {
	if *kind++; *kind <= maxExamples {
		j.report.Examples = append(j.report.Examples, fmt.Sprintf(format, args...))
	}
}
