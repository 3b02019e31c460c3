// Package host runs plugins: programs that transform records in a process of their own,
// over the protocol of package wire. A Plugin is a pipeline.Transform; whoever makes one
// closes it.
//
// A batch is one call, and several are under way at once; the engine keeps their order. A
// call that fails as a whole (the process has died, does not answer in time, or answers
// what is none) costs the process its life, and the batch is applied again in another one
// that is used by nobody else: so whatever fails there is this batch's fault. Where it fails
// again, the batch is halved, until the record is found that no process survives: it is
// refused, and on_error decides about it. That a process cannot be started is no record's
// fault: the batch comes again, and the pipeline is degraded.
package host
