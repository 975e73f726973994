package dashboard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

const chromium = "/usr/bin/chromium"

// patience bounds every wait for the page, also on a busy machine.
const patience = 40 * time.Second

// tabLife bounds a test. That with the pictures is the longest.
const tabLife = 10 * time.Minute

// anyNetworkError, among the statuses that a test expects, stands for connections that break off.
const anyNetworkError = 0

// browser is the one Chromium of all tests of this package; each test has a tab of its own in a fresh profile.
type browser struct {
	once  sync.Once
	ctx   context.Context
	close func()
	err   error
}

func (b *browser) start() {
	dir, err := os.MkdirTemp("", "gatewayd-chromium")
	if err != nil {
		b.err = err
		return
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(chromium), chromedp.UserDataDir(dir),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	ctx, cancelProcess := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancelTab := chromedp.NewContext(ctx)
	b.ctx = ctx
	b.close = func() { cancelTab(); cancelProcess(); os.RemoveAll(dir) }
	b.err = chromedp.Do(ctx)
}

var shared browser // of TestMain; its only writer is start

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.close != nil {
		shared.close()
	}
	os.Exit(code)
}

// tab is a page of the dashboard in a real browser. Its methods fail the test.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex // protects the fields below
	messages []string   // what the browser complained about
}

// newTab opens address. At the end of the test it fails if the page logged an error, threw, or broke its content policy. Answers
// of the API with one of expected, such as 401, are no error.
func newTab(t *testing.T, address string, expected ...int) *tab {
	t.Helper()
	t.Parallel()
	if _, err := os.Stat(chromium); err != nil {
		t.Skipf("there is no %s; Debian has it in the package chromium", chromium)
	}
	shared.once.Do(shared.start)
	if shared.err != nil {
		t.Fatalf("cannot start %s: %v", chromium, shared.err)
	}
	ctx, cancel := chromedp.NewContext(shared.ctx, chromedp.WithNewBrowserContext())
	ctx, cancelWait := context.WithTimeout(ctx, tabLife)
	p := &tab{t: t, ctx: ctx}
	p.do(chromedp.EmulateViewport(1280, 1000))
	if _, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	console := chromedp.Console(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		for m, err := range console {
			if err != nil {
				return
			}
			p.note(m, expected)
		}
	})
	t.Cleanup(func() {
		defer func() { cancelWait(); cancel(); listening.Wait() }()
		if t.Failed() {
			t.Logf("the page says: %q", p.text("body"))
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, m := range p.messages {
			t.Errorf("console: %s", m)
		}
	})
	p.do(chromedp.Navigate(address))
	return p
}

// note keeps a console message that should not be there. Chromium also tells of a field without a form and such under verbose.
func (p *tab) note(m chromedp.ConsoleMessage, expected []int) {
	for _, status := range expected {
		if m.Source == "network" && strings.Contains(m.Text, fmt.Sprintf("status of %d ", status)) || status == anyNetworkError && m.Source == "network" {
			return
		}
	}
	if m.Type == "debug" && m.Source != "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, m.String())
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// eval runs JavaScript in the page, waits for its promise, and decodes the result.
func eval[T any](p *tab, js string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// wait returns when the JavaScript condition holds.
func (p *tab) wait(condition string) {
	p.t.Helper()
	ok := eval[bool](p, fmt.Sprintf(`new Promise(resolve => {
		const end = performance.now() + %d
		const look = () => {
			let holds = false
			try { holds = %s } catch {}
			if (holds || performance.now() > end) resolve(Boolean(holds))
			else setTimeout(look, 30)
		}
		look()
	})`, patience.Milliseconds(), condition))
	if !ok {
		p.t.Fatalf("it did not become true: %s", condition)
	}
}

// text returns what is to be read in the first element of a CSS selector; empty without one.
func (p *tab) text(selector string) string {
	p.t.Helper()
	return eval[string](p, fmt.Sprintf(`document.querySelector(%s)?.innerText ?? ''`, quote(selector)))
}

// shows returns when text is to be read within selector.
func (p *tab) shows(selector, text string) {
	p.t.Helper()
	p.wait(fmt.Sprintf(`document.querySelector(%s).innerText.includes(%s)`, quote(selector), quote(text)))
}

// has fails unless text is to be read within selector now.
func (p *tab) has(selector, text string) {
	p.t.Helper()
	if got := p.text(selector); !strings.Contains(got, text) {
		p.t.Fatalf("%s: got %q; want %q in it", selector, got, text)
	}
}

// lacks fails if an element of selector exists.
func (p *tab) lacks(selector string) {
	p.t.Helper()
	if eval[bool](p, fmt.Sprintf(`document.querySelector(%s) !== null`, quote(selector))) {
		p.t.Fatalf("there is a %s", selector)
	}
}

// press clicks the button with that name with the mouse: in the dialog if one is open, else anywhere.
func (p *tab) press(name string) {
	p.t.Helper()
	path := fmt.Sprintf(`[...(document.querySelector('dialog[open]') || document).querySelectorAll('button, a')].find(b => (b.getAttribute('aria-label') || b.textContent) === %s)`, quote(name))
	p.wait(path)
	p.do(chromedp.Click(chromedp.JSPath(path)))
}

// fill types into the field with that name in the open dialog, in place of what is there.
func (p *tab) fill(name, text string) {
	p.t.Helper()
	field := fmt.Sprintf(`document.querySelector('dialog[open] [name="%s"]')`, name)
	p.wait(field)
	eval[bool](p, fmt.Sprintf(`(f => { f.focus(); f.select?.(); return true })(%s)`, field))
	p.do(chromedp.SendKeys(chromedp.JSPath(field), text))
}

// choose takes an option of a select element, wherever it is.
func (p *tab) choose(name, value string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`(s => { s.value = %s; s.dispatchEvent(new Event('change')); return true })(document.querySelector('select[name="%s"]'))`, quote(value), name))
}

// visit shows another view.
func (p *tab) visit(hash string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`(location.hash = %s, true)`, quote(hash)))
	p.wait(fmt.Sprintf(`document.querySelector('.view')?.patchKey === %s`, quote(hash)))
}

// logIn gives the token that the page asks for.
func (p *tab) logIn(token string) {
	p.t.Helper()
	p.fill("token", token)
	p.press("Log in")
}

// colours makes the page see a preference for light or dark.
func (p *tab) colours(scheme string) {
	p.t.Helper()
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features}); err != nil {
		p.t.Fatal(err)
	}
}

func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}
