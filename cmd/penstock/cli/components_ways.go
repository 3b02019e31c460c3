package cli

import (
	"github.com/penstock-io/penstock/transforms"
)

// ways are the built-in transforms that say where records go, which of them, and when.
func ways() []Transform {
	return []Transform{
		NewTransform(TransformInfo{
			Name: "key", Example: "key: value.user_id\n",
			Doc: "Gives records the key that an expression makes; key of a sink comes after it.",
		}, func(_ Environment, t transforms.KeySettings) (*transforms.Key, error) {
			return transforms.NewKey(t.Key)
		}),
		NewTransform(TransformInfo{
			Name: "headers", Example: "headers: {drop: [cookie, \"x-*\"], set: {user: value.user_id}}\n",
			Doc: "Takes headers away by their names, and writes others.",
		}, func(_ Environment, t transforms.HeadersSettings) (*transforms.Headers, error) {
			return transforms.NewHeaders(t)
		}),
		NewTransform(TransformInfo{
			Name: "sample", Example: "sample: {keep: 0.1, by: value.user_id}\n",
			Doc: `Lets a part of the records pass.

A record that comes again after a failure is decided as before.`,
		}, func(_ Environment, t transforms.SampleSettings) (*transforms.Sample, error) {
			return transforms.NewSample(t)
		}),
		NewTransform(TransformInfo{
			Name: "rate_limit", Example: "rate_limit: {records: 1000, per: 1s}\n",
			Doc: `Lets so many records go on in a time, of all shards of the pipeline together.

A batch goes on when its last record may, so batch.records of the source says how
evenly they go. What waits is mostly left in the source. When the pipeline is stopped,
what is held comes again at the next start.`,
		}, func(env Environment, t transforms.RateLimitSettings) (*transforms.RateLimit, error) {
			return transforms.NewRateLimit(t, env.Clock)
		}),
		NewTransform(TransformInfo{
			Name: "delay", Example: "delay: 5m\n",
			Doc: `Lets records go on when they are old enough.

A batch goes on when its newest record may. No more is read ahead than the window
holds. When the pipeline is stopped, what is held comes again at the next start.`,
		}, func(env Environment, t transforms.DelaySettings) (*transforms.Delay, error) {
			return transforms.NewDelay(t, env.Clock)
		}),
		NewTransform(TransformInfo{
			Name: "route", Example: "route: {match: 'user_behavior:(\\d+)', to: user_behavior_$1}\n",
			Doc: "Says which topic records go to: by an expression, or by a pattern.",
		}, func(_ Environment, t transforms.RouteSettings) (*transforms.Route, error) {
			return transforms.NewRoute(t)
		}),
	}
}
