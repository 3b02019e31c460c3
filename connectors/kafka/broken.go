//go:build !broken

package kafka

// fences is false only in a binary that shows what happens without.
const fences = true
