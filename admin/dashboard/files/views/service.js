// One service: its charts, why it has as many instances as it has, its rollout and its instances.

import { chart } from '../chart.js'
import { h } from '../dom.js'
import { ago, clock, count, milliseconds, number, percent, plural, rate, span } from '../format.js'
import { instanceCounts, spanOf, windows } from '../history.js'
import { eventList } from './events.js'
import { badge, button, card, empty, ownReasons, table, windowChoice } from './parts.js'
import { alertList, findingList } from './problems.js'
import { rolloutCard } from './rollouts.js'

/** serviceView describes the page of the service with that name. */
export function serviceView(page, name) {
  const { gateway, actions } = page
  const service = gateway.status.services.find(s => s.name === name)
  if (!service) return [h('h1', {}, name), empty(`There is no service ${name} any more.`)]
  const rollout = gateway.rollouts?.find(r => r.id === service.rollout)
  const own = list => (list || []).filter(item => item.service === name)
  return [
    heading(page, service),
    windowChoice(page),
    charts(page, service),
    rollout && rolloutCard(rollout, page),
    own(gateway.alerts).length > 0 && card('Alerts', null, alertList(own(gateway.alerts), page)),
    own(gateway.findings).length > 0 && card('Bottlenecks', null, findingList(own(gateway.findings), page)),
    h('div', { class: 'columns' }, service.scaling && scaling(page, service), latest(page, name)),
    instances(page, service),
  ]

  function latest() {
    return gateway.has('/api/v1/events') && card('Latest events', h('a', { href: '#/events' }, 'all'), eventList(own(gateway.events).filter(e => e.type !== 'audit').slice(0, 9), page))
  }

  function heading() {
    const may = (suffix, now) => gateway.may('/api/v1/services/{service}/' + suffix, now)
    const scaled = Boolean(service.scaling)
    const provided = service.provider !== 'static'
    const { ready } = instanceCounts(service)
    return h('div', { class: 'heading' },
      h('div', {}, h('h1', {}, name), badge(service.health), h('p', { class: 'facts' },
        [service.version, service.provider, `${ready} of ${service.target} ready`, `${count(service.inFlight)} in flight`, `${count(service.queueLength)} waiting`].filter(Boolean).join(' · '))),
      h('div', { class: 'buttons' },
        button('Scale …', () => actions.scale(service), may('scale', scaled)),
        button('Back to auto', () => actions.scaleAuto(service), may('scale', scaled && service.scaling.mode === 'manual')),
        button('Deploy …', () => actions.deploy(service), may('rollouts', provided)),
        button('Roll back …', () => actions.rollback(service), may('rollback', provided && !service.rollout)),
        button('Maintenance …', () => actions.maintenance(service), may('maintenance', !service.maintenance)),
        button('End maintenance', () => actions.maintenanceOff(service), may('maintenance', Boolean(service.maintenance)))),
      ownReasons(service, gateway).map(text => h('p', { class: 'banner ' + (service.health === 'critical' ? 'bad' : 'warn') }, text)),
      service.maintenance && maintenanceBanner(service.maintenance, page.now))
  }
}

function maintenanceBanner(m, now) {
  const what = m.mode === 'hold' ? 'Requests wait in the queue' : 'Requests are answered with 503'
  const until = m.until ? `, for ${span(Date.parse(m.until) - now)} more` : ', until it is ended'
  return h('p', { class: 'banner warn' }, `${what} since ${clock(m.since)}${until}.` + (m.message ? ` Message: ${m.message}` : ''))
}

function charts({ gateway, window, cursor, point }, service) {
  const samples = gateway.history.of(service.name, window)
  const common = { samples, span: spanOf(samples, window), gap: windows[window].gapMs, cursor, point }
  const latency = [{ name: 'p50', tone: 't3', value: s => s.p50 }, { name: 'p95', tone: 't2', value: s => s.p95 }, { name: 'p99', tone: 't4', value: s => s.p99 }]
  const work = [{ name: 'in flight', tone: 't1', value: s => s.inFlight }, { name: 'waiting', tone: 't2', value: s => s.queue }]
  const use = [{ name: 'cpu', tone: 't1', value: s => s.cpu }, { name: 'memory', tone: 't4', value: s => s.memory }]
  const instances = [{ name: 'ready', tone: 't3', value: s => s.ready, steps: true, fill: true }, { name: 'target', tone: 't1', value: s => s.target, steps: true }]
  if (service.scaling) instances.push({ name: 'demand', tone: 't2', value: s => s.demand, steps: true, dashed: true })
  return h('div', { class: 'charts' },
    chart({ ...common, title: 'Requests', format: rate, series: [{ name: 'all', tone: 't1', value: s => s.rate, fill: true }, { name: 'errors', tone: 'bad', value: s => s.errors }] }),
    chart({ ...common, title: 'Latency', format: milliseconds, series: latency }),
    chart({ ...common, title: 'Instances', format: number, whole: true, series: instances }),
    chart({ ...common, title: 'Traffic by version', format: percent, stacked: true, series: weightSeries(samples) }),
    chart({ ...common, title: 'Work', format: number, series: work }),
    samples.some(s => s.cpu !== null || s.memory !== null) && chart({ ...common, title: 'Use of what instances are given', format: percent, series: use }))
}

// weightSeries gives each version that had traffic a tone, in the order of their coming.
function weightSeries(samples) {
  const versions = new Set(samples.flatMap(s => Object.keys(s.weights).filter(v => s.weights[v] > 0)))
  return [...versions].map((version, i) => ({ name: version, tone: 't' + (i % 5 + 1), value: s => s.weights[version] ?? 0 }))
}

function scaling({ now }, service) {
  const { mode, hold, last } = service.scaling
  const modes = { auto: 'by the policies', manual: 'by hand', paused: 'paused' }
  return card('Scaling', h('span', { class: 'quiet' }, `${modes[mode]} · ${service.minInstances} to ${service.maxInstances} instances`),
    hold && h('p', { class: 'sentence' }, `Held at ${plural(hold.instances, 'instance')} by ${hold.by || 'somebody'} since ${clock(hold.since)}: ${hold.reason}`),
    !hold && last && h('p', { class: 'sentence' }, last.reason, h('small', {}, ` ${last.from === last.want ? `stays at ${last.want}` : `${last.from} → ${last.want}`}, ${ago(last.time, now)}`)),
    !hold && !last && empty('Nothing has been decided yet.'),
    last?.bounds?.filter(bound => !last.reason.includes(bound)).map(bound => h('p', { class: 'quiet' }, bound)),
    last?.wants?.length > 0 && table('What each policy wants', [
      { head: 'Policy', lead: true, cell: w => w.policy },
      { head: 'Wants', figure: true, cell: w => count(w.want) },
      { head: 'Because', wide: true, cell: w => w.reason || '–' },
    ], last.wants, w => w.policy))
}

function instances({ gateway, actions, now }, service) {
  const rows = service.revisions.flatMap(revision => revision.instances.map(instance => ({ revision, ...instance })))
  const may = verb => gateway.may('/api/v1/services/{service}/instances/{instance}/' + verb)
  const columns = [
    { head: 'Instance', lead: true, cell: i => [h('span', { class: 'lead' }, i.id), h('small', {}, i.address)] },
    { head: 'State', cell: i => [badge(i.state), i.reason && h('small', {}, i.reason)] },
    { head: 'Version', cell: i => service.revisions.length > 1 ? `${i.revision.version} (${i.revision.role})` : i.revision.version },
    { head: 'Requests', figure: true, cell: i => rate(i.requestRate) },
    { head: 'p50', figure: true, cell: i => latency(i, i.p50Ms) },
    { head: 'p95', figure: true, cell: i => latency(i, i.p95Ms) },
    { head: 'p99', figure: true, cell: i => latency(i, i.p99Ms) },
    { head: 'Errors', figure: true, cell: i => h('span', { class: i.errorRate > 0 && 'hot' }, percent(i.errorRate)) },
    { head: 'In flight', figure: true, cell: i => count(i.inFlight) },
    { head: 'CPU', figure: true, cell: i => percent(i.cpu) },
    { head: 'Memory', figure: true, cell: i => percent(i.memory) },
    { head: 'Up', figure: true, cell: i => [i.startedAt ? span(now - Date.parse(i.startedAt)) : '–', i.restarts > 0 && h('small', {}, plural(i.restarts, 'restart'))] },
  ]
  if (may('drain').shown) columns.push({ head: 'Action', cell: i => drainButton(i) })
  return card('Instances', h('span', { class: 'quiet' }, service.revisions.map(r => `${r.version} ${r.role} ${percent(r.weight)}`).join(' · ')),
    rows.length ? table('Instances', columns, rows, i => i.id) : empty('No instance is running.'))

  function drainButton(i) {
    if (i.state === 'draining') return button('Undrain', () => actions.undrain(service, i), { label: 'Undrain ' + i.id, ...may('undrain') })
    return button('Drain', () => actions.drain(service, i), { label: 'Drain ' + i.id, ...may('drain') })
  }
}

// latency is of an instance that had requests.
function latency(instance, ms) { return instance.requestRate > 0 ? milliseconds(ms) : '–' }
