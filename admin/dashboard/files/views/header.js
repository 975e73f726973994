// The top of the page: how the system fares, where to go, and whether the figures are live.

import { h } from '../dom.js'
import { clock, span } from '../format.js'
import { badge, button, ownReasons } from './parts.js'

/** header describes it. page is {gateway, actions, route, token, leave, now}. */
export function header(page) {
  const { gateway, route } = page
  const status = gateway.status
  return [
    h('header', { class: 'top' },
      h('a', { class: 'brand', href: '#/' }, h('img', { src: 'icon.svg', alt: '', width: 22, height: 22 }), 'gatewayd'),
      status && badge(status.overall),
      h('nav', { 'aria-label': 'Views' }, tabs(gateway).map(([name, text, count]) =>
        h('a', { href: '#/' + name, 'aria-current': (route.view === name && 'page') || (name === '' && route.view === 'services' && 'true') }, text, count > 0 && h('b', { class: 'count' }, count)))),
      h('div', { class: 'aside' }, status && freshness(page),
        page.token && gateway.who && h('span', { class: 'who', title: `from ${gateway.who.from}` }, `${gateway.who.name} · ${gateway.who.role}`),
        button('Log out', page.leave, { shown: page.token !== '' }))),
    banners(page),
  ]
}

function tabs(gateway) {
  const all = [['', 'Services', 0]]
  if (gateway.has('/api/v1/alerts') || gateway.has('/api/v1/bottlenecks')) all.push(['problems', 'Problems', (gateway.alerts?.length || 0) + (gateway.findings?.length || 0)])
  if (gateway.has('/api/v1/rollouts')) all.push(['rollouts', 'Rollouts', (gateway.rollouts || []).filter(r => !r.endedAt).length])
  if (gateway.has('/api/v1/cost') || gateway.has('/api/v1/resources')) all.push(['cost', 'Cost', gateway.recommendations?.length || 0])
  if (gateway.has('/api/v1/events')) all.push(['events', 'Events', 0])
  return all
}

function freshness({ gateway, now }) {
  if (gateway.lostSince) return h('span', { class: 'fresh lost' }, 'no answer')
  const { version, startedAt } = gateway.status
  return h('span', { class: 'fresh' }, h('i', { class: 'pulse', 'aria-hidden': 'true' }), `live · ${version} · up ${span(now - Date.parse(startedAt))}`)
}

// gatewayReasons returns what ails the gateway itself. What ails a service stands with the service.
function gatewayReasons(gateway) {
  const { status } = gateway
  return status ? ownReasons(status, gateway).filter(text => !status.services.some(s => text.startsWith(s.name + ': '))) : []
}

function banners({ gateway, now }) {
  const status = gateway.status
  const rejected = status?.config.rejected || []
  return [
    gateway.lostSince && h('p', { class: 'banner bad', role: 'alert' }, `The gateway does not answer since ${clock(gateway.lostSince)} (${span(now - gateway.lostSince)}). What is shown is from before.` + (gateway.lostWhy ? ` It says: ${gateway.lostWhy}` : '')),
    gateway.failures().map(text => h('p', { class: 'banner warn' }, 'Some figures are missing: ' + text)),
    gatewayReasons(gateway).map(text => h('p', { class: 'banner warn' }, text)),
    rejected.length > 1 && h('details', { class: 'banner warn' }, h('summary', {}, `The newest config file has ${rejected.length} errors`), h('ul', {}, rejected.map(text => h('li', {}, h('code', {}, text))))),
  ]
}
