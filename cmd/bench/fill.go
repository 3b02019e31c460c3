package main

import (
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/cmd/bench/measure"
)

func fillCommand() *cobra.Command {
	var fill measure.Fill
	var url, shape string
	command := &cobra.Command{
		Use:   "fill",
		Short: "Push generated events into a Redis list or stream",
		Long: `Push generated events into a Redis list or stream. The same --seed and --users give
the same events, so that check can judge where they arrive. With --shards 8 they
go to KEY:0 … KEY:7, all events of a user into the same. A Redis that does not answer
ends it with an error: what it holds then is not known.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			options, err := redis.ParseURL(url)
			if err != nil {
				return fmt.Errorf("--redis: %w", err)
			}
			// A push whose answer is late must not be sent again: that would double
			// events, and check would blame the mover.
			options.MaxRetries = -1
			client := redis.NewClient(options)
			defer client.Close()
			fill.Shape = measure.Shape(shape)
			p := newProgress()
			defer p.clear()
			return fill.Run(command.Context(), client, func(events int) {
				p.say("%d of %d events", events, fill.Events)
			})
		},
	}
	flags := command.Flags()
	flags.StringVar(&url, "redis", "redis://localhost:6379/0", "URL of Redis")
	flags.StringVar(&shape, "shape", "list", "list (RPUSH) or stream (XADD, field payload)")
	flags.StringVar(&fill.Key, "key", "user_behavior", "the list or stream")
	flags.IntVar(&fill.Shards, "shards", 1, "how many keys to spread users over")
	flags.IntVar(&fill.Events, "events", 1_000_000, "how many")
	flags.IntVar(&fill.Users, "users", defaultUsers, "of how many users")
	flags.Uint64Var(&fill.Seed, "seed", seed, "which events")
	flags.IntVar(&fill.Rate, "rate", 0, "events a second; 0: as fast as it goes")
	return command
}
