// Latency percentiles from the histogram that the gateway shows at /metrics. The API has the exact p95 of each service; the
// other percentiles are estimated here from the buckets, over the same last ten seconds.

const bucketLine = /^gatewayd_request_duration_seconds_bucket\{(.*)\} (\S+)$/gm
const label = /(\w+)="((?:[^"\\]|\\.)*)"/g
const windowMs = 10000

/** parseBuckets reads a metrics page into service -> le in seconds -> cumulative count, summed over revisions. */
export function parseBuckets(page) {
  const services = new Map()
  for (const line of page.matchAll(bucketLine)) {
    let service = ''
    let le = NaN
    for (const [, name, value] of line[1].matchAll(label)) {
      if (name === 'service') service = value.replace(/\\(.)/g, '$1')
      if (name === 'le') le = value === '+Inf' ? Infinity : Number(value)
    }
    if (!services.has(service)) services.set(service, new Map())
    const buckets = services.get(service)
    buckets.set(le, (buckets.get(le) || 0) + Number(line[2]))
  }
  return services
}

/**
 * quantile returns where share (0 to 1) of the requests between two readings of cumulative buckets lies, in ms, with straight lines
 * within a bucket; null without requests. What is beyond the last bound counts as that bound. Before is undefined for a
 * service that was not there; counts that fell, as after a restart, count from 0.
 */
export function quantile(share, after, before) {
  const bounds = [...after.keys()].sort((a, b) => a - b)
  const at = le => after.get(le) - (before?.get(le) || 0)
  const total = at(Infinity)
  if (total < 0) return quantile(share, after, undefined)
  if (!(total > 0)) return null
  const rank = share * total
  let low = 0
  let below = 0
  for (const le of bounds) {
    const upTo = at(le)
    if (upTo >= rank) {
      if (le === Infinity) return low * 1000
      const within = upTo > below ? (rank - below) / (upTo - below) : 1
      return (low + (le - low) * within) * 1000
    }
    low = le
    below = upTo
  }
  return low * 1000
}

/** Percentiles keeps the readings of the last seconds and tells the percentiles between the oldest and the newest. */
export class Percentiles {
  #readings = [] // {at, services}, oldest first; one is at least windowMs old, if there are that many

  /** add takes in a metrics page read at a time in ms. */
  add(page, at) {
    this.#readings.push({ at, services: parseBuckets(page) })
    while (this.#readings.length > 2 && at - this.#readings[1].at >= windowMs) this.#readings.shift()
  }

  /**
   * of returns {p50, p99} of a service in ms, null where it had no requests or is not known. They are kept in order with p95, which is
   * exact where they are estimates.
   */
  of(service, p95) {
    const [first, last] = [this.#readings[0], this.#readings.at(-1)]
    const after = last?.services.get(service)
    if (!after || first === last) return { p50: null, p99: null }
    const before = first.services.get(service)
    const [p50, p99] = [quantile(0.5, after, before), quantile(0.99, after, before)]
    return { p50: p50 === null ? null : Math.min(p50, p95), p99: p99 === null ? null : Math.max(p99, p95) }
  }
}
