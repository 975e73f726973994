package dashboard_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"gatewayd/admin/client"
)

var screenshots = flag.String("screenshots", "", "folder for the pictures of the documentation, taken in a run of about five minutes; empty: none are taken")

// sceneConfig runs three services, of which shop is slower and busier.
const sceneConfig = `
admin: {listen: %s}
listeners: [{name: web, address: "%s"}]
log: {level: warn}
routes:
  - {name: cart, match: {path: {prefix: /cart}}, service: cart}
  - {name: search, match: {path: {prefix: /search}}, service: search}
  - {name: shop, match: {path: {prefix: /}}, service: shop}
services:
  cart:
    healthCheck: {path: /health}
    provider: {process: {command: ["{{.Executable}}", demo-instance, --listen, "{{.Address}}", --latency, 4ms], output: discard}}
    resources: {cpu: 0.25, memory: 64MiB, pool: local}
    scaling: {minInstances: 1, maxInstances: 3, policies: [{name: busy, targetMetric: activeConnections, scaleUpThreshold: 12, scaleDownThreshold: 2}]}
  search:
    healthCheck: {path: /health}
    provider: {process: {command: ["{{.Executable}}", demo-instance, --listen, "{{.Address}}", --latency, 30ms], output: discard}}
    resources: {cpu: 0.5, memory: 128MiB, pool: local}
    scaling: {minInstances: 3, maxInstances: 3, policies: [{name: busy, targetMetric: activeConnections, scaleUpThreshold: 12, scaleDownThreshold: 2}]}
  shop:
    healthCheck: {path: /health}
    limits: {maxConcurrencyPerInstance: 4}
    provider: {process: {command: ["{{.Executable}}", demo-instance, --listen, "{{.Address}}", --version, "{{.Version}}", --latency, 40ms, --concurrency, "4"], output: discard}}
    resources: {cpu: 0.25, memory: 64MiB, pool: local}
    scaling:
      minInstances: 2
      maxInstances: 8
      scaleDownStabilization: 20s
      policies: [{name: wait, type: slo, objective: {waitBelow: 100ms, percent: 99}}]
    rollout:
      strategy: canary
      steps: [{weight: 10, duration: 20s}, {weight: 25, duration: 25s}, {weight: 50, duration: 90s}]
      analysis: {minRequests: 100}
resourcePools: [{name: local, capacity: {cpu: 8, memory: 4GiB, instances: 20}, price: {cpuHour: 0.0316, memoryGiBHour: 0.0042}}]
monitor:
  thresholds: [{metric: responseTime, warning: 400, critical: 3000, unit: ms, for: 10s}]
`

// TestScreenshots takes the pictures of the documentation from a real run under load.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("-screenshots names no folder")
	}
	admin, web := startGateway(t, sceneConfig)
	began := time.Now()
	wave := func(mean, height, period float64) func() float64 {
		return func() float64 { return mean + height*math.Sin(time.Since(began).Seconds()/period*2*math.Pi) }
	}
	loadAt(t, web+"/", wave(90, 55, 150))
	loadAt(t, web+"/search", wave(60, 8, 70))
	loadAt(t, web+"/cart", wave(30, 10, 40))

	p := newTab(t, admin+"/#/services/shop")
	p.t.Logf("collecting")
	p.pass(110 * time.Second)
	p.press("Deploy …")
	p.fill("version", "v2")
	p.press("Deploy")
	p.shows(".rollout", "Step 1 of 3")
	for !strings.Contains(p.text(".rollout"), "Step 3 of 3") {
		p.pass(time.Second)
	}
	p.pass(12 * time.Second)
	p.colours("dark")
	p.do(chromedp.EmulateViewport(1280, 1240))
	p.picture("dashboard-rollout-dark.png")

	slow(t, admin)
	p.colours("light")
	p.visit("#/")
	for !strings.Contains(p.text("main"), "slow-instance") {
		p.pass(time.Second)
	}
	p.pass(15 * time.Second)
	p.do(chromedp.EmulateViewport(1280, 900))
	p.picture("dashboard-services-light.png")
	p.do(chromedp.EmulateViewport(360, 780, chromedp.EmulateScale(1.5)))
	p.picture("dashboard-services-phone.png")
	p.visit("#/problems")
	p.colours("dark")
	p.picture("dashboard-problems-phone-dark.png")
	p.do(chromedp.EmulateViewport(1280, 700))
	p.visit("#/cost")
	p.colours("light")
	p.picture("dashboard-cost-light.png")
}

// pass lets d go by in the page.
func (p *tab) pass(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		eval[bool](p, `new Promise(resolve => setTimeout(resolve, 1000, true))`)
	}
}

// picture writes what is to be seen, with at most 256 colours.
func (p *tab) picture(name string) {
	p.t.Helper()
	p.pass(2 * time.Second)
	shot, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		p.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, fewColours(full)); err != nil {
		p.t.Fatal(err)
	}
	p.t.Logf("%s: %d KiB", name, out.Len()>>10)
	if err := os.WriteFile(filepath.Join(*screenshots, name), out.Bytes(), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// fewColours keeps the 256 colours that are there most and takes the nearest of them for the others.
func fewColours(full image.Image) *image.Paletted {
	counts := map[color.RGBA]int{}
	box := full.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(full.At(x, y)).(color.RGBA) }
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			counts[at(x, y)]++
		}
	}
	most := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int {
		return cmp.Or(counts[b]-counts[a], int(a.R)-int(b.R), int(a.G)-int(b.G), int(a.B)-int(b.B))
	})
	var palette color.Palette
	for _, c := range most[:min(256, len(most))] {
		palette = append(palette, c)
	}
	nearest := map[color.RGBA]uint8{}
	few := image.NewPaletted(box, palette)
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			c := at(x, y)
			index, ok := nearest[c]
			if !ok {
				index = uint8(palette.Index(c))
				nearest[c] = index
			}
			few.SetColorIndex(x, y, index)
		}
	}
	return few
}

// slow makes one instance of search slow.
func slow(t *testing.T, admin string) {
	t.Helper()
	c, err := client.New(admin, "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	service, err := c.Service(t.Context(), "search")
	if err != nil {
		t.Fatal(err)
	}
	address := service.Revisions[0].Instances[0].Address
	resp, err := http.Post(fmt.Sprintf("http://%s/break?mode=slow", address), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// loadAt sends requests to url at the rate per second that rate tells, whether or not those before have been answered, until the
// test ends.
func loadAt(t *testing.T, url string, rate func() float64) {
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	send := func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return
		}
		if resp, err := transport.RoundTrip(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	var running sync.WaitGroup
	running.Go(func() {
		const every = 20 * time.Millisecond
		tick := time.NewTicker(every)
		defer tick.Stop()
		for due := 0.0; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for due += rate() * every.Seconds(); due >= 1; due-- {
				running.Go(send)
			}
		}
	})
	t.Cleanup(func() { cancel(); running.Wait(); transport.CloseIdleConnections() })
}
