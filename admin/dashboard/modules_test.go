package dashboard_test

import (
	"fmt"
	"testing"
)

// module imports a module of the page and returns a test of its expressions: f(js, want), both as JSON.
func module(t *testing.T, path string) func(js, want string) {
	p := newTab(t, newStage(t).address)
	return func(js, want string) {
		t.Helper()
		got := eval[string](p, fmt.Sprintf(`import('/%s').then(m => { try { return JSON.stringify(%s) ?? 'undefined' } catch (err) { return 'error: ' + err.message } })`, path, js))
		if got != want {
			t.Errorf("%s: got %s; want %s", js, got, want)
		}
	}
}

func TestFormat(t *testing.T) {
	f := module(t, "format.js")
	f(`m.number(0)`, `"0"`)
	f(`m.number(0.624)`, `"0.62"`)
	f(`m.number(12.34)`, `"12.3"`)
	f(`m.number(24105.54)`, `"24,106"`)
	f(`m.number(0.00042)`, `"0.0004"`)
	f(`m.number(undefined)`, `"–"`)
	f(`m.number(NaN)`, `"–"`)
	f(`m.rate(118.2)`, `"118 /s"`)
	f(`m.percent(0)`, `"0 %"`)
	f(`m.percent(0.001)`, `"<0.01 %"`)
	f(`m.percent(7.38)`, `"7.4 %"`)
	f(`m.percent(100)`, `"100 %"`)
	f(`m.milliseconds(0.39)`, `"0.39 ms"`)
	f(`m.milliseconds(1250)`, `"1.25 s"`)
	f(`m.milliseconds(null)`, `"–"`)
	f(`m.money(0.1264, 'USD')`, `"$0.1264"`)
	f(`m.money(0.000014894, 'USD')`, `"$0.0000149"`)
	f(`m.money(40, 'USD')`, `"$40.00"`)
	f(`m.money(2, 'credits')`, `"2.00 credits"`)
	f(`m.money(null, 'USD')`, `"–"`)
	f(`m.bytes(0)`, `"0 B"`)
	f(`m.bytes(512 * 1024 * 1024)`, `"512 MiB"`)
	f(`m.span(4200)`, `"4 s"`)
	f(`m.span(3 * 60000 + 9000)`, `"3 min"`)
	f(`m.span(2 * 3600000 + 5 * 60000)`, `"2 h 5 min"`)
	f(`m.span(6 * 86400000)`, `"6 d"`)
	f(`m.span(-5)`, `"0 s"`)
	f(`m.ago('2026-01-02T03:04:05Z', Date.parse('2026-01-02T03:04:35Z'))`, `"30 s ago"`)
	f(`m.ago('nonsense')`, `"–"`)
	f(`m.figure(3200, 'ms')`, `"3.2 s"`)
	f(`m.figure(7, '')`, `"7"`)
	f(`m.figure(3, 'instances')`, `"3 instances"`)
	f(`m.plural(1, 'instance')`, `"1 instance"`)
	f(`m.plural(2, 'instance')`, `"2 instances"`)
}

func TestSteps(t *testing.T) {
	f := module(t, "steps.js")
	f(`m.parseSteps('')`, `undefined`)
	f(`m.parseSteps('5% 15s, 25 1m30s,50.5% 500ms')`, `[{"weight":5,"duration":"15s"},{"weight":25,"duration":"1m30s"},{"weight":50.5,"duration":"500ms"}]`)
	f(`m.parseSteps('5%')`, `error: steps: got "5%"; want a share and a duration, such as 5% 30s`)
	f(`m.parseSteps('5% 10s,')`, `error: steps: got ""; want a share and a duration, such as 5% 30s`)
	f(`m.parseSteps('5% 10 s')`, `error: steps: got "5% 10 s"; want a share and a duration, such as 5% 30s`)
}

func TestRoles(t *testing.T) {
	f := module(t, "api.js")
	const document = "`" + `openapi: 3.1.0
info:
    description: x-role is the least role that an operation needs
paths:
    /healthz:
        get:
            summary: Whether it answers
            x-role: none
    /api/v1/services/{service}/scale:
        post:
            x-role: operator
    /api/v1/silences:
        get:
            x-role: viewer
        post:
            parameters: []
            x-role: operator
components:
    schemas:
        Alert:
            type: object
` + "`"
	f(`[...m.parseRoles(`+document+`)]`, `[["/healthz",{"get":"none"}],["/api/v1/services/{service}/scale",{"post":"operator"}],["/api/v1/silences",{"get":"viewer","post":"operator"}]]`)
	f(`[...m.parseRoles('')]`, `[]`)
}

// TestRolesOfTheDocument reads them out of the document as it is served.
func TestRolesOfTheDocument(t *testing.T) {
	p := newTab(t, newStage(t).address)
	if got := eval[string](p, `import('/api.js').then(m => m.roles()).then(r => [r.get('/api/v1/reload').post, r.get('/api/v1/silences/{id}').delete, r.get('/readyz').get].join())`); got != "admin,operator,none" {
		t.Errorf("got %s; want the roles of reload, of ending a silence, and none", got)
	}
}

func TestChartGeometry(t *testing.T) {
	f := module(t, "chart.js")
	f(`[0, 0.7, 1, 1.2, 7, 9.5, 24105].map(v => m.ceiling(v, false))`, `[1,0.8,1,2,8,10,30000]`)
	f(`[0, 1, 3, 4, 5, 11, 31].map(v => m.ceiling(v, true))`, `[2,2,4,4,6,20,40]`)
	const span = `{ from: 0, to: 10000 }`
	f(`m.linePath([{ at: 0, v: 0 }, { at: 5000, v: 5 }, { at: 10000, v: 10 }], `+span+`, 10, false)`, `"M0 1000L500 500L1000 0"`)
	f(`m.linePath([{ at: 0, v: 0 }, { at: 5000, v: 5 }], `+span+`, 10, true)`, `"M0 1000H500V500"`)
	f(`m.linePath([{ at: 0, v: 1 }, { at: 1000, v: null }, { at: 2000, v: 2 }], `+span+`, 10, false)`, `"M0 900M200 800"`)
	f(`m.linePath([{ at: 0, v: 1 }, { at: 60000, v: 1 }], { from: 0, to: 60000 }, 1, false)`, `"M0 0M1000 0"`)        // a gap
	f(`m.linePath([{ at: 0, v: 1 }, { at: 60000, v: 1 }], { from: 0, to: 60000 }, 1, false, 90000)`, `"M0 0L1000 0"`) // none with long steps
	f(`m.linePath([], `+span+`, 10, false)`, `""`)
	f(`m.bandPath([{ at: 0, low: 0, high: 5 }, { at: 10000, low: 0, high: 10 }], `+span+`, 10, true)`, `"M0 1000V500H1000V0V1000H1000V1000H0Z"`)
	f(`m.bandPath([{ at: 0, low: 0, high: 5 }], `+span+`, 10, true)`, `""`)
	f(`m.sampleAt([{ at: 0 }, { at: 4000 }, { at: 9000 }], `+span+`, 0.5).at`, `4000`)
	f(`m.sampleAt([{ at: 0 }, { at: 4000 }], `+span+`, null).at`, `4000`)
}

func TestHistory(t *testing.T) {
	f := module(t, "history.js")
	const fill = `const h = new m.History();
		const s = (name, requestRate) => ({ name, requestRate, p50Ms: 2, p95Ms: 5, p99Ms: 8, errorRate: 10, target: 2, demand: 3, inFlight: 4, queueLength: 0, revisions: [{ version: 'v1', weight: 100, instances: [{ state: 'ready', cpu: 30 }, { state: 'starting', cpu: 50 }] }] });
		const told = (name, at, n, step) => ({ service: name, to: new Date(at).toISOString(), points: Array.from({ length: n }, (_, i) => ({ time: new Date(at - (n - 1 - i) * step).toISOString(), requestRate: 10, errorRate: 50, p95Ms: 7, inFlight: 1, queueLength: 2, ready: 3, target: 4, weights: { v1: 100 } })) });`
	f(`(() => { `+fill+` h.add([s('a', 50)], 1000); return h.of('a')[0] })()`,
		`{"at":1000,"rate":50,"errors":5,"p50":2,"p95":5,"p99":8,"ready":1,"target":2,"demand":null,"inFlight":4,"queue":0,"cpu":40,"memory":null,"weights":{"v1":100}}`)
	f(`(() => { `+fill+` h.load('5m', [told('a', 60000, 1, 1000)], 60000); return h.of('a')[0] })()`,
		`{"at":60000,"rate":10,"errors":5,"p50":null,"p95":7,"p99":null,"ready":3,"target":4,"demand":null,"inFlight":1,"queue":2,"cpu":null,"memory":null,"weights":{"v1":100}}`)
	f(`(() => { `+fill+` h.add([s('a', 0)], 1000); const { p50, p95, p99 } = h.of('a')[0]; return [p50, p95, p99] })()`, `[null,null,null]`) // no requests have no latency
	f(`(() => { `+fill+` for (let at = 0; at <= 1200000; at += 1000) h.add([s('a', 1)], at); return [h.of('a').length, h.of('a')[0].at] })()`, `[301,900000]`)
	f(`(() => { `+fill+` h.add([s('a', 1)], 0); h.load('1h', [told('a', 0, 2, 10000)], 0); h.add([], 1000); return [h.of('a').length, h.of('a', '1h').length] })()`, `[0,0]`)
	// The live window goes on from what the gateway remembers, and keeps what this page saw before that.
	f(`(() => { `+fill+` h.add([s('a', 1)], 90000); h.add([s('a', 2)], 99000); h.load('5m', [told('a', 100000, 3, 1000)], 100000); h.add([s('a', 3)], 101000); return h.of('a').map(p => [p.at, p.rate]) })()`,
		`[[90000,1],[98000,10],[99000,10],[100000,10],[101000,3]]`)
	// The clock of the gateway is five minutes ahead.
	f(`(() => { `+fill+` h.load('1h', [told('a', 400000, 2, 10000)], 100000); return h.of('a', '1h').map(p => p.at) })()`, `[90000,100000]`)
	f(`(() => { `+fill+` h.add([s('a', 1)], 5000); h.add([s('a', 2)], 4000); return h.of('a').map(p => p.at) })()`, `[4000]`) // a clock was set back
	f(`(() => { `+fill+` for (let at = 0; at < 3000; at += 1000) h.add([s('a', 1), ...(at ? [s('b', at)] : [])], at); return h.all(['a', 'b', 'c']).map(p => [p.at, p.services.get('b')?.rate ?? null]) })()`,
		`[[0,1000],[1000,1000],[2000,2000]]`)
	f(`(() => { `+fill+` h.load('24h', [told('a', 9e6, 3, 300000), told('b', 9e6, 1, 300000)], 9e6); return h.all(['a', 'b'], '24h').map(p => [...p.services.keys()].join('')) })()`, `["ab","ab","ab"]`)
	f(`(() => { `+fill+` return h.all(['a']) })()`, `[]`)
	f(`m.spanOf([])`, `{"from":-60000,"to":0}`)
	f(`m.spanOf([{ at: 0 }, { at: 61000 }])`, `{"from":-59000,"to":61000}`)
	f(`m.spanOf([{ at: 0 }, { at: 999000 }])`, `{"from":699000,"to":999000}`)
	f(`m.spanOf([{ at: 0 }, { at: 999000 }], '24h')`, `{"from":-21000,"to":999000}`)
}

func TestEventStreamFormat(t *testing.T) {
	f := module(t, "api.js")
	f(`m.parseMessage('id: 7\nevent: audit\ndata: {"a":1}')`, `{"id":"7","event":"audit","data":"{\"a\":1}"}`)
	f(`m.parseMessage('data: a\ndata: b').data`, `"a\nb"`)
	f(`m.parseMessage(': still here')`, `null`)
	f(`m.parseMessage('retry: 2000')`, `null`)
	f(`m.path('services', 'a/b ?', 'scale')`, `"/api/v1/services/a%2Fb%20%3F/scale"`)
}

// TestStreamInPieces reads messages whose bytes come in pieces, also within a character.
func TestStreamInPieces(t *testing.T) {
	p := newTab(t, newStage(t).address)
	got := eval[[]string](p, `import('/api.js').then(async m => {
		const bytes = new TextEncoder().encode('retry: 1\n\nid: 1\ndata: grün\n\n: still here\n\ndata: two\n\ndata: cut off')
		const body = new ReadableStream({ start(c) { for (const b of bytes) c.enqueue(Uint8Array.of(b)); c.close() } })
		const read = []
		await m.readStream(body, message => read.push(message.data))
		return read
	})`)
	if fmt.Sprint(got) != "[grün two]" {
		t.Fatalf("got %q; want grün and two", got)
	}
}
