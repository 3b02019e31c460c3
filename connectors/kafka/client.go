package kafka

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// dialPatience is how long a connection to a broker may take.
const dialPatience = 5 * time.Second

// options gives what every client of the connection needs. Errors: Permanent
// where a certificate file cannot be used.
func (c Connection) options() ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(cmp.Or(c.ClientID, "penstock")),
		kgo.DialTimeout(dialPatience),
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.RetryBackoffFn(backoff),
		kgo.DisableClientMetrics(),
	}
	if c.Rack != "" {
		opts = append(opts, kgo.Rack(c.Rack))
	}
	if c.TLS != nil {
		conf, err := c.TLS.config()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(conf))
	}
	if c.SASL != nil {
		opts = append(opts, kgo.SASL(c.SASL.mechanism()))
	}
	return opts, nil
}

// pubSubOptions checks the connection, and gives what the client of a Publisher or
// Subscriber needs. A missing topic is made where the broker does that.
func (c *Connection) pubSubOptions() ([]kgo.Opt, error) {
	for _, problem := range c.validate() {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: problem.Field + ": " + problem.What, Do: problem.Do}
	}
	if len(c.Brokers) == 0 {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "there are no brokers", Do: "write host:port of one or more"}
	}
	opts, err := c.options()
	return append(opts, kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(10)), err
}

// backoff starts small, since the first try after a commit often comes a
// moment too early, and is capped low, since a broker that is back should be
// found at once.
func backoff(tries int) time.Duration {
	return min(time.Millisecond<<min(tries, 10), 500*time.Millisecond)
}

func (t *TLS) config() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CertFile != "" {
		if _, err := t.certificate(nil); err != nil {
			return nil, &pipeline.Error{Class: pipeline.Permanent, What: "tls.cert_file and tls.key_file of Kafka cannot be used", Err: err}
		}
		conf.GetClientCertificate = t.certificate
	}
	if t.CAFile == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "tls.ca_file of Kafka cannot be read", Err: err}
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "tls.ca_file of Kafka holds no certificate: " + t.CAFile,
			Do: "write the path of a PEM file"}
	}
	return conf, nil
}

// certificate reads the client's certificate, as a connection needs it.
func (t *TLS) certificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	return &cert, err
}

// codec gives the compression of that name, and none where a broker is too old
// for it.
func codec(name string) ([]kgo.CompressionCodec, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	}
	c, ok := codecs[name]
	if !ok {
		return nil, fmt.Errorf("unknown compression %q", name)
	}
	return []kgo.CompressionCodec{c, kgo.NoCompression()}, nil
}
