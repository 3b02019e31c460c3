package kafka

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/penstock-io/penstock/pipeline"
)

// Connection says how brokers are reached.
type Connection struct {
	Brokers  []string `yaml:"brokers" required:"true" doc:"Where to find the cluster: host:port of one or more brokers. An item may hold several, between commas, as environment variables do." example:"[\"localhost:9092\"]"`
	TLS      *TLS     `yaml:"tls" doc:"Encrypt connections; {} takes the system's certificate authorities."`
	SASL     *SASL    `yaml:"sasl" doc:"Log in to the brokers."`
	ClientID string   `yaml:"client_id" default:"penstock" doc:"What this client is called in the brokers' logs, metrics and quotas."`
	Rack     string   `yaml:"rack" doc:"Where this runs, as the brokers' broker.rack says it: what is read comes from a replica there, where the cluster allows that." example:"eu-west-1a"`
}

// TLS says whom to trust, and who this client is.
type TLS struct {
	CAFile     string `yaml:"ca_file" local:"true" doc:"Certificate authorities to trust, PEM; default: the system's." example:"/etc/ssl/kafka-ca.pem"`
	CertFile   string `yaml:"cert_file" local:"true" doc:"The certificate of this client, PEM, for brokers that ask for one (mutual TLS). It is read again for each connection." example:"/run/secrets/client.pem"`
	KeyFile    string `yaml:"key_file" local:"true" doc:"The key of that certificate, PEM, not encrypted." example:"/run/secrets/client-key.pem"`
	ServerName string `yaml:"server_name" doc:"The name in the brokers' certificates, where it is not their host name."`
}

// SASL says how to log in: with username and password, a token, or keys of AWS.
type SASL struct {
	Mechanism string          `yaml:"mechanism" default:"scram-sha-512" enum:"plain,scram-sha-256,scram-sha-512,oauthbearer,aws_msk_iam" doc:"How to log in: with username and password (plain, scram), with a token (oauthbearer), or with keys of AWS (aws_msk_iam)."`
	Username  string          `yaml:"username" doc:"Who logs in, with a password."`
	Password  pipeline.Secret `yaml:"password" doc:"The password; write it as ${ENV} or ${file:/run/secrets/x}." example:"${KAFKA_PASSWORD}"`
	Token     pipeline.Secret `yaml:"token" doc:"oauthbearer: the token itself, as long as it lasts." example:"${KAFKA_TOKEN}"`
	TokenFile string          `yaml:"token_file" local:"true" doc:"oauthbearer: a file with the token. It is read again for each connection." example:"/var/run/secrets/tokens/kafka"`
	Client    *OAuthClient    `yaml:"client_credentials" doc:"oauthbearer: ask a token URL for tokens, by the flow of client credentials (RFC 6749, 4.4). A token is asked for again when it ends."`
	AWS       *AWSKeys        `yaml:"aws" doc:"aws_msk_iam: the keys; without them those in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. The region is that in the brokers' names, else AWS_REGION."`
}

// OAuthClient is who asks for tokens, and where.
type OAuthClient struct {
	TokenURL string          `yaml:"token_url" required:"true" doc:"Where tokens are given." example:"https://login.example.com/oauth2/token"`
	ID       string          `yaml:"client_id" required:"true" doc:"Who asks."`
	Secret   pipeline.Secret `yaml:"client_secret" required:"true" doc:"The secret of that client; write it as ${ENV} or ${file:/run/secrets/x}." example:"${KAFKA_CLIENT_SECRET}"`
	Scopes   []string        `yaml:"scopes" doc:"What is asked for, where the giver wants it said." example:"[\"kafka\"]"`
}

// AWSKeys are keys of AWS, or the file that holds them.
type AWSKeys struct {
	AccessKeyID     string          `yaml:"access_key_id" doc:"The id of the access key."`
	SecretAccessKey pipeline.Secret `yaml:"secret_access_key" doc:"The access key; write it as ${ENV} or ${file:/run/secrets/x}." example:"${MSK_SECRET_KEY}"`
	SessionToken    pipeline.Secret `yaml:"session_token" doc:"The token that belongs to keys that end."`
	CredentialsFile string          `yaml:"credentials_file" local:"true" doc:"A file in the form of ~/.aws/credentials, in place of keys. It is read again for each connection." example:"/run/secrets/aws"`
	Profile         string          `yaml:"profile" default:"default" doc:"Which section of that file."`
}

// validate finds what decoding cannot. It makes an item of its own of each broker
// that was written among others, between commas.
func (c *Connection) validate() []pipeline.Problem {
	found := c.splitBrokers()
	if t := c.TLS; t != nil && (t.CertFile == "") != (t.KeyFile == "") {
		found = append(found, pipeline.Problem{Field: "tls", What: "a certificate needs its key, and a key its certificate", Do: "write both cert_file and key_file"})
	}
	if c.SASL != nil {
		found = append(found, c.SASL.validate()...)
	}
	return found
}

// validate finds what the mechanism lacks, and what it has no use for.
func (s *SASL) validate() []pipeline.Problem {
	problem := func(field, what, do string) []pipeline.Problem {
		return []pipeline.Problem{{Field: "sasl" + field, What: what, Do: do}}
	}
	user := s.Username != "" || s.Password != ""
	tokens := 0
	for _, given := range []bool{s.Token != "", s.TokenFile != "", s.Client != nil} {
		if given {
			tokens++
		}
	}
	switch s.Mechanism {
	case oauthBearer:
		switch {
		case user || s.AWS != nil:
			return problem(".mechanism", "oauthbearer logs in with a token alone", "leave out username, password and aws")
		case tokens != 1:
			return problem(".mechanism", "oauthbearer needs one token", "write one of token, token_file and client_credentials")
		case s.Client != nil && !isTokenURL(s.Client.TokenURL):
			return problem(".client_credentials.token_url", "not a URL of tokens", "write it like https://login.example.com/oauth2/token, without user and password")
		}
	case mskIAM:
		switch a := s.AWS; {
		case user || tokens > 0:
			return problem(".mechanism", "aws_msk_iam logs in with keys of AWS alone", "leave out username, password and tokens")
		case a == nil:
		case a.CredentialsFile != "" && (a.AccessKeyID != "" || a.SecretAccessKey != "" || a.SessionToken != ""):
			return problem(".aws", "keys stand beside a credentials_file", "leave one of them out")
		case (a.AccessKeyID == "") != (a.SecretAccessKey == "") || a.SessionToken != "" && a.AccessKeyID == "":
			return problem(".aws", "half of a key", "write both access_key_id and secret_access_key, or neither")
		}
	default:
		switch {
		case tokens > 0 || s.AWS != nil:
			return problem(".mechanism", "logs in with username and password alone", "set mechanism to oauthbearer or aws_msk_iam, or leave out tokens and aws")
		case s.Username == "" || s.Password == "":
			return problem("", "username and password are missing, or one of them", "write both, the password as ${ENV} or ${file:/run/secrets/x}")
		}
	}
	return nil
}

func isTokenURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}

// splitBrokers splits the items of brokers at commas, where all are addresses.
func (c *Connection) splitBrokers() []pipeline.Problem {
	var found []pipeline.Problem
	var all []string
	for i, item := range c.Brokers {
		brokers := strings.Split(item, ",")
		for j, broker := range brokers {
			broker = strings.TrimSpace(broker)
			if isAddress(broker) {
				all = append(all, broker)
				continue
			}
			what := "not an address"
			if len(brokers) > 1 {
				what = fmt.Sprintf("number %d of its %d is not an address", j+1, len(brokers))
			}
			found = append(found, pipeline.Problem{Field: fmt.Sprintf("brokers[%d]", i), What: what, Do: "write host:port, like localhost:9092"})
			break
		}
	}
	if len(found) == 0 {
		c.Brokers = all
	}
	return found
}

// isAddress tells whether a text is host:port.
func isAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || strings.ContainsAny(host, "/@ ") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}
