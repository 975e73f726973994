// Alerts that fire and bottlenecks with what to do about them.

import { h } from '../dom.js'
import { ago, clock, figure, plural } from '../format.js'
import { badge, button, card, command, empty, evidence, serviceLink, table } from './parts.js'

/** problemsView describes the page of all alerts and bottlenecks. */
export function problemsView(page) {
  const { gateway, actions } = page
  const silence = button('Silence …', () => actions.silence(), { label: 'Silence alerts …', ...gateway.may('/api/v1/silences') })
  return [
    h('h1', {}, 'Problems'),
    gateway.has('/api/v1/alerts') && card('Alerts', silence, gateway.alerts?.length ? alertList(gateway.alerts, page) : empty('No alert is firing.')),
    gateway.has('/api/v1/bottlenecks') && card('Bottlenecks', null, gateway.findings?.length ? findingList(gateway.findings, page) : empty('Nothing holds a service back.')),
    gateway.silences?.length > 0 && silences(page),
  ]
}

function silences({ gateway, actions, now }) {
  const may = gateway.may('/api/v1/silences/{id}', true, 'delete')
  const end = s => s.by === 'config' ? 'in the config file' : button('End', () => actions.expire(s), { label: 'End ' + s.id, ...may })
  return card('Silences', null, table('Silences', [
    { head: 'Alerts', lead: true, cell: s => [[s.metric || 'all', s.service && ` of ${s.service}`], s.below && h('small', {}, `below ${s.below}`)] },
    { head: 'Until', cell: s => clock(s.until, now) },
    { head: 'By', cell: s => s.by },
    { head: 'Comment', wide: true, cell: s => s.comment },
    { head: 'Action', cell: end },
  ], gateway.silences, s => s.id))
}

/** alertList shows alerts, worst first as they come. */
export function alertList(alerts, { gateway, actions, now }) {
  const silenceOf = a => gateway.silences?.find(s => s.id === a.silencedBy)
  return h('ul', { class: 'problems' }, alerts.map(a => h('li', { key: a.id, class: 'severity-' + a.severity },
    h('p', { class: 'line' }, badge(a.severity), a.service && serviceLink(a.service), h('span', {}, [a.revision, a.instance].filter(Boolean).join(' · ')), h('small', {}, ago(a.since, now))),
    h('p', {}, a.message || a.metric),
    a.context?.length > 0 && h('details', {}, h('summary', {}, `Shortly before: ${plural(a.context.length, 'change')}`), h('ul', {}, a.context.map(text => h('li', {}, text)))),
    h('div', { class: 'command' }, h('span', { class: 'quiet' }, `${a.metric} is ${figure(a.value, a.unit)}, the limit ${figure(a.threshold, a.unit)}`),
      a.silencedBy ? h('span', { class: 'quiet' }, silenced(silenceOf(a), now)) : button('Silence …', () => actions.silence(a), { label: `Silence ${a.id} …`, ...gateway.may('/api/v1/silences') })))))
}

function silenced(s, now) { return s ? `Silenced by ${s.by} until ${clock(s.until, now)}: ${s.comment}` : 'Silenced' }

/** findingList shows bottlenecks with evidence, advice and the command that does it. */
export function findingList(findings, page) {
  const { now } = page
  return h('ul', { class: 'problems' }, findings.map(f => h('li', { key: f.id, class: 'severity-' + f.severity },
    h('p', { class: 'line' }, badge(f.severity), f.service && serviceLink(f.service), h('b', {}, f.type), h('span', {}, f.instance), h('small', {}, ago(f.since, now))),
    h('p', {}, f.cause),
    evidence(f.evidence, figure),
    h('p', { class: 'advice' }, f.advice),
    command(f, page))))
}
