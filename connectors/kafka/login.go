package kafka

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Mechanisms that have no password.
const (
	oauthBearer = "oauthbearer"
	mskIAM      = "aws_msk_iam"
)

// tokenPatience is how long a token URL may take.
const tokenPatience = 10 * time.Second

// mechanism gives how to log in. What is in files is read for each connection.
func (s *SASL) mechanism() sasl.Mechanism {
	switch s.Mechanism {
	case "plain":
		return plain.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsMechanism()
	case "scram-sha-256":
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha256Mechanism()
	case oauthBearer:
		token := s.tokens()
		return oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			text, err := token()
			return oauth.Auth{Token: text}, err
		})
	case mskIAM:
		return aws.ManagedStreamingIAM(func(context.Context) (aws.Auth, error) { return s.AWS.read() })
	default:
		return scram.Auth{User: s.Username, Pass: s.Password.Reveal()}.AsSha512Mechanism()
	}
}

// tokens gives where the token of each connection comes from.
func (s *SASL) tokens() func() (string, error) {
	switch {
	case s.TokenFile != "":
		return func() (string, error) {
			text, err := os.ReadFile(s.TokenFile)
			if err != nil {
				return "", fmt.Errorf("sasl.token_file cannot be read: %w", err)
			}
			return string(bytes.TrimSpace(text)), nil
		}
	case s.Client != nil:
		return s.Client.tokens()
	default:
		return func() (string, error) { return s.Token.Reveal(), nil }
	}
}

// tokens asks for a token when there is none, or the last one has ended.
func (c *OAuthClient) tokens() func() (string, error) {
	config := clientcredentials.Config{ClientID: c.ID, ClientSecret: c.Secret.Reveal(), TokenURL: c.TokenURL, Scopes: c.Scopes}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Timeout: tokenPatience})
	source := config.TokenSource(ctx)
	return func() (string, error) {
		token, err := source.Token()
		if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok { // its text holds the answer
			return "", fmt.Errorf("%s gives no token: %s %s", c.TokenURL, refused.Response.Status, refused.ErrorCode)
		}
		if err != nil {
			return "", fmt.Errorf("%s gives no token: %w", c.TokenURL, err)
		}
		return token.AccessToken, nil
	}
}

// read gives the keys: those that are set, those of the file, or those of the
// environment, by the names that AWS gave them.
func (a *AWSKeys) read() (aws.Auth, error) {
	switch {
	case a != nil && a.AccessKeyID != "":
		return aws.Auth{AccessKey: a.AccessKeyID, SecretKey: a.SecretAccessKey.Reveal(), SessionToken: a.SessionToken.Reveal()}, nil
	case a != nil && a.CredentialsFile != "":
		return a.readFile()
	}
	keys := aws.Auth{AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN")}
	if keys.AccessKey == "" || keys.SecretKey == "" {
		return keys, errors.New("sasl.aws is not set, nor are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	return keys, nil
}

// readFile reads the section of the profile: lines of name = value.
func (a *AWSKeys) readFile() (aws.Auth, error) {
	text, err := os.ReadFile(a.CredentialsFile)
	if err != nil {
		return aws.Auth{}, fmt.Errorf("sasl.aws.credentials_file cannot be read: %w", err)
	}
	profile := a.Profile
	if profile == "" {
		profile = "default"
	}
	values := map[string]string{}
	section := ""
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if inner, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSpace(strings.TrimSuffix(inner, "]"))
		} else if name, value, ok := strings.Cut(line, "="); ok && section == profile {
			values[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(value)
		}
	}
	keys := aws.Auth{AccessKey: values["aws_access_key_id"], SecretKey: values["aws_secret_access_key"], SessionToken: values["aws_session_token"]}
	if keys.AccessKey == "" || keys.SecretKey == "" {
		return keys, fmt.Errorf("sasl.aws.credentials_file has no key in section [%s]: %s", profile, a.CredentialsFile)
	}
	return keys, nil
}
