// Small pieces that several views show.

import { copy } from '../dialogs.js'
import { h } from '../dom.js'
import { windows } from '../history.js'

// States are told by a sign and a word besides their colour.
const signs = {
  healthy: ['good', '●'], ready: ['good', '●'], completed: ['good', '✓'], pass: ['good', '✓'],
  degraded: ['warn', '▲'], warning: ['warn', '▲'], unhealthy: ['bad', '✕'], ejected: ['bad', '✕'],
  critical: ['bad', '✕'], page: ['bad', '✕'], fail: ['bad', '✕'], failed: ['bad', '✕'], 'rolled-back': ['bad', '↩'], aborted: ['warn', '✕'],
  starting: ['busy', '◌'], draining: ['busy', '◔'], running: ['busy', '▶'], paused: ['warn', '❚❚'], undecided: ['quiet', '…'],
}

/** badge shows a state. */
export function badge(state, text) {
  const [tone, sign] = signs[state] || ['quiet', '·']
  return h('span', { class: 'badge ' + tone, 'data-state': state }, h('span', { 'aria-hidden': 'true' }, sign), ' ' + (text || state))
}

/** card is a titled part of the page; extra stands beside the title. */
export function card(title, extra, ...children) {
  return h('section', { class: 'card', 'aria-label': title }, h('header', {}, h('h2', {}, title), extra), children)
}

/** button is a button; it is left out when shown is false, and cannot be pressed when denied says why. */
export function button(text, onclick, { danger, label, denied, shown = true } = {}) {
  return shown && h('button', { type: 'button', class: danger && 'danger', 'aria-label': label, disabled: Boolean(denied), title: denied || null, onclick }, text)
}

/** windowChoice lets people choose how far back the charts of a page go. */
export function windowChoice({ gateway, window, setWindow }) {
  return gateway.has('/api/v1/history') && h('div', { class: 'windows', role: 'group', 'aria-label': 'How far back charts go' }, Object.entries(windows).map(([name, { text }]) =>
    h('button', { type: 'button', 'aria-pressed': String(name === window), onclick: () => setWindow(name) }, text)))
}

/**
 * table shows rows; columns are {head, cell(row), figure?: right-aligned, lead?: names the row}. On a narrow screen each row becomes a block, with the heads beside the cells.
 */
export function table(caption, columns, rows, keyOf, rowClass) {
  return h('table', { role: 'table' }, h('caption', {}, caption),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, columns.map(c => h('th', { scope: 'col', role: 'columnheader', class: c.figure && 'figure' }, c.head)))),
    h('tbody', { role: 'rowgroup' }, rows.map(row => h('tr', { key: keyOf(row), role: 'row', class: rowClass?.(row), 'data-row': keyOf(row) }, columns.map(c =>
      h(c.lead ? 'th' : 'td', { scope: c.lead && 'row', role: c.lead ? 'rowheader' : 'cell', class: [c.figure && 'figure', c.wide && 'wide'].filter(Boolean).join(' ') || null, 'data-head': c.head },
        c.cell(row)))))))
}

/** empty says that there is nothing. */
export function empty(text) { return h('p', { class: 'empty' }, text) }

/** serviceLink leads to the page of a service. */
export function serviceLink(name) { return h('a', { href: serviceHref(name) }, name) }

/** serviceHref is the address of the page of a service. */
export function serviceHref(name) { return '#/services/' + encodeURIComponent(name) }

// What the monitor tells begins with its severity; it is shown as an alert or a bottleneck.
const fromMonitor = /^(info|warning|critical|page): /

/** ownReasons returns why a service, or the whole, is not healthy, without what is shown as an alert or a bottleneck. */
export function ownReasons(of, gateway) {
  return gateway.alerts || gateway.findings ? of.reasons.filter(text => !fromMonitor.test(text)) : of.reasons
}

/** evidence shows figures that support a statement. */
export function evidence(figures, write) {
  return figures?.length > 0 && h('dl', { class: 'evidence' }, figures.map(f => h('div', {}, h('dt', {}, f.name), h('dd', {}, write(f.value, f.unit)))))
}

/** command shows the command of a bottleneck or recommendation, with buttons that copy it and do it. */
export function command(advice, { gateway, actions }) {
  const { command: text, action } = advice
  return text && h('div', { class: 'command' }, h('code', {}, text),
    button('Copy', () => copy(text), { label: 'Copy: ' + text }),
    action && button('Do it …', () => actions.run(advice), { label: 'Do it: ' + text, ...gateway.mayCall(action) }))
}
