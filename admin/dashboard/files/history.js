// What the charts show: a sample of each service every second or so, for the last ten minutes. It is collected by this page while it
// is open, so it begins with the page.

/** windowMs is how far back samples are kept. */
export const windowMs = 10 * 60 * 1000

const shortestWindowMs = 60 * 1000

/** History keeps samples by service, oldest first. */
export class History {
  #services = new Map()
  #all = [] // {at, services: name -> sample}

  /** add takes in the services as the API tells them, at a time in ms; percentiles is a Percentiles. */
  add(services, at, percentiles) {
    const all = { at, services: new Map() }
    for (const service of services) {
      const sample = sampleOf(service, at, percentiles)
      all.services.set(service.name, sample)
      addTo(this.of(service.name), sample)
    }
    addTo(this.#all, all)
    const known = new Set(services.map(service => service.name))
    for (const name of this.#services.keys()) if (!known.has(name)) this.#services.delete(name)
  }

  /** all returns the samples of all services together, {at, services: name -> sample}, which stay owned by the history. */
  all() { return this.#all }

  /** of returns the samples of a service, which stay owned by the history. */
  of(name) {
    if (!this.#services.has(name)) this.#services.set(name, [])
    return this.#services.get(name)
  }
}

function addTo(samples, sample) {
  samples.push(sample)
  while (sample.at - samples[0].at > windowMs) samples.shift()
}

function sampleOf(service, at, percentiles) {
  const { ready } = instanceCounts(service)
  const idle = service.requestRate === 0
  return {
    at,
    rate: service.requestRate,
    errors: service.requestRate * service.errorRate / 100,
    p95: idle ? null : service.p95Ms,
    ...(idle ? { p50: null, p99: null } : percentiles.of(service.name, service.p95Ms)),
    ready,
    target: service.target,
    demand: service.scaling ? service.demand : null,
    queue: service.queueLength,
    weights: Object.fromEntries(service.revisions.map(r => [r.version, r.weight])),
  }
}

/** instanceCounts counts the instances of a service, all and those ready. */
export function instanceCounts(service) {
  const states = service.revisions.flatMap(r => r.instances.map(i => i.state))
  return { all: states.length, ready: states.filter(state => state === 'ready').length }
}

/** spanOf returns the time that charts of samples show, {from, to} in ms: whole minutes that hold all of them, up to the window. */
export function spanOf(samples) {
  const to = samples.at(-1)?.at ?? 0
  const held = to - (samples[0]?.at ?? to)
  const length = Math.min(windowMs, Math.max(shortestWindowMs, Math.ceil(held / 60000) * 60000))
  return { from: to - length, to }
}
