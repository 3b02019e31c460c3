package kafka

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// What the topic of positions holds. Everything of one pipeline lies in one
// partition; partition 0 holds the number of partitions alone. Names and forms
// are frozen: a change is a new version beside the old one.
const (
	positionsTopic      = "_penstock_positions"
	positionsPartitions = 16
	partitionsKey       = "partitions"
	version             = 1
)

// storedPosition is the value under <pipeline>/<shard>.
type storedPosition struct {
	Version       int       `json:"version"`
	Incarnation   string    `json:"incarnation"`
	Position      string    `json:"position"` // major-minor
	Hash          string    `json:"hash,omitempty"`
	Added         uint64    `json:"added"`
	EntriesAdded  uint64    `json:"entries_added,omitempty"`
	ReplicationID string    `json:"replication_id,omitempty"`
	Instance      string    `json:"instance"`
	Time          time.Time `json:"time"`
}

// storedClaim is the value under <pipeline>/<lane>/claim.
type storedClaim struct {
	Version  int       `json:"version"`
	Instance string    `json:"instance"`
	Lanes    int       `json:"lanes"`
	Time     time.Time `json:"time"`
}

// storedPartitions is the value under partitions, in partition 0.
type storedPartitions struct {
	Version    int `json:"version"`
	Partitions int `json:"partitions"`
}

func claimKey(id pipeline.LaneID) string {
	return id.Pipeline + "/" + strconv.Itoa(id.Lane) + "/claim"
}

// laneOf gives the number of the lane of a claim's key, false for other keys.
func laneOf(key, name string) (int, bool) {
	number, ok := strings.CutPrefix(key, name+"/")
	if !ok {
		return 0, false
	}
	number, ok = strings.CutSuffix(number, "/claim")
	lane, err := strconv.Atoi(number)
	return lane, ok && err == nil && lane >= 0 && number == strconv.Itoa(lane)
}

// positionKey escapes the shard: a shard called "0/claim" is no claim.
func positionKey(name, shard string) string { return name + "/" + url.PathEscape(shard) }

// shardOf gives the shard of a position's key, false for other keys.
func shardOf(key, name string) (string, bool) {
	escaped, ok := strings.CutPrefix(key, name+"/")
	if !ok || strings.Contains(escaped, "/") {
		return "", false
	}
	shard, err := url.PathUnescape(escaped)
	return shard, err == nil
}

// partitionOf gives the partition, of n, that holds what belongs to a pipeline.
// FNV-1a, frozen.
func partitionOf(name string, n int) int32 {
	hash := fnv.New32a()
	hash.Write([]byte(name))
	return 1 + int32(hash.Sum32()%uint32(n-1))
}

func positionRecord(id pipeline.LaneID, partition int32, shard string, p pipeline.Position, now time.Time) *kgo.Record {
	return stored(partition, positionKey(id.Pipeline, shard), storedPosition{
		Version: version, Incarnation: p.Incarnation, Position: p.Offset.String(), Hash: p.Evidence.Hash,
		Added: p.Evidence.Added, EntriesAdded: p.Evidence.EntriesAdded, ReplicationID: p.Evidence.ReplicationID,
		Instance: id.Instance, Time: now.UTC(),
	})
}

// stored makes a record of the topic of positions.
func stored(partition int32, key string, value any) *kgo.Record {
	text, err := json.Marshal(value)
	if err != nil { // cannot be: the types above are plain
		text = fmt.Appendf(nil, `{"error":%q}`, err)
	}
	return &kgo.Record{Topic: positionsTopic, Partition: partition, Key: []byte(key), Value: text}
}

// decodePosition reads a stored position. A version of the future is an error:
// guessing would lose or double.
func decodePosition(value []byte) (pipeline.Position, error) {
	var s storedPosition
	if err := json.Unmarshal(value, &s); err != nil {
		return pipeline.Position{}, fmt.Errorf("a stored position cannot be read: %w", err)
	}
	if s.Version != version {
		return pipeline.Position{}, fmt.Errorf("a stored position has version %d, this Penstock knows %d; run the newer one", s.Version, version)
	}
	o, ok := pipeline.ParseOffset(s.Position)
	if !ok {
		return pipeline.Position{}, fmt.Errorf("a stored position reads %q, not major-minor", s.Position)
	}
	return pipeline.Position{Incarnation: s.Incarnation, Offset: o, Evidence: pipeline.Evidence{
		Hash: s.Hash, Added: s.Added, EntriesAdded: s.EntriesAdded, ReplicationID: s.ReplicationID,
	}}, nil
}
