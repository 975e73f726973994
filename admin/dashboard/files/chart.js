// Charts, drawn as SVG. A plot is a square of 1000 by 1000 that is stretched over its place; lines keep their width, and text stands
// beside it as HTML, so that it is never distorted.

import { h } from './dom.js'
import { clock, span as inWords } from './format.js'

const size = 1000

// A line breaks where no sample came for this long: the page was asleep, or the gateway away. Where steps are long, so is this.
const usualGapMs = 15000

/** ceiling returns the round number at or above v that the axis ends with; for whole numbers its half is whole too. */
export function ceiling(v, whole) {
  if (!(v > 0)) return whole ? 2 : 1
  if (whole && v <= 2) return 2
  const power = 10 ** Math.floor(Math.log10(v))
  for (const step of [1, 2, 3, 4, 5, 6, 8, 10]) {
    const top = step * power
    if (top >= v * 0.9999999 && !(whole && top % 2)) return top
  }
  return 20 * power
}

/**
 * linePath returns the d of a path through points [{at, v}]. With steps a value holds until the next. It breaks at null and at gaps.
 * Span is {from, to} in ms; top is the value at the upper edge.
 */
export function linePath(points, span, top, steps, gapMs = usualGapMs) {
  let d = ''
  let last = null
  for (const point of points) {
    if (point.v === null || point.v === undefined) {
      last = null
      continue
    }
    const x = place(point.at, span)
    const y = height(point.v, top)
    if (!last || point.at - last.at > gapMs) d += `M${x} ${y}`
    else d += steps ? `H${x}V${y}` : `L${x} ${y}`
    last = point
  }
  return d
}

/** bandPath returns the d of the area between two lines through the same points, [{at, low, high}]. It breaks at gaps. */
export function bandPath(points, span, top, steps, gapMs = usualGapMs) {
  let d = ''
  let run = []
  const close = () => {
    if (run.length > 1) d += outline(run, span, top, steps)
    run = []
  }
  for (const point of points) {
    if (run.length && point.at - run.at(-1).at > gapMs) close()
    run.push(point)
  }
  close()
  return d
}

function outline(run, span, top, steps) {
  const x = run.map(p => place(p.at, span))
  let d = `M${x[0]} ${height(run[0].low, top)}V${height(run[0].high, top)}`
  for (let i = 1; i < run.length; i++) {
    const y = height(run[i].high, top)
    d += steps ? `H${x[i]}V${y}` : `L${x[i]} ${y}`
  }
  for (let i = run.length - 1; i >= 0; i--) {
    const y = height(run[i].low, top)
    d += steps ? `V${y}H${x[i]}` : `L${x[i]} ${y}`
  }
  return d + 'Z'
}

function place(at, span) { return Math.round((at - span.from) / (span.to - span.from) * size * 10) / 10 }

function height(v, top) { return Math.round((1 - Math.min(v, top) / top) * size * 10) / 10 }

/** sampleAt returns the sample nearest to a share (0 to 1) of the span; the newest without one. */
export function sampleAt(samples, span, share) {
  if (share === null || share === undefined || !samples.length) return samples.at(-1)
  const at = span.from + share * (span.to - span.from)
  return samples.reduce((best, s) => Math.abs(s.at - at) < Math.abs(best.at - at) ? s : best)
}

/**
 * chart describes a figure: o.title; o.series, each {name, tone, value: sample => number or null, steps?, fill?, dashed?}; o.samples; o.span; o.gap as for linePath; o.format
 * for values; o.whole for whole numbers; o.stacked for shares that add up to 100. o.cursor is where somebody points, 0 to 1 or
 * null; o.point(share) tells that they do.
 */
export function chart(o) {
  const shown = sampleAt(o.samples, o.span, o.cursor)
  const top = o.stacked ? 100 : ceiling(Math.max(0, ...o.samples.flatMap(s => o.series.map(serie => serie.value(s) ?? 0))), o.whole)
  const words = o.series.map(serie => `${serie.name} ${shown ? o.format(serie.value(shown)) : 'not known'}`)
  return h('figure', { class: 'chart' },
    h('figcaption', {}, h('h3', {}, o.title), h('ul', { class: 'legend' }, o.series.map(serie =>
      h('li', {}, h('i', { class: `swatch ${serie.tone}` + (serie.dashed ? ' dashed' : '') }), h('span', {}, serie.name),
        h('b', {}, shown ? o.format(serie.value(shown)) : '–'))))),
    h('div', { class: 'plot' },
      h('div', { class: 'y', 'aria-hidden': 'true' }, [top, top / 2, 0].map(v => h('span', {}, o.format(v)))),
      h('svg', {
        viewBox: `0 0 ${size} ${size}`, preserveAspectRatio: 'none', role: 'img', tabindex: '0', 'aria-label': `${o.title}: ${words.join(', ')}`,
        onpointermove: e => o.point(shareAt(e)), onpointerleave: () => o.point(null), onblur: () => o.point(null),
        onkeydown: e => moveCursor(e, o),
      }, h('path', { class: 'grid', d: `M0 0H${size}M0 ${size / 2}H${size}M0 ${size}H${size}` }), o.stacked ? bands(o) : lines(o, top), cursorLine(o, shown)),
      h('div', { class: 'x', 'aria-hidden': 'true' }, axis(o, shown))))
}

function lines(o, top) {
  return o.series.map(serie => {
    const points = o.samples.map(s => ({ at: s.at, v: serie.value(s) }))
    const filled = points.filter(p => p.v !== null).map(p => ({ at: p.at, low: 0, high: p.v }))
    const area = serie.fill && h('path', { class: `area ${serie.tone}`, d: bandPath(filled, o.span, top, serie.steps, o.gap) })
    return [area, h('path', { class: `line ${serie.tone}` + (serie.dashed ? ' dashed' : ''), d: linePath(points, o.span, top, serie.steps, o.gap) })]
  })
}

function bands(o) {
  const bases = o.samples.map(() => 0)
  return o.series.map(serie => {
    const points = o.samples.map((s, i) => {
      const low = bases[i]
      bases[i] += serie.value(s) ?? 0
      return { at: s.at, low, high: bases[i] }
    })
    return h('path', { class: `band ${serie.tone}`, d: bandPath(points, o.span, 100, true, o.gap) })
  })
}

function cursorLine(o, shown) {
  if (o.cursor === null || !shown) return null
  const x = place(shown.at, o.span)
  return h('path', { class: 'cursor', d: `M${x} 0V${size}` })
}

function axis(o, shown) {
  if (o.cursor !== null && shown) return h('span', { class: 'pointed' }, clock(shown.at))
  return [h('span', {}, `${inWords(o.span.to - o.span.from)} ago`), h('span', {}, 'now')]
}

function shareAt(e) {
  const box = e.currentTarget.getBoundingClientRect()
  return Math.min(1, Math.max(0, (e.clientX - box.left) / box.width))
}

function moveCursor(e, o) {
  const by = { ArrowLeft: -0.02, ArrowRight: 0.02 }[e.key]
  if (by) o.point(Math.min(1, Math.max(0, (o.cursor ?? 1) + by)))
  else if (e.key === 'Escape') o.point(null)
  else return
  e.preventDefault()
}

/** spark describes a small line without axes; label says in words what it shows. */
export function spark(samples, span, value, tone, label) {
  const points = samples.map(s => ({ at: s.at, v: value(s) }))
  const top = ceiling(Math.max(0, ...points.map(p => p.v ?? 0)))
  return h('svg', { class: 'spark', viewBox: `0 0 ${size} ${size}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    h('path', { class: `line ${tone}`, d: linePath(points, span, top * 1.1, false) }))
}
