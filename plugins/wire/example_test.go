package wire_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/penstock-io/penstock/plugins/wire"
)

// What Penstock sends is records, one behind the other.
func ExampleAppendRecord() {
	r := wire.Record{Parts: wire.HasKey, Key: []byte("u1"), Value: []byte(`{"n":1}`), Headers: []wire.Header{{Name: []byte("h"), Value: []byte("x")}}}
	block := wire.AppendRecord(nil, &r)
	fmt.Println(len(block) == r.Size())

	var got wire.Record
	err := wire.NewReader(block).Record(&got)
	fmt.Printf("%s %s %s %v\n", got.Key, got.Value, got.Headers, err)
	// Output:
	// true
	// u1 {"n":1} [{h x}] <nil>
}

// What a plugin answers is read in turn.
func ExampleNewReader() {
	block := wire.AppendRun(nil, wire.Keep, 98)
	block = wire.AppendRefusal(block, "it has no user", false)
	block = wire.AppendRun(block, wire.Drop, 1)
	for in := wire.NewReader(block); !in.Done(); {
		a, err := in.Answer()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("kind %d: %d records, why %q\n", a.Kind, a.N, a.Why)
	}
	// Output:
	// kind 1: 98 records, why ""
	// kind 3: 0 records, why "it has no user"
	// kind 2: 1 records, why ""
}

// Of the next ten records none is changed.
func ExampleAppendRun() {
	fmt.Printf("%d\n", wire.AppendRun(nil, wire.Keep, 10))
	// Output: [1 10 0 0 0]
}

// The next record is refused for now, and may pass when it is tried again.
func ExampleAppendRefusal() {
	fmt.Printf("%q\n", wire.AppendRefusal(nil, "busy", true))
	// Output: "\x03\x01\x04\x00\x00\x00busy"
}

// The next record becomes one with another value; what Parts does not name stays as it was.
func ExampleAppendBecome() {
	block := wire.AppendBecome(nil, 1)
	block = wire.AppendRecord(block, &wire.Record{Parts: wire.NewValue, Value: []byte(`{"n":2}`)})

	in := wire.NewReader(block)
	var became wire.Record
	a, err := in.Answer()
	if err == nil {
		err = in.Record(&became)
	}
	fmt.Println(a.N, string(became.Value), became.Parts == wire.NewValue, err)
	// Output: 1 {"n":2} true <nil>
}

// upper is a plugin that is written without an SDK.
type upper struct {
	wire.UnimplementedTransformServer
}

// Describe tells what it is.
func (upper) Describe(context.Context, *wire.DescribeRequest) (*wire.DescribeResponse, error) {
	return &wire.DescribeResponse{Name: "upper", Version: "1.0.0", Doc: "Writes values in capitals.", Values: wire.Values_BYTES}, nil
}

// A plugin is a service of gRPC.
func ExampleRegisterTransformServer() {
	server := grpc.NewServer(grpc.MaxRecvMsgSize(wire.MaxMessage), grpc.MaxSendMsgSize(wire.MaxMessage))
	wire.RegisterTransformServer(server, upper{})
	for name, service := range server.GetServiceInfo() {
		fmt.Println(name, len(service.Methods))
	}
	// Output: penstock.plugin.v1.Transform 4
}

// Penstock's side asks over one connection. Here there is no process in between.
func ExampleNewTransformClient() {
	ctx := context.Background()
	at := bufconn.Listen(wire.Buffer)
	server := grpc.NewServer()
	wire.RegisterTransformServer(server, upper{})
	go server.Serve(at) //nolint:errcheck // the example ends with it
	defer server.Stop()

	conn, err := grpc.NewClient("passthrough:plugin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return at.DialContext(ctx) }))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	d, err := wire.NewTransformClient(conn).Describe(ctx, &wire.DescribeRequest{})
	fmt.Println(d.GetName(), d.GetVersion(), err)
	// Output: upper 1.0.0 <nil>
}
