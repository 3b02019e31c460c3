// Package server shows what pipelines are doing: Metrics gives their figures to
// Prometheus.
package server
