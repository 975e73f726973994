// Rollouts: those under way with their figures and what can be done about them, and those that are over.

import { h } from '../dom.js'
import { ago, clock, count, figure, percent, span } from '../format.js'
import { badge, button, card, empty, serviceLink, table } from './parts.js'

/** rolloutsView describes the page of all rollouts. */
export function rolloutsView(page) {
  const all = page.gateway.rollouts
  if (!all) return [h('h1', {}, 'Rollouts'), empty('Asking …')]
  const running = all.filter(isUnderWay)
  const ended = all.filter(r => !isUnderWay(r))
  return [
    h('h1', {}, 'Rollouts'),
    running.map(rollout => rolloutCard(rollout, page)),
    running.length === 0 && empty('No rollout is under way.'),
    ended.length > 0 && card('Over', null, table('Rollouts that are over', [
      { head: 'Service', lead: true, cell: r => serviceLink(r.service) },
      { head: 'Version', cell: r => `${r.from || '–'} → ${r.version}` },
      { head: 'Strategy', cell: r => r.strategy },
      { head: 'End', cell: r => badge(r.status) },
      { head: 'Why', wide: true, cell: r => r.reason },
      { head: 'Began', cell: r => clock(r.startedAt, page.now) },
      { head: 'Took', figure: true, cell: r => r.endedAt ? span(Date.parse(r.endedAt) - Date.parse(r.startedAt)) : '–' },
    ], ended, r => r.id)),
  ]
}

function isUnderWay(rollout) { return rollout.status === 'running' || rollout.status === 'paused' }

/** rolloutCard shows a rollout that is under way. */
export function rolloutCard(rollout, { gateway, actions, now }) {
  const act = (action, text, danger) => button(text, () => actions.steer(rollout, action), { danger, ...gateway.may('/api/v1/rollouts/{id}/' + action) })
  const paused = rollout.status === 'paused'
  return h('section', { class: 'card rollout', key: rollout.id, 'aria-label': `Rollout of ${rollout.service} to ${rollout.version}` },
    h('header', {}, h('h2', {}, `${rollout.service}: ${rollout.from || 'nothing'} → ${rollout.version}`), badge(rollout.status),
      h('span', { class: 'quiet' }, `${rollout.strategy} · began ${ago(rollout.startedAt, now)}`)),
    progress(rollout),
    h('p', { class: 'sentence' }, rollout.reason),
    rollout.evidence.length > 0 && comparison(rollout),
    h('div', { class: 'buttons' }, paused ? act('resume', 'Resume') : act('pause', 'Pause'), act('promote', 'Promote …'), act('abort', 'Abort …', true)))
}

function progress(rollout) {
  const steps = Array.from({ length: rollout.steps }, (_, i) => i + 1)
  const stateOf = step => step < rollout.step ? 'done' : step === rollout.step ? 'now' : 'ahead'
  return h('div', { class: 'progress' },
    h('ol', { class: 'steps', 'aria-label': `Step ${rollout.step} of ${rollout.steps}` }, steps.map(step => h('li', { class: stateOf(step), 'aria-current': step === rollout.step && 'step' }, h('span', { class: 'hidden' }, `Step ${step}: ${stateOf(step)}`)))),
    h('p', {}, h('b', {}, `Step ${rollout.step} of ${rollout.steps}`), ' · ', h('b', {}, percent(rollout.weight)), ` of the traffic on ${rollout.version}`))
}

function comparison(rollout) {
  return table('Both versions over the same seconds', [
    { head: 'Figure', lead: true, cell: e => e.metric },
    { head: rollout.from || 'stable', figure: true, cell: e => figure(e.stable, e.unit) },
    { head: rollout.version, figure: true, cell: e => figure(e.candidate, e.unit) },
    { head: 'Requests', figure: true, cell: e => `${count(e.stableRequests)} / ${count(e.candidateRequests)}` },
    { head: 'Verdict', cell: e => badge(e.verdict) },
    { head: 'Detail', wide: true, cell: e => e.detail || null },
  ], rollout.evidence, e => e.metric)
}
