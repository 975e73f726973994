// The page: it chooses the view by the address, asks for a token where one is needed, and shows what changed once per frame.

import { Actions } from './actions.js'
import { get, path, setToken, token } from './api.js'
import { ask } from './dialogs.js'
import { h, patch } from './dom.js'
import { Gateway } from './gateway.js'
import { live } from './history.js'
import { costView } from './views/cost.js'
import { eventsView } from './views/events.js'
import { header } from './views/header.js'
import { busiest, overview } from './views/overview.js'
import { empty } from './views/parts.js'
import { problemsView } from './views/problems.js'
import { rolloutsView } from './views/rollouts.js'
import { serviceView } from './views/service.js'

const gateway = new Gateway(render, login)
const actions = new Actions(gateway)
const state = { cursor: null, window: live, filter: { type: '', service: '', severity: 'info', text: '' } }
let framed = false
let asking = null

// render shows everything anew before the next frame; many changes make one.
function render() {
  if (framed) return
  framed = true
  requestAnimationFrame(() => {
    framed = false
    show()
  })
}

function show() {
  const page = {
    gateway, actions, ...state, route: route(), token: token(), now: Date.now(), leave,
    point: cursor => { state.cursor = cursor; render() },
    setWindow: window => { Object.assign(state, { window, cursor: null }); render() },
    setFilter: fields => { Object.assign(state.filter, fields); render() },
  }
  if (gateway.status) gateway.charts(state.window, page.route.name ? [page.route.name] : busiest(gateway.status.services))
  patch(document.getElementById('top'), header(page))
  const waiting = gateway.lostSince ? 'The gateway does not answer; trying again …' : 'Asking the gateway …'
  patch(document.getElementById('main'), h('div', { key: location.hash, class: 'view' }, gateway.status ? view(page) : empty(asking ? 'A token is needed.' : waiting)))
  const status = gateway.status?.overall
  document.title = (status && status !== 'healthy' ? status + ' · ' : '') + 'gatewayd'
}

function route() {
  const [view = '', name] = location.hash.replace(/^#\/?/, '').split('/')
  try {
    return { view, name: name && decodeURIComponent(name) }
  } catch {
    return { view: '' }
  }
}

function view(page) {
  const views = { problems: problemsView, rollouts: rolloutsView, cost: costView, events: eventsView, services: p => serviceView(p, p.route.name) }
  return (views[page.route.view] || overview)(page)
}

// login asks for a token until one is accepted; err tells why.
function login(err) {
  setToken('')
  if (asking) return
  asking = ask({
    title: 'gatewayd', text: err.message, verb: 'Log in', fixed: true,
    fields: [{ name: 'token', label: 'Token', type: 'password', required: true, autocomplete: 'current-password', hint: 'One of admin.tokens. It is kept until this tab is closed.' }],
    act: async values => {
      setToken(values.token.trim())
      try {
        await get(path('status'))
      } catch (refused) {
        setToken('')
        throw refused
      }
      asking = null
      gateway.connect()
    },
  })
  render()
}

function leave() {
  setToken('')
  location.reload()
}

addEventListener('hashchange', () => {
  state.cursor = null
  render()
  document.getElementById('main').focus({ preventScroll: true })
  scrollTo(0, 0)
})
setInterval(render, 1000)
gateway.connect()
