//go:build e2e && race

package redis

const raceDetector = true
