package sdk

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"google.golang.org/grpc"

	"github.com/penstock-io/penstock/plugins/wire"
)

// debugged serves a plugin that was started by hand, until it is interrupted: whatever
// Penstock is told of it uses it.
func debugged(name string, server wire.TransformServer) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "penstock-debug-")
	if err == nil {
		defer os.RemoveAll(dir) //nolint:errcheck // a folder for temporary files
		err = serveAt(ctx, filepath.Join(dir, "plugin.sock"), name, server)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// serveAt serves at a socket, and says how Penstock is told of it.
func serveAt(ctx context.Context, socket, name string, server wire.TransformServer) error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	g := grpc.NewServer(limits()...)
	wire.RegisterTransformServer(g, server)
	defer context.AfterFunc(ctx, g.Stop)()
	fmt.Printf("The plugin waits. Where Penstock is started, say first (with the name of the program in command):\n\n  export PENSTOCK_REATTACH='%s=%s'\n\n", name, socket)
	return g.Serve(l)
}
