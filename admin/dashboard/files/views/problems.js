// Alerts that fire and bottlenecks with what to do about them.

import { copy } from '../dialogs.js'
import { h } from '../dom.js'
import { ago, figure } from '../format.js'
import { badge, card, command, empty, evidence, serviceLink } from './parts.js'

/** problemsView describes the page of all alerts and bottlenecks. */
export function problemsView(page) {
  const { gateway } = page
  return [
    h('h1', {}, 'Problems'),
    gateway.has('/api/v1/alerts') && card('Alerts', null, gateway.alerts?.length ? alertList(gateway.alerts, page) : empty('No alert is firing.')),
    gateway.has('/api/v1/bottlenecks') && card('Bottlenecks', null, gateway.findings?.length ? findingList(gateway.findings, page) : empty('Nothing holds a service back.')),
  ]
}

/** alertList shows alerts, worst first as they come. */
export function alertList(alerts, { now }) {
  return h('ul', { class: 'problems' }, alerts.map(a => h('li', { key: a.id, class: 'severity-' + a.severity },
    h('p', { class: 'line' }, badge(a.severity), a.service && serviceLink(a.service), h('span', {}, [a.revision, a.instance].filter(Boolean).join(' · ')), h('small', {}, ago(a.since, now))),
    h('p', {}, a.message || a.metric),
    h('p', { class: 'quiet' }, `${a.metric} is ${figure(a.value, a.unit)}, the limit ${figure(a.threshold, a.unit)}`))))
}

/** findingList shows bottlenecks with evidence, advice and the command that does it. */
export function findingList(findings, { now }) {
  return h('ul', { class: 'problems' }, findings.map(f => h('li', { key: f.id, class: 'severity-' + f.severity },
    h('p', { class: 'line' }, badge(f.severity), f.service && serviceLink(f.service), h('b', {}, f.type), h('span', {}, f.instance), h('small', {}, ago(f.since, now))),
    h('p', {}, f.cause),
    evidence(f.evidence, figure),
    h('p', { class: 'advice' }, f.advice),
    command(f.command, copy))))
}
