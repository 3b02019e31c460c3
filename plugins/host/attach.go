package host

import (
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/penstock-io/penstock/plugins/wire"
)

// reattachEnv names the variable that says which plugins somebody runs himself, in a debugger
// say: name=socket,name=socket. The SDKs print it.
const reattachEnv = "PENSTOCK_REATTACH"

// attached gives the socket at which the plugin listens that somebody runs himself; empty:
// nobody does.
func (p *Plugin) attached() string {
	for one := range strings.SplitSeq(os.Getenv(reattachEnv), ",") {
		if name, socket, ok := strings.Cut(one, "="); ok && name == p.name {
			return socket
		}
	}
	return ""
}

// attach dials a plugin that somebody else has started, and that nobody ends.
func (p *Plugin) attach(socket string) (*instance, error) {
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)))
	if err != nil {
		return nil, err
	}
	p.log.Warn("the plugin is one that runs already; its sha256 is not looked at, and it is waited for without end", "because", reattachEnv, "socket", socket)
	return &instance{conn: conn, rpc: wire.NewTransformClient(conn)}, nil
}
