package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/cmd/bench/report"
	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// checkLimit is how long reading and judging a topic may take.
const checkLimit = 5 * time.Minute

func checkCommand() *cobra.Command {
	var brokers []string
	var topic string
	var events, users int
	var asJSON bool
	command := &cobra.Command{
		Use:   "check",
		Short: "Judge a topic against generated events: lost, doubled, disordered, corrupt",
		Long: `Judge a topic against generated events, as fill pushes them: lost, doubled,
disordered (within a user), corrupt. Ends with 1 unless all are 0.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			found, err := checkTopic(command.Context(), brokers, topic, events, users)
			if err != nil {
				return err
			}
			if asJSON {
				err = json.NewEncoder(command.OutOrStdout()).Encode(found)
			} else {
				_, err = fmt.Fprintln(command.OutOrStdout(), found)
			}
			if err == nil && !found.OK() {
				err = fmt.Errorf("topic %s does not hold each event once, whole and in order", topic)
			}
			return err
		},
	}
	flags := command.Flags()
	flags.StringSliceVar(&brokers, "brokers", []string{"localhost:9092"}, "host:port of Kafka's brokers")
	flags.StringVar(&topic, "topic", "user_behavior_topic", "the topic")
	flags.IntVar(&events, "events", 1_000_000, "how many events were pushed")
	flags.IntVar(&users, "users", defaultUsers, "of how many users")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

// checkTopic judges a topic against the first events of a shop.
func checkTopic(ctx context.Context, brokers []string, topic string, events, users int) (pipelinetest.Report, error) {
	if events < 0 {
		return pipelinetest.Report{}, errors.New("--events is negative")
	}
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	shop := local.NewShop(0, users) // the seed changes no count
	shop.Seek(uint64(events))
	return pipelinetest.Check(ctx, brokers, topic, shop.Counts())
}

// check judges the topic of a work.
func (b *bench) check(ctx context.Context, w work) (report.Verdict, error) {
	found, err := checkTopic(ctx, []string{b.kafka.Addr()}, w.topic, w.events, defaultUsers)
	return report.Verdict{
		Lost: found.Lost, Doubled: found.Doubled, Disordered: found.Disordered,
		Corrupt: found.Corrupt, Foreign: found.Foreign,
	}, err
}
