// What the instances cost, how they could cost less, and what there is to run them on.

import { h } from '../dom.js'
import { bytes, count, figure, money, number, percent } from '../format.js'
import { card, command, empty, evidence, serviceLink, table } from './parts.js'

/** costView describes the page. */
export function costView(page) {
  const { gateway } = page
  return [
    h('h1', {}, 'Cost'),
    gateway.cost ? costs(gateway.cost) : gateway.has('/api/v1/cost') && empty('Asking …'),
    gateway.recommendations && recommendations(page, gateway.cost),
    gateway.resources && pools(gateway.resources, gateway.cost?.currency),
  ]
}

function costs(cost) {
  const amount = v => money(v, cost.currency)
  const tiles = [
    ['Now', amount(cost.perHour) + ' /h'], ['Today', amount(cost.today)], ['This month', amount(cost.month)], ['Forecast', amount(cost.forecast)],
    ['Per 1,000 requests', amount(cost.per1000Requests)], ['Idle', percent(cost.idlePercent)],
  ]
  if (cost.monthlyBudget) tiles.push(['Budget', amount(cost.monthlyBudget)])
  return [
    h('dl', { class: 'tiles' }, tiles.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value)))),
    cost.monthlyBudget > 0 && h('p', { class: 'budget' }, h('meter', { min: 0, max: cost.monthlyBudget, high: cost.monthlyBudget * 0.9, value: cost.month, 'aria-label': 'Spent of the budget' }),
      ` ${percent(cost.month / cost.monthlyBudget * 100)} of the budget is spent, ${percent(cost.forecast / cost.monthlyBudget * 100)} is forecast.`),
    card('By service', null, cost.services.length ? table('Cost by service, version and pool', [
      { head: 'Service', lead: true, cell: s => serviceLink(s.service) },
      { head: 'Version', cell: s => s.revision },
      { head: 'Pool', cell: s => s.pool || '–' },
      { head: 'Instances', figure: true, cell: s => count(s.instances) },
      { head: 'Per hour', figure: true, cell: s => amount(s.perHour) },
      { head: 'Today', figure: true, cell: s => amount(s.today) },
      { head: 'Month', figure: true, cell: s => amount(s.month) },
      { head: 'Per 1,000', figure: true, cell: s => amount(s.per1000Requests) },
      { head: 'Idle', figure: true, cell: s => percent(s.idlePercent) },
    ], cost.services, s => `${s.service} ${s.revision} ${s.pool}`) : empty('Nothing has cost anything yet.')),
  ]
}

function recommendations(page, { currency, withheld = [] } = {}) {
  const list = page.gateway.recommendations
  return card('Recommendations', null, list.length === 0 && withheld.length === 0 ? empty('Nothing would save money and keep the objectives.') : h('ul', { class: 'problems' },
    list.map(r => h('li', { key: r.id },
      h('p', { class: 'line' }, h('b', { class: 'saving' }, `saves ${money(r.savingPerMonth, currency)} a month`), serviceLink(r.service), h('span', {}, r.type), h('small', {}, `${percent(r.confidence * 100)} sure`)),
      h('p', {}, r.change),
      evidence(r.evidence, figure),
      h('p', { class: 'quiet' }, `Risk: ${r.risk}`),
      command(r, page))),
    withheld.map(r => h('li', { key: `withheld ${r.type} ${r.service}` },
      h('p', { class: 'line' }, h('b', {}, r.type ? 'not recommended' : 'no advice yet'), serviceLink(r.service), r.type && h('span', {}, r.type), r.savingPerMonth > 0 && h('small', {}, `would save ${money(r.savingPerMonth, currency)} a month`)),
      h('p', { class: 'quiet' }, r.reason)))))
}

function pools({ pools: all, limits }, currency) {
  const of = (used, most, write) => most === undefined || most === 0 ? write(used) : `${write(used)} / ${write(most)}`
  const bounds = [
    limits.maxInstances !== undefined && `${of(limits.used.instances, limits.maxInstances, count)} instances`,
    limits.maxCpu !== undefined && `${of(limits.used.cpu, limits.maxCpu, number)} cores`,
    limits.maxMemoryBytes !== undefined && of(limits.used.memoryBytes, limits.maxMemoryBytes, bytes),
    limits.maxCostPerHour !== undefined && `${of(limits.perHour, limits.maxCostPerHour, v => money(v, currency))} an hour`,
  ].filter(Boolean)
  if (all.length === 0 && bounds.length === 0) return null
  return card('Pools', bounds.length > 0 && h('span', { class: 'quiet' }, 'Limits: ' + bounds.join(' · ')), all.length > 0 && table('Resource pools', [
    { head: 'Pool', lead: true, cell: p => p.name },
    { head: 'Use', figure: true, cell: p => [h('meter', { min: 0, max: 100, high: 85, value: p.utilisation, 'aria-label': `Use of ${p.name}` }), ' ' + percent(p.utilisation)] },
    { head: 'Cores', figure: true, cell: p => of(p.used.cpu, p.capacity.cpu, number) },
    { head: 'Memory', figure: true, cell: p => of(p.used.memoryBytes, p.capacity.memoryBytes, bytes) },
    { head: 'Instances', figure: true, cell: p => of(p.used.instances, p.capacity.instances, count) },
    { head: 'Per hour', figure: true, cell: p => money(p.perHour, currency) },
    { head: 'Held by', wide: true, cell: p => p.allocations.map(a => `${a.service} ${a.revision}: ${count(a.used.instances)}`).join(', ') || '–' },
  ], all, p => p.name))
}
