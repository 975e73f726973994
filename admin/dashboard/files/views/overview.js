// All services at a glance.

import { chart, spark } from '../chart.js'
import { h } from '../dom.js'
import { clock, count, milliseconds, money, percent, plural, rate } from '../format.js'
import { instanceCounts, spanOf, windows } from '../history.js'
import { eventList } from './events.js'
import { badge, button, card, empty, ownReasons, serviceHref, table, windowChoice } from './parts.js'
import { findingList, alertList } from './problems.js'

const mostSeries = 5

/** overview describes the first page. */
export function overview(page) {
  const { gateway } = page
  const services = gateway.status.services
  return [
    h('h1', { class: 'hidden' }, 'Services'),
    totals(gateway),
    services.length ? table('Services', columns(gateway), services, s => s.name, s => 'health-' + s.health) : empty('No services are configured.'),
    gateway.alerts?.length > 0 && card('Alerts', null, alertList(gateway.alerts, page)),
    gateway.findings?.length > 0 && card('Bottlenecks', null, findingList(gateway.findings, page)),
    services.length > 0 && charts(page),
    gateway.has('/api/v1/events') && card('Latest events', h('a', { href: '#/events' }, 'all'), eventList(gateway.events.filter(e => e.type !== 'audit').slice(0, 8), page)),
    configuration(page),
  ]
}

function totals(gateway) {
  const services = gateway.status.services
  const sum = value => services.reduce((total, s) => total + value(s), 0)
  const requests = sum(s => s.requestRate)
  const tiles = [
    ['Requests', rate(requests)],
    ['Errors', percent(requests > 0 ? sum(s => s.requestRate * s.errorRate) / requests : 0)],
    ['In flight', count(sum(s => s.inFlight))],
    ['Waiting', count(sum(s => s.queueLength))],
    ['Instances ready', `${sum(s => instanceCounts(s).ready)} / ${sum(s => s.target)}`],
  ]
  if (gateway.cost) tiles.push(['Cost', money(gateway.cost.perHour, gateway.cost.currency) + ' /h'])
  return h('dl', { class: 'tiles' }, tiles.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))))
}

/** busiest returns the names of the services that are drawn against each other, those with most requests. */
export function busiest(services) {
  const sorted = [...services].sort((a, b) => b.requestRate - a.requestRate || (a.name < b.name ? -1 : 1))
  return sorted.slice(0, mostSeries).map(s => s.name).sort()
}

function charts(page) {
  const { gateway, window, cursor, point } = page
  const shown = busiest(gateway.status.services)
  const samples = gateway.history.all(shown, window)
  const series = field => shown.map((name, i) => ({ name, tone: 't' + (i + 1), fill: shown.length === 1, value: s => s.services.get(name)?.[field] ?? null }))
  const common = { samples, span: spanOf(samples, window), gap: windows[window].gapMs, cursor, point }
  return [windowChoice(page), h('div', { class: 'charts three' },
    chart({ ...common, title: 'Requests', format: rate, series: series('rate') }),
    chart({ ...common, title: 'Latency p95', format: milliseconds, series: series('p95') }),
    chart({ ...common, title: 'Ready instances', format: count, whole: true, series: series('ready').map(s => ({ ...s, steps: true })) }))]
}

function configuration({ gateway, actions, now }) {
  const { path, generation, loadedAt } = gateway.status.config
  return h('footer', {}, h('span', {}, `Configuration ${path}, generation ${generation}, loaded at ${clock(loadedAt, now)}`),
    button('Reload …', () => actions.reload(), gateway.may('/api/v1/reload')))
}

function columns(gateway) {
  const figureWithSpark = (value, text, tone, name) => s => {
    const samples = gateway.history.of(s.name)
    return h('span', { class: 'sparked' }, spark(samples, spanOf(samples), value, tone, `${name} of ${s.name} over the last minutes`), h('span', {}, text(s)))
  }
  return [
    { head: 'Service', lead: true, cell: s => [h('a', { class: 'lead', href: serviceHref(s.name) }, s.name), badge(s.health)] },
    { head: 'Version', cell: versions },
    { head: 'Requests', figure: true, cell: figureWithSpark(p => p.rate, s => rate(s.requestRate), 't1', 'Requests') },
    { head: 'p95', figure: true, cell: figureWithSpark(p => p.p95, s => s.requestRate > 0 ? milliseconds(s.p95Ms) : '–', 't2', 'Latency') },
    { head: 'Errors', figure: true, cell: s => h('span', { class: s.errorRate > 0 && 'hot' }, percent(s.errorRate)) },
    { head: 'Ready', figure: true, cell: figureWithSpark(p => p.ready, s => `${instanceCounts(s).ready} / ${s.target}`, 't3', 'Ready instances') },
    { head: 'In flight', figure: true, cell: s => count(s.inFlight) },
    { head: 'Waiting', figure: true, cell: s => h('span', { class: s.queueLength > 0 && 'hot' }, count(s.queueLength)) },
    { head: 'Notes', wide: true, cell: s => notes(s, gateway) },
  ]
}

function versions(s) {
  const carrying = s.revisions.filter(r => r.weight > 0)
  if (carrying.length < 2) return s.version || '–'
  return carrying.map(r => `${r.version} ${percent(r.weight)}`).join(' · ')
}

function notes(s, { alerts, findings }) {
  const own = list => (list || []).filter(item => item.service === s.name).length
  const all = ownReasons(s, { alerts, findings })
  if (own(alerts)) all.push(plural(own(alerts), 'alert'))
  if (own(findings)) all.push(plural(own(findings), 'bottleneck'))
  if (s.rollout) all.push('rollout under way')
  if (s.scaling?.mode === 'manual' && s.scaling.hold) all.push(`held at ${plural(s.scaling.hold.instances, 'instance')}: ${s.scaling.hold.reason}`)
  if (s.scaling?.mode === 'paused') all.push('scaling is paused')
  return all.length ? all.join('; ') : null
}
