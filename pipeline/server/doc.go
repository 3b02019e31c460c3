// Package server runs many pipelines in one process, for people and programs: a Set of
// them, each with a state of its own, that comes from a folder of files and from a Store;
// and Serve, which answers for it over HTTP. Metrics gives their figures to Prometheus.
package server
