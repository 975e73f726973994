// What the page knows of the gateway, and the loops that keep it up to date. Everything is asked for by polling, as often as it changes in
// the gateway; events come by their stream.

import { follow, get, path, roles, sleep } from './api.js'
import { History, live, windows } from './history.js'

const statusEvery = 1000
const slowEvery = 5000
const mostEvents = 500
const firstSightWait = 1500

// The charts of very many services begin in coarser steps: that much is not to be seen in a small picture.
const manyServices = 12
const coarseStep = '10s'

// Of all time, at most this share is spent on waiting for answers: a gateway with very many services is asked less often.
const mostShare = 0.2

/** Gateway holds the newest answers. Its fields are for views to read; null is what has not been told yet. */
export class Gateway {
  roles = new Map() // path -> method -> the role it needs
  who = null
  status = null
  alerts = null
  silences = null
  findings = null
  cost = null
  recommendations = null
  resources = null
  rollouts = null
  events = [] // newest first
  missed = 0 // events that were overwritten before they could be read
  live = false // whether the event stream is connected
  lostSince = null // when the gateway stopped answering, in ms
  lostWhy = '' // what it answers instead, if anything
  history = new History()

  #changed
  #refused
  #failures = new Map() // what the API answered to a loop's last reading instead of figures
  #running = null // AbortController of the loops
  #pauses = new Set() // AbortControllers of loops that wait for their next turn
  #chart = { window: live, names: [], dueAt: 0 } // what charts show

  /** changed is called after each change of a field, refused(err) when the API wants a token, another one, or a pause before the next. */
  constructor(changed, refused) {
    this.#changed = changed
    this.#refused = refused
  }

  /** has tells whether this gateway has a path, as in its OpenAPI document. */
  has(where) { return this.roles.has(where) }

  /**
   * may tells whether a change is to be offered, {shown, denied}: shown where the gateway has it and it makes sense now; denied is a
   * sentence where the role of whoever is logged in does not allow it.
   */
  may(where, now = true, method = 'post') {
    const needed = this.roles.get(where)?.[method]
    const denied = needed && this.who && rank(this.who.role) < rank(needed)
    return { shown: Boolean(needed && now), denied: denied ? `This needs the role ${needed}; ${this.who.name} is ${this.who.role}.` : '' }
  }

  /** mayCall is may for an action as the API tells it, whose path has names in it. */
  mayCall(action) {
    const parts = action.path.split('/')
    const fits = template => template.length === parts.length && template.every((part, i) => part === parts[i] || part.startsWith('{'))
    const where = [...this.roles.keys()].find(path => fits(path.split('/')))
    return this.may(where, true, action.method.toLowerCase())
  }

  /** charts says which window charts show, and of which services, so that it is asked for. */
  charts(window, names) {
    const chart = this.#chart
    if (chart.window === window && chart.names.join() === names.join()) return
    this.#chart = { window, names, dueAt: 0 }
    if (window !== live) this.refresh()
  }

  /** failures returns sentences: what the API answers at present instead of some of the figures. */
  failures() { return [...new Set(this.#failures.values())] }

  /** connect asks what there is and starts the loops, once the token in use is accepted. */
  async connect() {
    this.stop()
    const running = this.#running = new AbortController()
    try {
      this.roles = await roles()
      const [status, who] = await Promise.all([get(path('status')), get(path('whoami'))])
      this.who = who
      await this.#readTheRest(status.services, running.signal)
      if (running.signal.aborted) return
      this.#take(status)
    } catch (err) {
      if (running.signal.aborted) return
      if (this.#turnedAway(err)) return
      this.#lost(err)
      await sleep(2000, running.signal)
      if (!running.signal.aborted) this.connect()
      return
    }
    this.#startLoops(running.signal)
  }

  /** stop ends the loops. */
  stop() {
    this.#running?.abort()
    this.#running = null
    this.#failures.clear()
    this.live = false
  }

  /** refresh asks for the state now, after a change that somebody made here. */
  refresh() { for (const pause of this.#pauses) pause.abort() }

  // #readTheRest reads what belongs to the first sight of the page, so that nothing moves under the pointer afterwards. What takes
  // longer, or fails, is left to the loops.
  async #readTheRest(services, signal) {
    const reads = [this.#readLive(services), this.#readHistory(), this.#readRollouts(), this.#readSlow()]
    await Promise.race([Promise.allSettled(reads), sleep(firstSightWait, signal)])
  }

  #startLoops(signal) {
    this.#loop(signal, statusEvery, async () => this.#take(await get(path('status'))))
    this.#loop(signal, statusEvery, () => this.#readHistory())
    this.#loop(signal, statusEvery, () => this.#readRollouts())
    this.#loop(signal, slowEvery, () => this.#readSlow())
    if (!this.has('/api/v1/events')) return
    const keyOf = event => event.id + ' ' + event.time // ids begin again when a gateway lost its state
    const seen = new Set(this.events.map(keyOf))
    follow({
      live: live => { this.live = live; this.#changed() },
      missed: count => { this.missed += count; this.#changed() },
      event: event => {
        if (seen.has(keyOf(event))) return
        seen.add(keyOf(event))
        this.events.unshift(event)
        for (const old of this.events.splice(mostEvents)) seen.delete(keyOf(old))
        this.#changed()
      },
    }, signal)
  }

  // #loop calls read, again and again, until signal aborts. A refused token ends all loops; after any other failure it goes on.
  async #loop(signal, every, read) {
    while (!signal.aborted) {
      const begun = performance.now()
      try {
        await read()
        this.#failures.delete(read)
      } catch (err) {
        if (signal.aborted) return
        if (this.#turnedAway(err)) return
        if (err.status === undefined) this.#lost(err)
        else this.#failures.set(read, err.message)
      }
      this.#changed()
      const took = performance.now() - begun
      await this.#pause(Math.max(every, took / mostShare) - took, signal)
    }
  }

  // #pause waits for ms, or until refresh is called.
  async #pause(ms, signal) {
    const pause = new AbortController()
    this.#pauses.add(pause)
    await sleep(ms, AbortSignal.any([signal, pause.signal]))
    this.#pauses.delete(pause)
  }

  #take(status) {
    const another = this.status && (this.status.startedAt !== status.startedAt || this.status.config.generation !== status.config.generation)
    this.status = status
    this.lostSince = null
    this.history.add(status.services, Date.now())
    this.#changed()
    if (another) this.connect() // it may be another version, with other paths, or have other tokens
  }

  // #readLive reads what the live charts begin with.
  async #readLive(services) {
    if (!this.has('/api/v1/history')) return
    const step = services.length > manyServices ? coarseStep : windows[live].step
    this.history.load(live, await get(`${path('history')}?window=${live}&step=${step}`), Date.now())
  }

  // #readHistory reads what the charts of a longer window show, when it is time to.
  async #readHistory() {
    const chart = this.#chart
    if (chart.window === live || Date.now() < chart.dueAt || !this.has('/api/v1/history')) return
    chart.dueAt = Date.now() + windows[chart.window].everyMs
    const { step } = windows[chart.window]
    const query = new URLSearchParams({ window: chart.window, step, service: chart.names.join() })
    this.history.load(chart.window, await get(`${path('history')}?${query}`), Date.now())
  }

  async #readRollouts() {
    if (this.has('/api/v1/rollouts')) this.rollouts = await get(path('rollouts'))
  }

  async #readSlow() {
    const lists = { alerts: 'alerts', silences: 'silences', findings: 'bottlenecks', cost: 'cost', recommendations: 'cost/recommendations', resources: 'resources' }
    await Promise.all(Object.entries(lists).map(async ([field, where]) => {
      if (this.has('/api/v1/' + where)) this[field] = await get(path(...where.split('/')))
    }))
  }

  #lost(err) {
    this.lostSince ??= Date.now()
    this.lostWhy = err.status ? err.message : ''
    this.#changed()
  }

  // #turnedAway stops everything and tells whether err is about the token rather than about the gateway.
  #turnedAway(err) {
    if (err.status !== 401 && err.status !== 429) return false
    this.stop()
    this.#refused(err)
    return true
  }
}

function rank(role) { return ['viewer', 'operator', 'admin'].indexOf(role) }
