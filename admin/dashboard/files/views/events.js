// What happened, newest first, as it comes in.

import { h } from '../dom.js'
import { clock, plural } from '../format.js'
import { badge, empty, serviceLink } from './parts.js'

const ranks = { info: 0, warning: 1, critical: 2, page: 3 }

/** eventsView describes the page of all events. page.filter is {type, service, severity, text}; page.setFilter changes fields of it. */
export function eventsView(page) {
  const { gateway, filter, setFilter } = page
  const shown = gateway.events.filter(e => passes(e, filter))
  const choice = (name, label, options) => h('label', {}, label, h('select', { name, value: filter[name], onchange: e => setFilter({ [name]: e.target.value }) },
    options.map(([value, text]) => h('option', { value, key: value }, text))))
  const seen = field => [...new Set(gateway.events.map(e => e[field]).filter(Boolean))].sort().map(v => [v, v])
  return [
    h('h1', {}, 'Events'),
    h('div', { class: 'filter', role: 'search', 'aria-label': 'Filter events' },
      choice('type', 'Type', [['', 'all'], ...seen('type')]),
      choice('service', 'Service', [['', 'all'], ...seen('service')]),
      choice('severity', 'Severity', [['info', 'all'], ['warning', 'warning and above'], ['critical', 'critical and above']]),
      h('label', {}, 'Text', h('input', { type: 'search', name: 'text', value: filter.text, autocomplete: 'off', oninput: e => setFilter({ text: e.target.value }) })),
      h('p', { class: 'quiet' }, `${plural(shown.length, 'event')} of ${gateway.events.length}, ${gateway.live ? 'live' : 'not connected'}` + (gateway.missed ? `; ${plural(gateway.missed, 'event')} went by unseen` : ''))),
    eventList(shown, page),
  ]
}

/** passes tells whether an event is one of those asked for. */
export function passes(event, { type, service, severity, text }) {
  const words = [event.type, event.service, event.revision, event.instance, event.message].join(' ').toLowerCase()
  return (!type || event.type === type) && (!service || event.service === service) &&
    (ranks[event.severity] ?? 0) >= (ranks[severity] ?? 0) && words.includes(text.trim().toLowerCase())
}

/** eventList shows events in the order given. */
export function eventList(events, { now }) {
  if (events.length === 0) return empty('Nothing has happened.')
  return h('ol', { class: 'events' }, events.map(e => h('li', { key: `${e.id} ${e.time}`, class: 'severity-' + e.severity, 'data-type': e.type },
    h('time', { datetime: e.time }, clock(e.time, now)),
    e.severity === 'info' ? h('span', { class: 'type' }, e.type) : badge(e.severity, e.type),
    e.service && serviceLink(e.service),
    h('span', { class: 'message' }, e.message, e.type === 'audit' && e.data?.reason ? ` – ${e.data.reason}` : ''))))
}
