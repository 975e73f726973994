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

func TestQuantiles(t *testing.T) {
	f := module(t, "quantiles.js")
	const before = `new Map([[0.1, 10], [0.2, 10], [Infinity, 10]])`
	const after = `new Map([[Infinity, 110], [0.2, 105], [0.1, 60]])`
	f(`m.quantile(0.5, `+after+`, `+before+`)`, `100`) // 50 of 100 lie below 0.1 s
	f(`m.quantile(0.25, `+after+`, `+before+`)`, `50`)
	f(`Math.round(m.quantile(0.9, `+after+`, `+before+`))`, `189`) // 40 of 45 into the second bucket
	f(`m.quantile(0.99, `+after+`, `+before+`)`, `200`)            // beyond the last bound
	f(`m.quantile(0.5, `+before+`, `+before+`)`, `null`)
	f(`m.quantile(0.5, `+before+`, `+after+`)`, `50`) // counts fell: a restart
	f(`m.quantile(0.5, new Map(), undefined)`, `null`)
	const page = "`" + `gatewayd_request_duration_seconds_bucket{service="a \\"b\\"",revision="v1",le="0.5"} 1
gatewayd_request_duration_seconds_bucket{service="a \\"b\\"",revision="v2",le="0.5"} 2
gatewayd_request_duration_seconds_sum{service="x"} 3
other_bucket{service="x",le="1"} 4` + "`"
	f(`[...m.parseBuckets(`+page+`)].map(([name, b]) => [name, [...b]])`, `[["a \"b\"",[[0.5,3]]]]`)
	f(`(() => { const p = new m.Percentiles(); return p.of('x', 5) })()`, `{"p50":null,"p99":null}`)
	const pages = `const at = (n, t) => p.add('gatewayd_request_duration_seconds_bucket{service="x",le="0.1"} ' + n + '\ngatewayd_request_duration_seconds_bucket{service="x",le="+Inf"} ' + n, t);`
	f(`(() => { const p = new m.Percentiles(); `+pages+` at(0, 0); at(100, 2000); return p.of('x', 60) })()`, `{"p50":50,"p99":99}`)
	f(`(() => { const p = new m.Percentiles(); `+pages+` at(0, 0); at(100, 2000); return p.of('x', 40) })()`, `{"p50":40,"p99":99}`)
	f(`(() => { const p = new m.Percentiles(); `+pages+` at(0, 0); at(100, 10000); at(100, 20000); return p.of('x', 40) })()`, `{"p50":null,"p99":null}`)
}

func TestChartGeometry(t *testing.T) {
	f := module(t, "chart.js")
	f(`[0, 0.7, 1, 1.2, 7, 9.5, 24105].map(v => m.ceiling(v, false))`, `[1,0.8,1,2,8,10,30000]`)
	f(`[0, 1, 3, 4, 5, 11, 31].map(v => m.ceiling(v, true))`, `[2,2,4,4,6,20,40]`)
	const span = `{ from: 0, to: 10000 }`
	f(`m.linePath([{ at: 0, v: 0 }, { at: 5000, v: 5 }, { at: 10000, v: 10 }], `+span+`, 10, false)`, `"M0 1000L500 500L1000 0"`)
	f(`m.linePath([{ at: 0, v: 0 }, { at: 5000, v: 5 }], `+span+`, 10, true)`, `"M0 1000H500V500"`)
	f(`m.linePath([{ at: 0, v: 1 }, { at: 1000, v: null }, { at: 2000, v: 2 }], `+span+`, 10, false)`, `"M0 900M200 800"`)
	f(`m.linePath([{ at: 0, v: 1 }, { at: 60000, v: 1 }], { from: 0, to: 60000 }, 1, false)`, `"M0 0M1000 0"`) // a gap
	f(`m.linePath([], `+span+`, 10, false)`, `""`)
	f(`m.bandPath([{ at: 0, low: 0, high: 5 }, { at: 10000, low: 0, high: 10 }], `+span+`, 10, true)`, `"M0 1000V500H1000V0V1000H1000V1000H0Z"`)
	f(`m.bandPath([{ at: 0, low: 0, high: 5 }], `+span+`, 10, true)`, `""`)
	f(`m.sampleAt([{ at: 0 }, { at: 4000 }, { at: 9000 }], `+span+`, 0.5).at`, `4000`)
	f(`m.sampleAt([{ at: 0 }, { at: 4000 }], `+span+`, null).at`, `4000`)
}

func TestHistory(t *testing.T) {
	f := module(t, "history.js")
	const fill = `const h = new m.History(), none = { of: () => ({ p50: null, p99: null }) };
		const s = (name, requestRate) => ({ name, requestRate, p95Ms: 5, errorRate: 10, target: 2, demand: 3, queueLength: 0, revisions: [{ version: 'v1', weight: 100, instances: [{ state: 'ready' }, { state: 'starting' }] }] });`
	f(`(() => { `+fill+` h.add([s('a', 50)], 1000, none); const { rate, errors, p95, ready, target, demand, weights } = h.of('a')[0]; return { rate, errors, p95, ready, target, demand, weights } })()`,
		`{"rate":50,"errors":5,"p95":5,"ready":1,"target":2,"demand":null,"weights":{"v1":100}}`)
	f(`(() => { `+fill+` h.add([s('a', 0)], 1000, none); return h.of('a')[0].p95 })()`, `null`) // no requests have no latency
	f(`(() => { `+fill+` for (let at = 0; at <= 1200000; at += 1000) h.add([s('a', 1)], at, none); return [h.of('a').length, h.of('a')[0].at, h.all().length] })()`, `[601,600000,601]`)
	f(`(() => { `+fill+` h.add([s('a', 1)], 0, none); h.add([], 1000, none); return h.of('a').length })()`, `0`)
	f(`m.spanOf([])`, `{"from":-60000,"to":0}`)
	f(`m.spanOf([{ at: 0 }, { at: 61000 }])`, `{"from":-59000,"to":61000}`)
	f(`m.spanOf([{ at: 0 }, { at: 999000 }])`, `{"from":399000,"to":999000}`)
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
