// Package configs holds pipeline files that run as they are. They are listed in
// README.md; penstock demo runs UserBehavior.
package configs

import _ "embed"

// UserBehavior is user-behavior.yaml: a Redis list into a Kafka topic.
//
//go:embed user-behavior.yaml
var UserBehavior []byte
