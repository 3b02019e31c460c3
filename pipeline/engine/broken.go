//go:build !broken

package engine

// ticketsCount is false only in a binary that shows what happens without.
const ticketsCount = true
