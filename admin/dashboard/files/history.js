// What the charts show. Each window begins with what the gateway remembers; the shortest one goes on with what this page is told every
// second, the longer ones are asked for again.

/** windows are the choices, shortest first: how far back, the step that is asked for, and how often. */
export const windows = {
  '5m': { text: '5 min', ms: 5 * 60 * 1000, step: '1s', gapMs: 15000 },
  '1h': { text: '1 h', ms: 60 * 60 * 1000, step: '10s', gapMs: 35000, everyMs: 10000 },
  '24h': { text: '24 h', ms: 24 * 60 * 60 * 1000, step: '5m', gapMs: 16 * 60 * 1000, everyMs: 30000 },
}

/** live is the window that grows by itself. */
export const live = '5m'

const shortestSpanMs = 60 * 1000

/** History keeps samples by window and service, oldest first. What it returns stays its own. */
export class History {
  #series = new Map(Object.keys(windows).map(window => [window, new Map()]))

  /**
   * load takes in what the API tells of a window at a time in ms, which is that of this machine: the gateway's may differ. Of the live
   * window, what this page saw before is kept.
   */
  load(window, histories, now) {
    for (const { service, points, to } of histories) {
      const samples = points.map(point => fromPoint(point, now - Date.parse(to)))
      const from = samples[0]?.at ?? Infinity
      const before = window === live ? this.of(service, live).filter(s => s.at < from) : []
      this.#series.get(window).set(service, [...before, ...samples])
    }
  }

  /** add takes in the services as the API tells them, at a time in ms. */
  add(services, at) {
    for (const service of services) {
      const samples = this.of(service.name, live)
      const sample = fromService(service, at)
      while (samples.length && samples.at(-1).at >= at) samples.pop() // a clock was set back
      samples.push(sample)
      while (at - samples[0].at > windows[live].ms) samples.shift()
    }
    const known = new Set(services.map(service => service.name))
    for (const series of this.#series.values()) for (const name of series.keys()) if (!known.has(name)) series.delete(name)
  }

  /** of returns the samples of a service in a window. */
  of(name, window = live) {
    const series = this.#series.get(window)
    if (!series.has(name)) series.set(name, [])
    return series.get(name)
  }

  /** all returns the samples of several services side by side, {at, services: name -> sample}, by the times of the one that has most. */
  all(names, window = live) {
    const series = names.map(name => ({ name, samples: this.of(name, window), next: 0 }))
    const longest = series.reduce((best, s) => s.samples.length > best.length ? s.samples : best, [])
    return longest.map(({ at }) => {
      const services = new Map()
      for (const s of series) {
        while (s.next < s.samples.length - 1 && s.samples[s.next].at < at) s.next++
        const sample = s.samples[s.next]
        if (sample && Math.abs(sample.at - at) <= windows[window].gapMs) services.set(s.name, sample)
      }
      return { at, services }
    })
  }
}

function fromPoint(p, shift) {
  return {
    at: Date.parse(p.time) + shift,
    rate: p.requestRate,
    errors: p.requestRate * p.errorRate / 100,
    p50: p.p50Ms ?? null,
    p95: p.p95Ms ?? null,
    p99: p.p99Ms ?? null,
    ready: p.ready,
    target: p.target,
    demand: p.demand ?? null,
    inFlight: p.inFlight,
    queue: p.queueLength,
    cpu: p.cpu ?? null,
    memory: p.memory ?? null,
    weights: p.weights,
  }
}

function fromService(service, at) {
  const idle = service.requestRate === 0
  const instances = service.revisions.flatMap(r => r.instances)
  return {
    at,
    rate: service.requestRate,
    errors: service.requestRate * service.errorRate / 100,
    p50: idle ? null : service.p50Ms,
    p95: idle ? null : service.p95Ms,
    p99: idle ? null : service.p99Ms,
    ready: instanceCounts(service).ready,
    target: service.target,
    demand: service.scaling ? service.demand : null,
    inFlight: service.inFlight,
    queue: service.queueLength,
    cpu: mean(instances.map(i => i.cpu)),
    memory: mean(instances.map(i => i.memory)),
    weights: Object.fromEntries(service.revisions.map(r => [r.version, r.weight])),
  }
}

function mean(values) {
  const known = values.filter(v => v !== undefined)
  return known.length ? known.reduce((sum, v) => sum + v, 0) / known.length : null
}

/** instanceCounts counts the instances of a service, all and those ready. */
export function instanceCounts(service) {
  const states = service.revisions.flatMap(r => r.instances.map(i => i.state))
  return { all: states.length, ready: states.filter(state => state === 'ready').length }
}

/** spanOf returns the time that charts of samples show, {from, to} in ms: whole minutes that hold all of them, up to the window. */
export function spanOf(samples, window = live) {
  const to = samples.at(-1)?.at ?? 0
  const held = to - (samples[0]?.at ?? to)
  const length = Math.min(windows[window].ms, Math.max(shortestSpanMs, Math.ceil(held / 60000) * 60000))
  return { from: to - length, to }
}
