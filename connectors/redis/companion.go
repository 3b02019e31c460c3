package redis

import (
	"strings"

	"github.com/penstock-io/penstock/pipeline"
)

// The companion of a key is a hash beside it, in the same slot of a Cluster.
// Names and fields are frozen.
const (
	companionPrefix  = "penstock:"
	companionVersion = "1"
)

// companionOf gives the name of a key's companion: penstock:{<key>}, or
// penstock::<key> where the key has a hash tag of its own
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags).
// A key for which neither lies in the key's slot is refused.
func companionOf(key string) (string, error) {
	if hashTag(key) != key {
		return companionPrefix + ":" + key, nil
	}
	if name := companionPrefix + "{" + key + "}"; hashTag(name) == key {
		return name, nil
	}
	return "", &pipeline.Error{Class: pipeline.Permanent, What: "no key beside " + key + " can lie in its slot, because of its braces",
		Do: "rename the key"}
}

// hashTag gives the part of a key that decides its slot.
func hashTag(key string) string {
	open := strings.IndexByte(key, '{')
	if open < 0 {
		return key
	}
	length := strings.IndexByte(key[open+1:], '}')
	if length <= 0 {
		return key
	}
	return key[open+1 : open+1+length]
}
