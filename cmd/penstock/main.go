// Command penstock moves records from Redis to Kafka as pipeline files say.
package main

import (
	"os"

	"github.com/penstock-io/penstock/cmd/penstock/cli"
)

func main() { os.Exit(cli.Main(cli.BuiltIn())) }
