package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"text/template"
	"time"

	"gatewayd/config"
	"gatewayd/rollout"
)

// checkTimeout bounds an own check and a smoke request.
const checkTimeout = 10 * time.Second

// validate sends the smoke requests to every instance of the candidate, outside of the loop.
func (g *Gateway) validate(s *service, d *deployment) {
	var addresses []string
	if r := s.revision(d.st.Plan.Version); r != nil {
		for _, i := range r.instances {
			if i.serving() {
				addresses = append(addresses, i.endpoint.Address)
			}
		}
	}
	v := &validation{requests: s.spec.Rollout.Validation.Requests, addresses: addresses, scheme: "http",
		client: &http.Client{Timeout: checkTimeout, Transport: &http.Transport{TLSClientConfig: s.tls.config(), DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if s.tls != nil {
		v.scheme = "https"
	}
	g.background.Go(func() {
		result := v.run(g.life)
		g.mail.post(func() {
			if s.deploy == d {
				d.valid = &result
			}
		})
	})
}

// validation is the smoke requests that every instance of a candidate has to answer.
type validation struct {
	client    *http.Client
	scheme    string
	addresses []string
	requests  []config.SmokeRequest
}

// run stops at the first request that is not answered as expected.
func (v *validation) run(ctx context.Context) rollout.CheckResult {
	if len(v.addresses) == 0 {
		return rollout.CheckResult{Inconclusive: true, Detail: "no instance is ready"}
	}
	for _, address := range v.addresses {
		for i := range v.requests {
			if err := smoke(ctx, v.client, v.scheme+"://"+address, &v.requests[i]); err != nil {
				return rollout.CheckResult{Detail: fmt.Sprintf("%s %s at %s: %v", v.requests[i].Method, v.requests[i].Path, address, err)}
			}
		}
	}
	return rollout.CheckResult{OK: true, Detail: fmt.Sprintf("requests: %d, to each of %d ready", len(v.requests), len(v.addresses))}
}

func smoke(ctx context.Context, client *http.Client, base string, r *config.SmokeRequest) error {
	req, err := http.NewRequestWithContext(ctx, r.Method, base+r.Path, strings.NewReader(r.Body))
	if err != nil {
		return err
	}
	for name, value := range r.Headers {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	switch {
	case err != nil:
		return fmt.Errorf("cannot read the response: %w", err)
	case !r.ExpectStatus.Contains(res.StatusCode):
		return fmt.Errorf("got status %d; want %s", res.StatusCode, r.ExpectStatus)
	case !bytes.Contains(body, []byte(r.ExpectBody)):
		return fmt.Errorf("the body does not contain %q", r.ExpectBody)
	}
	return nil
}

// runCheck makes one of the owner's checks, outside of the loop.
func (g *Gateway) runCheck(s *service, d *deployment, name string) {
	for i := range d.st.Plan.Checks {
		c := d.st.Plan.Checks[i]
		if c.Name != name {
			continue
		}
		version := d.st.Plan.Version
		g.background.Go(func() {
			ctx, cancel := context.WithTimeout(g.life, checkTimeout)
			defer cancel()
			result := makeCheck(ctx, &c, s.name, version)
			result.Name = name
			g.mail.post(func() {
				if s.deploy == d {
					d.checks = append(d.checks, result)
				}
			})
		})
	}
}

func makeCheck(ctx context.Context, c *rollout.Check, service, version string) rollout.CheckResult {
	switch c.Kind {
	case rollout.CheckExec:
		return execCheck(ctx, c, service, version)
	case rollout.CheckPrometheus:
		return prometheusCheck(ctx, c, service, version)
	}
	res, err := getURL(ctx, c.URL)
	if err != nil {
		return rollout.CheckResult{Detail: err.Error()}
	}
	res.Body.Close()
	return rollout.CheckResult{OK: res.StatusCode >= 200 && res.StatusCode < 400, Detail: "status " + strconv.Itoa(res.StatusCode)}
}

func getURL(ctx context.Context, u string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}

func execCheck(ctx context.Context, c *rollout.Check, service, version string) rollout.CheckResult {
	cmd := exec.CommandContext(ctx, c.Command[0], c.Command[1:]...)
	cmd.Env = append(os.Environ(), "GATEWAYD_SERVICE="+service, "GATEWAYD_VERSION="+version)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	detail := strings.TrimSpace(string(out[:min(len(out), 500)]))
	if err != nil {
		return rollout.CheckResult{Detail: strings.TrimSpace(err.Error() + " " + detail)}
	}
	return rollout.CheckResult{OK: true, Detail: detail}
}

// prometheusCheck asks a Prometheus for one number. One that is away, or has no value yet, says nothing about the version.
func prometheusCheck(ctx context.Context, c *rollout.Check, service, version string) rollout.CheckResult {
	unknown := func(format string, args ...any) rollout.CheckResult {
		return rollout.CheckResult{Inconclusive: true, Detail: fmt.Sprintf(format, args...)}
	}
	query, err := fill(c.Query, service, version)
	if err != nil {
		return unknown("cannot fill in the query: %v", err)
	}
	res, err := getURL(ctx, strings.TrimSuffix(c.URL, "/")+"/api/v1/query?query="+url.QueryEscape(query))
	if err != nil {
		return unknown("%v", err)
	}
	defer res.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			ResultType string
			Result     json.RawMessage
		}
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer); err != nil || answer.Error != "" {
		return unknown("no answer to the query: %s %v", answer.Error, err)
	}
	v, ok := singleValue(answer.Data.ResultType, answer.Data.Result)
	if !ok {
		return unknown("the query gives no single number")
	}
	in := (c.Min == nil || v >= *c.Min) && (c.Max == nil || v <= *c.Max)
	return rollout.CheckResult{OK: in, Detail: fmt.Sprintf("the value is %g", v)}
}

// singleValue reads a scalar, or a vector of one sample.
func singleValue(kind string, raw json.RawMessage) (float64, bool) {
	var sample [2]any
	switch kind {
	case "scalar":
		if json.Unmarshal(raw, &sample) != nil {
			return 0, false
		}
	case "vector":
		var vector []struct{ Value [2]any }
		if json.Unmarshal(raw, &vector) != nil || len(vector) != 1 {
			return 0, false
		}
		sample = vector[0].Value
	}
	text, ok := sample[1].(string)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && v == v
}

func fill(text, service, version string) (string, error) {
	t, err := template.New("query").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, struct{ Service, Version string }{service, version})
	return b.String(), err
}
