// Package sdk is what a plugin of Penstock is written with: a transform that runs as a
// process of its own. Its main is one call:
//
//	func main() {
//		sdk.Serve(sdk.Plugin[settings]{
//			Name: "shout", Version: "1.0.0", Doc: "Writes the user's name in capitals.",
//			New: func(s settings) (sdk.Transform, error) {
//				return sdk.Func(func(_ context.Context, r *sdk.Record) ([]*sdk.Record, error) {
//					name, ok := r.Text("user")
//					if !ok {
//						return []*sdk.Record{r}, nil // it has no user, and goes on as it is
//					}
//					return []*sdk.Record{r}, r.Set(strings.ToUpper(name), "user")
//				}), nil
//			},
//		})
//	}
//
// The settings are a struct; the tags of its fields say what they take, as those of the
// built-in transforms do (package pipeline/config): `yaml:"fields" required:"true" doc:"…"`.
//
// # The rules
//
// A transform runs at least once for a record: after a failure a batch comes again, in
// another process perhaps. What it does beside giving records back may happen twice, and
// what it remembers may be forgotten. Calls come from several goroutines at once. Standard
// error goes to the log of Penstock, a line an entry; standard output is the protocol's, and
// nothing else may be written there. A record's bytes are good until the call returns.
package sdk
