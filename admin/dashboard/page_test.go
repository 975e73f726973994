package dashboard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"gatewayd/admin"
	"gatewayd/admin/api"
	"gatewayd/events"
)

func tokens() []admin.Token {
	return []admin.Token{{Name: "vic", Role: admin.RoleViewer, Value: "viewer-token"}, {Name: "olga", Role: admin.RoleOperator, Value: "operator-token"}}
}

func TestLogIn(t *testing.T) {
	s := newStage(t, tokens()...)
	p := newTab(t, s.address, 401)
	p.shows("dialog[open]", "a token is needed")
	p.logIn("guess")
	p.shows("dialog[open] [role=alert]", "the token is not one of admin.tokens")
	p.do(chromedp.KeyEvent(kb.Escape), chromedp.KeyEvent(kb.Escape))
	p.wait(`document.querySelector('dialog[open]') !== null`) // there is nothing to see without a token
	p.logIn("operator-token")
	p.shows("main", "shop")
	p.lacks("dialog")
	p.has(".top", "v9.9.9")
	p.do(chromedp.Reload())
	p.shows("main", "shop") // the token stays with the tab
	p.press("Log out")
	p.shows("dialog[open]", "a token is needed")
	if eval[int](p, `sessionStorage.length`) != 0 {
		t.Fatal("the token is still kept")
	}
}

func TestARevokedTokenAsksAgain(t *testing.T) {
	s := newStage(t, tokens()...)
	p := newTab(t, s.address, 401)
	p.logIn("viewer-token")
	p.shows("main", "shop")
	eval[bool](p, `(sessionStorage.setItem('gatewayd-token', 'revoked'), true)`)
	p.shows("dialog[open]", "not one of admin.tokens")
}

func TestWhatAViewerMayNot(t *testing.T) {
	s := newStage(t, tokens()...)
	p := newTab(t, s.address, 401)
	p.logIn("viewer-token")
	p.shows("main", "shop")
	p.has(".who", "vic · viewer")
	denied := `[...document.querySelectorAll('main button:not(.windows button)')].filter(b => !b.getAttribute('aria-label')?.startsWith('Copy'))`
	for _, hash := range []string{"#/services/shop", "#/rollouts", "#/problems", "#/"} {
		p.visit(hash)
		p.wait(denied + `.length > 0`)
		if got := eval[string](p, denied+`.filter(b => !b.disabled || !/^This needs the role (operator|admin); vic is viewer\.$/.test(b.title)).map(b => b.textContent).join()`); got != "" {
			t.Errorf("%s: a viewer may press %s", hash, got)
		}
	}
	p.visit("#/services/shop")
	p.do(chromedp.Click(chromedp.CSS(`button[aria-label="Drain v1-a"]`))) // nothing comes of it
	s.called(t)

	p.press("Log out")
	p.logIn("operator-token")
	p.shows(".who", "olga · operator")
	p.wait(`document.querySelector('button[aria-label="Drain v1-a"]').disabled === false`)
	p.visit("#/")
	p.wait(`[...document.querySelectorAll('footer button')].find(b => b.textContent === 'Reload …').title === 'This needs the role admin; olga is operator.'`)

	promoted := tokens()
	promoted[1].Role = admin.RoleAdmin
	if err := s.api.SetAccess(admin.Access{Tokens: promoted}); err != nil {
		t.Fatal(err)
	}
	s.change(func() { s.status.Config.Generation++ }) // a reload of the config gave olga more
	p.shows(".who", "olga · admin")
}

func TestOverview(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address)
	p.shows("tr[data-row=shop]", "120 /s")
	for _, text := range []string{"degraded", "v1 75 % · v2 25 %", "87.5 ms", "0.4 %", "2 / 3", "9", "7"} {
		p.has("tr[data-row=shop]", text)
	}
	p.has("tr[data-row=cart]", "healthy")
	p.has(".tiles", "132 /s")
	p.has("tr[data-row=shop]", "1 of 3 instances is not fit for traffic; 1 alert; 1 bottleneck; rollout under way")
	p.lacks(".banner")
	p.shows("main", "response time is 3.2 s")
	p.shows("main", "Run one instance more.")
	p.has("nav", "Problems2")
	p.shows("main", "shop from 2 to 3 instances")
	p.wait(`document.title === 'degraded · gatewayd'`)
	s.change(func() { s.status.Services[1].RequestRate, s.status.Overall = 777, api.Healthy })
	p.shows("tr[data-row=shop]", "777 /s") // it is live
	p.wait(`document.title === 'gatewayd'`)
	s.change(func() {
		s.status.Reasons = append(s.status.Reasons, "warning: the gateway gets too little cpu", "the state file cannot be written")
		s.findings = append([]api.Finding{{ID: "f-0", Type: "gateway", Severity: "warning", Since: time.Now(), Cause: "the gateway gets too little cpu"}}, s.findings...)
	})
	p.shows(".banner", "the state file cannot be written") // it is about the gateway itself
	p.shows("main", "the gateway gets too little cpu")
	if got := p.text("#top"); strings.Contains(got, "too little cpu") {
		t.Fatalf("what is shown as a bottleneck is told twice: %q", got)
	}
	p.lacks(".problems a[href$='/']") // it belongs to no service
}

func TestCharts(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address+"/#/services/shop")
	chart := func(title string) string {
		return fmt.Sprintf(`document.querySelector('svg[aria-label^="%s:"]')`, title)
	}
	p.wait(chart("Requests") + `.getAttribute('aria-label') === 'Requests: all 120 /s, errors 0.48 /s'`)
	p.wait(chart("Instances") + `.getAttribute('aria-label') === 'Instances: ready 2, target 3, demand 4'`)
	p.wait(chart("Traffic by version") + `.getAttribute('aria-label') === 'Traffic by version: v0 0 %, v1 75 %, v2 25 %'`)
	p.wait(chart("Latency") + `.getAttribute('aria-label') === 'Latency: p50 17.5 ms, p95 87.5 ms, p99 140 ms'`)
	p.wait(chart("Work") + `.getAttribute('aria-label') === 'Work: in flight 9, waiting 7'`)
	p.wait(chart("Use of what instances are given") + `.getAttribute('aria-label') === 'Use of what instances are given: cpu 41.5 %, memory 20 %'`)
	eval[bool](p, `(`+chart("Requests")+`.focus(), true)`)
	p.do(chromedp.KeyEvent(kb.ArrowLeft))
	p.wait(`document.querySelectorAll('.x .pointed').length === 6`) // all charts tell of the same moment
	p.do(chromedp.KeyEvent(kb.Escape))
	p.wait(`document.querySelectorAll('.x .pointed').length === 0`)
}

// TestChartsBeginWithTheHistory looks at a page that was just opened, and at the longer windows.
func TestChartsBeginWithTheHistory(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address+"/#/services/shop")
	requests := `document.querySelector('svg[aria-label^="Requests:"]')`
	points := requests + `.querySelector('.line').getAttribute('d').split(/[ML]/).length - 1`
	p.wait(points + ` >= 300`)
	if got := p.text(".chart .x"); !strings.HasPrefix(got, "5 min ago") {
		t.Fatalf("the axis begins with %q; want 5 min ago", got)
	}
	p.wait(`document.querySelector('svg[aria-label^="Traffic"]').getAttribute('aria-label').includes('v0 0 %')`) // as it was then
	before := eval[int](p, points)
	p.wait(fmt.Sprintf(`%s > %d || %s >= 301`, points, before, points)) // it goes on
	p.press("1 h")
	p.wait(points + ` === 361`)
	p.wait(requests + `.closest('.chart').querySelector('.x').textContent === '1 h agonow'`)
	p.wait(`document.querySelector('.windows [aria-pressed=true]').textContent === '1 h'`)
	p.press("24 h")
	p.wait(points + ` === 289`)
	p.visit("#/") // the choice stays
	p.wait(`document.querySelector('.windows [aria-pressed=true]').textContent === '24 h'`)
	p.wait(`document.querySelectorAll('svg[aria-label^="Requests:"] .line').length === 2 && ` + points + ` === 289`)
	calls := read(s, func() string { return strings.Join(s.calls, ";") })
	for _, want := range []string{"history cart 5m0s 1s", "history shop 5m0s 1s", "history shop 1h0m0s 10s", "history shop 24h0m0s 5m0s", "history cart 24h0m0s 5m0s"} {
		if !strings.Contains(calls, want) {
			t.Errorf("asked for %s; want %s", calls, want)
		}
	}
	if strings.Contains(calls, "history cart 1h0m0s") {
		t.Error("what is not shown was asked for")
	}
}

// TestAdviceIsDone runs the command of a bottleneck from the page.
func TestAdviceIsDone(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address+"/#/problems")
	p.press("Do it: gatewayd scale shop 4 --reason capacity")
	p.has("dialog", "POST /api/v1/services/shop/scale")
	p.has("dialog pre", `"reason": "capacity"`)
	p.press("Cancel")
	s.called(t)
	p.press("Do it: gatewayd scale shop 4 --reason capacity")
	p.press("Do it")
	p.shows("#toasts", "From 3 to 4 instances.")
	s.called(t, "scale shop 4 capacity")

	s.change(func() {
		s.findings[0].Command = "gatewayd drain shop v1-a"
		s.findings[0].Action = &api.Action{Method: "POST", Path: "/api/v1/services/shop/instances/v1-a/drain"}
		s.recommendations[0].Command = "gatewayd scale shop 0 --reason quiet"
		s.recommendations[0].Action = &api.Action{Method: "POST", Path: "/api/v1/services/shop/scale", Body: &api.ScaleRequest{Instances: pointer(0), Reason: "quiet"}}
	})
	p.press("Do it: gatewayd drain shop v1-a")
	p.press("Do it")
	p.shows("#toasts", "Done: gatewayd drain shop v1-a")
	p.visit("#/cost")
	p.press("Do it: gatewayd scale shop 0 --reason quiet")
	p.press("Do it")
	p.shows("#toasts", "From 3 to 0 instances.")
	s.called(t, "drain shop v1-a", "scale shop 0 quiet")
	s.change(func() { s.findings[0].Action = nil }) // a command that only shows something
	p.visit("#/problems")
	p.wait(`document.querySelector('button[aria-label^="Copy"]') && !document.querySelector('button[aria-label^="Do it"]')`)
}

func TestSilence(t *testing.T) {
	s := newStage(t)
	s.change(func() {
		s.silences = []api.Silence{{ID: "config x", Metric: "cpu", Until: time.Now().Add(time.Hour), Comment: "known", By: "config"}}
	})
	p := newTab(t, s.address+"/#/problems")
	p.shows(`tr[data-row="config x"]`, "in the config file")
	p.press("Silence a-1 …")
	p.wait(`document.querySelector('dialog [name=service]').value === 'shop' && document.querySelector('dialog [name=metric]').value === 'responseTime'`)
	p.press("Silence")
	p.wait(`document.activeElement.name === 'comment'`) // which is missing
	p.fill("comment", "migration")
	p.fill("for", "90m")
	p.press("Silence")
	p.shows("#toasts", "Silenced until")
	s.called(t, "silence {Service:shop Metric:responseTime Below: For:1h30m0s Comment:migration}")
	p.shows("main", "Silenced by local until")
	p.shows("tr[data-row=s-1]", "responseTime of shop")
	p.press("End s-1")
	p.shows("#toasts", "The silence is over.")
	s.called(t, "expire s-1")
	p.wait(`document.querySelector('tr[data-row=s-1]') === null && document.querySelector('button[aria-label="Silence a-1 …"]') !== null`)
	p.press("Silence alerts …")
	p.wait(`document.querySelector('dialog [name=service]').value === ''`)
}

func TestScale(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address+"/#/services/shop", 422)
	p.shows("main", "policy busy wants 3: 9 in flight")
	p.has("main", "scaleUpStep held it at 3")
	p.press("Scale …")
	p.has("dialog", "Configured: 2 to 10")
	p.press("Scale")
	p.wait(`document.activeElement.name === 'reason'`) // which is missing
	s.called(t)
	p.fill("reason", "big sale")
	p.fill("instances", "99")
	p.press("Scale")
	p.shows("dialog [role=alert]", "got 99; want 20 at most")
	p.fill("instances", "15")
	p.press("Scale")
	p.shows("#toasts", "shop goes from 3 to 10 instances; maxInstances allowed no other number.")
	p.lacks("dialog")
	s.called(t, "scale shop 99 big sale", "scale shop 15 big sale")

	s.change(func() {
		s.status.Services[1].Scaling = &api.Scaling{Mode: api.ScalingManual, Hold: &api.Hold{Instances: 10, Reason: "big sale", By: "ops", Since: time.Now()}}
	})
	p.shows("main", "Held at 10 instances by ops")
	p.press("Back to auto")
	p.shows("#toasts", "The policies scale shop again.")
	s.called(t, "scale shop auto")
}

func TestDrain(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address+"/#/services/shop")
	p.shows("tr[data-row=v1-b]", "5 failures in a row")
	p.press("Drain v1-a") // v2-a is ready too
	p.shows("#toasts", "v1-a gets no new requests.")
	s.called(t, "drain shop v1-a")
	s.change(func() { s.status.Services[1].Revisions[0].Instances[0].State = api.StateDraining })
	p.press("Undrain v1-a")
	p.shows("#toasts", "v1-a is back.")
	s.called(t, "undrain shop v1-a")
	p.press("Drain v2-a")
	p.shows("dialog", "It is the only instance of shop that is ready.")
	p.press("Cancel")
	s.called(t)
	p.press("Drain v2-a")
	p.press("Drain")
	p.shows("#toasts", "v2-a gets no new requests.")
	s.called(t, "drain shop v2-a")
}

func TestDeploy(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address+"/#/services/shop")
	p.press("Deploy …")
	p.fill("version", "v3")
	p.fill("steps", "10% soon")
	p.press("Deploy")
	p.shows("dialog [role=alert]", "want a share and a duration")
	s.called(t)
	p.fill("steps", "10% 30s, 50% 1m")
	p.choose("strategy", "canary")
	p.fill("reason", "new cart")
	eval[bool](p, `(document.querySelector('[name=supersede]').click(), true)`)
	p.press("Deploy")
	p.shows("#toasts", "Rollout r-8 of shop to v3 has begun.")
	s.called(t, "deploy shop {Version:v3 Strategy:canary Steps:[{Weight:10 Duration:30s} {Weight:50 Duration:1m0s}] AutoRollback:<nil> Supersede:true Reason:new cart}")
}

func TestRollout(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address, 409)
	p.visit("#/rollouts")
	p.shows(".rollout", "shop: v1 → v2")
	for _, text := range []string{"running", "Step 2 of 3", "25 %", "step 2 of 3: 5s of 30s", "errorRate", "0.5 %", "3,000 / 1,000", "pass"} {
		p.has(".rollout", text)
	}
	p.has("tr[data-row=r-6]", "errors 40% against 0.4%")
	p.press("Pause")
	p.shows(".rollout", "paused")
	p.press("Resume")
	p.shows(".rollout", "running")
	s.called(t, "pause r-7", "resume r-7")
	p.press("Abort …")
	p.has("dialog", "Takes v2 out of traffic; v1 serves all of shop again.")
	p.press("Cancel")
	p.wait(`document.querySelector('dialog') === null`)
	s.called(t)
	p.press("Abort …")
	p.press("Abort")
	p.shows("#toasts", "Rollout of shop to v2: aborted.")
	s.called(t, "abort r-7")
	p.shows("main", "No rollout is under way.")

	s.change(func() { s.status.Services[1].Rollout = "" })
	p.visit("#/services/shop")
	p.press("Roll back …")
	p.press("Roll back")
	p.shows("dialog [role=alert]", `there is no version before "v1" to go back to`)
	s.called(t, "rollback shop")
}

func TestPromote(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address+"/#/services/shop")
	p.press("Promote …")
	p.has("dialog", "gives v2 all traffic of shop")
	p.press("Promote")
	p.shows("#toasts", "Rollout of shop to v2: completed.")
	s.called(t, "promote r-7")
}

func TestMaintenance(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address+"/#/services/cart")
	p.press("Maintenance …")
	p.fill("message", "back at noon")
	p.fill("for", "90s")
	p.press("Begin")
	p.shows("#toasts", "cart is in maintenance.")
	s.called(t, `maintenance cart on "back at noon" 1m30s`)
	s.change(func() {
		s.status.Services[0].Maintenance = &api.Maintenance{Mode: api.MaintenanceHold, Since: time.Now(), Until: pointer(time.Now().Add(time.Hour))}
	})
	p.shows(".heading .banner", "Requests wait in the queue since")
	p.press("End maintenance")
	p.shows("#toasts", "cart serves again.")
	s.called(t, `maintenance cart off "" 0s`)
	p.lacks(".charts .dashed") // what is listed by hand has no demand
	if strings.Contains(p.text(".heading"), "Scale …") || strings.Contains(p.text(".heading"), "Deploy …") {
		t.Fatal("a service that is listed by hand can be scaled")
	}
}

func TestProblems(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address+"/#/problems")
	p.shows("main", "responseTime is 3.2 s, the limit 3 s")
	p.has("main", "Shortly before: 1 change")
	p.do(chromedp.Click(chromedp.CSS(`.problems summary`)))
	p.shows("main", "10:00:05 shop from 2 to 3 instances")
	for _, text := range []string{"critical", "capacity", "7 requests wait while all instances are busy", "queueLength", "Run one instance more."} {
		p.has("main", text)
	}
	eval[bool](p, `(navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve() }, true)`)
	p.press("Copy: gatewayd scale shop 4 --reason capacity")
	p.wait(`window.copied === 'gatewayd scale shop 4 --reason capacity'`)
	eval[bool](p, `(navigator.clipboard.writeText = () => Promise.reject(new Error('not here')), true)`)
	p.press("Copy: gatewayd scale shop 4 --reason capacity")
	p.wait(`document.querySelector('dialog [name=text]').value.startsWith('gatewayd scale')`)
	p.press("Close")
	s.change(func() { s.alerts, s.findings = nil, nil })
	p.shows("main", "No alert is firing.")
	p.shows("main", "Nothing holds a service back.")
}

func TestCost(t *testing.T) {
	p := newTab(t, newStage(t).address+"/#/cost")
	p.shows(".tiles", "$0.1264 /h")
	for _, text := range []string{"$40.00", "$90.00", "$0.0003", "35 %", "40 % of the budget is spent", "saves $22.50 a month", "Lower minInstances from 2 to 1", "low: the night is quiet",
		"90 % sure", "1 / 4", "512 MiB / 2 GiB", "shop v1: 3", "Limits: 4 / 20 instances"} {
		p.has("main", text)
	}
}

func TestEvents(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address+"/#/events", anyNetworkError)
	p.shows("main", "shop from 2 to 3 instances") // from before the page was opened
	s.publish(events.Event{Type: events.DeploymentStarted, Service: "cart", Severity: events.Info, Message: "v2 goes in"})
	p.shows(".events li", "v2 goes in") // the first, at once
	p.has("main", "3 events of 3, live")
	p.choose("severity", "warning")
	p.wait(`document.querySelectorAll('.events li').length === 1`)
	p.has(".events", "5 failures in a row")
	p.choose("severity", "info")
	p.choose("service", "cart")
	p.wait(`document.querySelectorAll('.events li').length === 1`)
	p.choose("service", "")
	p.do(chromedp.SendKeys(chromedp.CSS(`input[name=text]`), "SCALED"))
	p.wait(`document.querySelectorAll('.events li').length === 1`)
	p.has(".events", "shop from 2 to 3 instances")

	s.server.CloseClientConnections() // the stream breaks off, and goes on where it was
	s.publish(events.Event{Type: events.ComponentScaled, Service: "shop", Message: "shop from 3 to 4 instances"})
	p.shows(".events li", "shop from 3 to 4 instances")
	p.wait(`document.querySelectorAll('.events li').length === 2`)
}

func TestReloadTellsEveryError(t *testing.T) {
	p := newTab(t, newStage(t).address, 422)
	p.press("Reload …")
	p.press("Reload")
	p.shows("dialog [role=alert]", "the file has 2 errors")
	p.has("dialog [role=alert]", "gatewayd.yaml:2:1: second")
}

// TestWhatIsNotWiredIsNotShown runs the page against a gateway that can only tell its state.
func TestWhatIsNotWiredIsNotShown(t *testing.T) {
	s := &stage{}
	s.bus = events.New(events.Options{})
	s.set(t)
	s.serve(t, admin.Options{System: s, Services: s})
	p := newTab(t, s.address)
	p.shows("main", "shop")
	if got := p.text("nav"); got != "Services" {
		t.Fatalf("views: got %q; want Services only", got)
	}
	p.lacks("main button")
	p.visit("#/services/shop")
	p.shows("main", "v1-a")
	p.lacks("main button")
	p.wait(`document.querySelector('svg[aria-label^="Latency:"]').getAttribute('aria-label') === 'Latency: p50 17.5 ms, p95 87.5 ms, p99 140 ms'`)
}

// TestTextIsNeverHTML shows names and messages that would run if they were taken for HTML.
func TestTextIsNeverHTML(t *testing.T) {
	s := newStage(t)
	const evil = `<img src=x onerror="window.ran = true"><script>window.ran = true</script>`
	s.change(func() {
		shop := &s.status.Services[1]
		shop.Name, shop.Version, shop.Reasons = evil, evil, []string{evil}
		shop.Revisions[0].Instances[0].ID, shop.Revisions[0].Version, shop.Scaling.Last.Reason = evil, evil, evil
		s.findings[0].Cause, s.findings[0].Command, s.alerts[0].Message, s.rollouts[0].Reason, s.recommendations[0].Change = evil, evil, evil, evil, evil
	})
	s.publish(events.Event{Type: events.ComponentScaled, Service: evil, Message: evil})
	p := newTab(t, s.address)
	for _, hash := range []string{"#/problems", "#/rollouts", "#/cost", "#/events", "#/"} {
		p.visit(hash)
		p.shows("main", evil)
	}
	p.do(chromedp.Click(chromedp.CSS(`tr:last-child a.lead, tr a.lead[href*="img"]`)))
	p.shows("h1", evil)
	if eval[bool](p, `window.ran === true || document.querySelector('main img, main script') !== null`) {
		t.Fatal("text became HTML")
	}
}

func TestAGatewayThatGoesAway(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address, anyNetworkError)
	p.shows("main", "shop")
	s.server.CloseClientConnections()
	s.server.Close()
	p.shows(".banner[role=alert]", "The gateway does not answer since")
	p.has(".top", "no answer")
	p.has("main", "shop") // what is known stays
}

// TestManyServices shows 202 of them, live.
func TestManyServices(t *testing.T) {
	s := newStage(t)
	s.change(func() {
		for i := range 200 {
			service := s.status.Services[0]
			service.Name = fmt.Sprintf("service-%03d", i)
			s.status.Services = append(s.status.Services, service)
		}
	})
	p := newTab(t, s.address)
	p.wait(`document.querySelectorAll('.view > table tbody tr').length === 202`)
	s.change(func() { s.status.Services[201].RequestRate = 4321 })
	p.shows("tr[data-row=service-199]", "4,321 /s")
}
