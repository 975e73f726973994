package dashboard_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var views = []string{"#/", "#/services/shop", "#/problems", "#/rollouts", "#/cost", "#/events"}

// TestNoViewIsWiderThanAPhone shows every view and a dialog from 320 px on: nobody has to scroll sideways, and what is pressed with a thumb is at
// least 24 px high, as WCAG 2.2 wants.
func TestNoViewIsWiderThanAPhone(t *testing.T) {
	p := newTab(t, newStage(t).address)
	p.shows("main", "shop")
	f := func(width int64) {
		t.Helper()
		p.do(chromedp.EmulateViewport(width, 700))
		for _, hash := range views {
			p.visit(hash)
			p.wait(`!document.querySelector('main').innerText.includes('Asking')`)
			if got := eval[int64](p, `document.documentElement.scrollWidth`); got > width {
				t.Errorf("%s is %d px wide on a screen of %d", hash, got, width)
			}
			small := eval[[]string](p, `[...document.querySelectorAll('button, select, nav a')].filter(b => b.getBoundingClientRect().height < 24).map(b => b.textContent)`)
			if len(small) > 0 {
				t.Errorf("%s on %d px: too low to press: %q", hash, width, small)
			}
		}
		p.visit("#/services/shop")
		p.press("Deploy …")
		box := eval[[]float64](p, `(b => [b.left, b.right])(document.querySelector('dialog').getBoundingClientRect())`)
		if box[0] < 0 || box[1] > float64(width) {
			t.Errorf("the dialog reaches from %v to %v on a screen of %d", box[0], box[1], width)
		}
		p.press("Cancel")
	}
	f(320)
	f(412)
	f(768)
	f(1024)
	f(1920)
}

// TestContrast holds that text stands out from what is behind it in both schemes: 4.5 to 1, as WCAG 2.2 wants of small text. It measures each
// element that has text of its own.
func TestContrast(t *testing.T) {
	const measure = `(() => {
		const parse = c => (c.match(/[\d.]+/g) || []).map(Number)
		const luminance = c => [0, 1, 2].map(i => c[i] / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0)
		const ground = node => {
			for (let n = node; n; n = n.parentElement) {
				const c = parse(getComputedStyle(n).backgroundColor)
				if (c.length === 3 || c[3] === 1) return c
			}
		}
		const poor = new Set()
		let measured = 0
		for (const node of document.querySelectorAll('body *')) {
			const own = [...node.childNodes].some(c => c.nodeType === 3 && c.data.trim())
			if (!own || node.closest('svg, .hidden') || node.tagName === 'NOSCRIPT') continue
			const [a, b] = [luminance(parse(getComputedStyle(node).color)), luminance(ground(node))]
			const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
			measured++
			if (ratio < 4.5) poor.add(node.tagName + '.' + node.className + ' ' + node.textContent.slice(0, 30) + ' ' + ratio.toFixed(2))
		}
		return measured > 20 ? [...poor] : ['only ' + measured + ' elements were measured']
	})()`
	p := newTab(t, newStage(t).address)
	p.shows("main", "shop")
	for _, scheme := range []string{"light", "dark"} {
		p.colours(scheme)
		for _, hash := range views {
			p.visit(hash)
			if poor := eval[[]string](p, measure); len(poor) > 0 {
				t.Errorf("%s %s: %q", scheme, hash, poor)
			}
		}
		p.visit("#/services/shop")
		p.press("Maintenance …")
		if poor := eval[[]string](p, measure); len(poor) > 0 {
			t.Errorf("%s dialog: %q", scheme, poor)
		}
		p.press("Cancel")
	}
	grounds := map[string]bool{}
	for _, scheme := range []string{"light", "dark"} {
		p.colours(scheme)
		grounds[eval[string](p, `getComputedStyle(document.documentElement).backgroundColor`)] = true
	}
	if len(grounds) != 2 {
		t.Errorf("light and dark look the same: %v", grounds)
	}
}

// TestKeyboard uses the page without a mouse.
func TestKeyboard(t *testing.T) {
	s := newStage(t)
	p := newTab(t, s.address)
	p.shows("main", "shop")
	focused := `(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent)`
	reach := func(name string) {
		t.Helper()
		for range 60 {
			p.do(chromedp.KeyEvent(kb.Tab))
			if eval[string](p, focused) == name {
				if eval[string](p, `getComputedStyle(document.activeElement).outlineStyle`) != "solid" {
					t.Fatalf("%s has the focus and nobody sees it", name)
				}
				return
			}
		}
		t.Fatalf("%s cannot be reached with the tab key", name)
	}
	reach("Skip to the content")
	reach("shop")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.shows("h1", "shop")
	reach("Scale …")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.wait(`document.activeElement.name === 'instances'`)
	p.do(chromedp.KeyEvent(kb.Escape))
	p.wait(`document.querySelector('dialog') === null && ` + focused + ` === 'Scale …'`) // the focus is back where it was
	p.do(chromedp.KeyEvent(kb.Enter))
	p.wait(`document.activeElement.name === 'instances'`)
	scale := `[...document.querySelectorAll('main button')].find(b => b.textContent === 'Scale …')`
	eval[bool](p, scale+`.remove() === undefined`)
	p.wait(scale + ` !== undefined`) // drawn anew
	p.do(chromedp.KeyEvent(kb.Escape))
	p.wait(`document.querySelector('dialog') === null && ` + focused + ` === 'Scale …'`)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.wait(`document.activeElement.name === 'instances'`)
	p.do(chromedp.KeyEvent("4"), chromedp.KeyEvent(kb.Tab), chromedp.KeyEvent("test"), chromedp.KeyEvent(kb.Enter))
	p.shows("#toasts", "shop goes from 3 to 4 instances.")
	s.called(t, "scale shop 4 test")

	reach("Drain v1-a")
	s.change(func() { s.status.Services[1].RequestRate = 99 })
	p.wait(`document.querySelector('svg[aria-label^="Requests: all 99"]') !== null`)
	if got := eval[string](p, focused); got != "Drain v1-a" {
		t.Fatalf("new figures took the focus: it is on %q", got)
	}
}

// TestNamesForAssistiveTechnology holds that each control and picture has a name and each table says what it shows.
func TestNamesForAssistiveTechnology(t *testing.T) {
	p := newTab(t, newStage(t).address)
	p.shows("main", "shop")
	for _, hash := range views {
		p.visit(hash)
		nameless := eval[[]string](p, `[
			...[...document.querySelectorAll('button, a')].filter(n => !(n.getAttribute('aria-label') || n.textContent.trim())),
			...[...document.querySelectorAll('svg, meter')].filter(n => !n.getAttribute('aria-label')),
			...[...document.querySelectorAll('select, input')].filter(n => n.labels.length === 0),
			...[...document.querySelectorAll('table')].filter(n => !n.caption?.textContent),
		].map(n => n.outerHTML.slice(0, 100))`)
		if len(nameless) > 0 {
			t.Errorf("%s: without a name: %q", hash, nameless)
		}
		if got := eval[int](p, `document.querySelectorAll('h1').length`); got != 1 {
			t.Errorf("%s has %d first headings; want 1", hash, got)
		}
		ids := eval[int](p, `(ids => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map(n => n.id))`)
		if ids != 0 {
			t.Errorf("%s: %d ids are there twice", hash, ids)
		}
	}
	if got := eval[string](p, `document.documentElement.lang + ' ' + document.querySelector('nav [aria-current]')?.textContent`); got != "en Events" {
		t.Errorf("language and present view: got %q; want en Events", got)
	}
}
