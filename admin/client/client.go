// Package client calls the admin API of a gateway. Errors are sentences that can
// be shown to whoever asked. It has no state but the connections of its HTTP client
// and starts no goroutine of its own.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"gatewayd/admin/api"
)

const (
	dialTimeout    = 5 * time.Second
	requestTimeout = 30 * time.Second
	maxAnswerBytes = 64 << 20
)

// Client calls one gateway. All methods may be called from several goroutines.
type Client struct {
	base  *url.URL
	token string
	http  *http.Client
	retry time.Duration // before a broken event stream is taken up again
}

// New returns a client for the API at base, such as http://127.0.0.1:9900; without a
// scheme it is http. An empty token sends none.
func New(base, token string) (*Client, error) {
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("admin address: got %q; want http://HOST:PORT or https://HOST:PORT", base)
	}
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		ResponseHeaderTimeout: requestTimeout,
		TLSHandshakeTimeout:   dialTimeout,
		IdleConnTimeout:       time.Minute,
	}
	return &Client{base: u, token: token, http: &http.Client{Transport: transport, CheckRedirect: refuseRedirect}, retry: reconnectDelay}, nil
}

// refuseRedirect keeps the token from going where a redirect points.
func refuseRedirect(r *http.Request, _ []*http.Request) error {
	return fmt.Errorf("it redirects to %s, which is no admin API", r.URL)
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// fetch sends a request with body as JSON, unless it is nil, and decodes the answer.
func fetch[T any](ctx context.Context, c *Client, method, path string, body any) (answer T, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	text, err := c.text(ctx, method, path, body)
	if err != nil {
		return answer, err
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return answer, fmt.Errorf("cannot read the answer of %s: %w", c.base, err)
	}
	return answer, nil
}

// text sends a request and returns the body of its answer.
func (c *Client) text(ctx context.Context, method, path string, body any) ([]byte, error) {
	resp, err := c.send(ctx, method, path, body, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return nil, fmt.Errorf("cannot read the answer of %s: %w", c.base, err)
	}
	return text, nil
}

// send sends a request and returns its answer if that is a success; the caller closes its body.
func (c *Client) send(ctx context.Context, method, path string, body any, header http.Header) (*http.Response, error) {
	var content io.Reader
	if method != http.MethodGet {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("cannot encode the request: %w", err)
		}
		content = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.base.String(), "/")+path, content)
	if err != nil {
		return nil, fmt.Errorf("cannot make a request for %s: %w", c.base, err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	if content != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, c.refusal(resp)
	}
	return resp, nil
}

// explain words why there was no answer.
func (c *Client) explain(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("cannot reach the admin API at %s: nothing listens there; is gatewayd running, and is --admin right?: %w", c.base, err)
	}
	return fmt.Errorf("cannot reach the admin API at %s: %w", c.base, err)
}

// refusal decodes an answer that is no success. The result is an *api.Error.
func (c *Client) refusal(resp *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // what came is decoded or shown
	refused := &api.Error{}
	if json.Unmarshal(text, refused) != nil || refused.Message == "" {
		refused.Message = fmt.Sprintf("%s answered %s; is it the admin API of gatewayd?", c.base, resp.Status)
		if resp.StatusCode == http.StatusNotFound {
			refused.Message = fmt.Sprintf("%s has no such page; is it the admin API of gatewayd?", c.base)
		}
	}
	refused.Status = resp.StatusCode
	return refused
}
