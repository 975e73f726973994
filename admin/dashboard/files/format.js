// How figures and times are written. A dash stands for what is not known.

const dash = '–'

function isNumber(v) { return typeof v === 'number' && Number.isFinite(v) }

/** number writes three digits that count, with separators: 0.62, 12.3, 118, 24,105. */
export function number(v) {
  if (!isNumber(v)) return dash
  const size = Math.abs(v)
  if (size === 0) return '0'
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 0.01 ? 2 : 4
  return v.toLocaleString('en-US', { maximumFractionDigits: digits })
}

/** rate writes requests per second. */
export function rate(v) { return isNumber(v) ? number(v) + ' /s' : dash }

/** percent writes 0 to 100. What is above 0 is never written as 0. */
export function percent(v) {
  if (!isNumber(v)) return dash
  if (v > 0 && v < 0.01) return '<0.01 %'
  return v.toLocaleString('en-US', { maximumFractionDigits: v >= 100 ? 0 : v >= 1 ? 1 : 2 }) + ' %'
}

/** milliseconds writes a latency: 0.62 ms, 118 ms, 1.25 s. */
export function milliseconds(v) {
  if (!isNumber(v)) return dash
  return v >= 1000 ? number(v / 1000) + ' s' : number(v) + ' ms'
}

/** count writes a whole number. */
export function count(v) { return isNumber(v) ? Math.round(v).toLocaleString('en-US') : dash }

/** money writes an amount; small ones keep the digits that count. */
export function money(v, currency) {
  if (!isNumber(v)) return dash
  const size = Math.abs(v)
  const style = v === 0 || size >= 1 ? { minimumFractionDigits: 2, maximumFractionDigits: 2 } : size >= 0.01 ? { minimumFractionDigits: 2, maximumFractionDigits: 4 } : { maximumSignificantDigits: 3 }
  try {
    return v.toLocaleString('en-US', { style: 'currency', currency, ...style })
  } catch {
    return v.toLocaleString('en-US', style) + (currency ? ' ' + currency : '')
  }
}

/** bytes writes a size: 512 MiB. */
export function bytes(v) {
  if (!isNumber(v)) return dash
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let i = 0
  while (v >= 1024 && i < units.length - 1) {
    v /= 1024
    i++
  }
  return number(v) + ' ' + units[i]
}

/** clock writes the local time of a moment, with the date when it was another day. */
export function clock(moment, now = Date.now()) {
  const at = new Date(moment)
  if (Number.isNaN(at.getTime())) return dash
  const time = at.toLocaleTimeString('en-GB')
  return at.toDateString() === new Date(now).toDateString() ? time : at.toLocaleDateString('en-CA') + ' ' + time
}

/** span writes how long something lasts: 4 s, 3 min, 2 h 5 min, 6 d. */
export function span(ms) {
  if (!isNumber(ms)) return dash
  const s = Math.max(0, Math.round(ms / 1000))
  if (s < 60) return s + ' s'
  if (s < 3600) return Math.floor(s / 60) + ' min'
  const hours = Math.floor(s / 3600)
  const minutes = Math.floor((s % 3600) / 60)
  if (hours < 48) return hours + ' h' + (minutes ? ' ' + minutes + ' min' : '')
  return Math.floor(hours / 24) + ' d'
}

/** ago writes how long before now a moment was. */
export function ago(moment, now = Date.now()) {
  const at = Date.parse(moment)
  return Number.isNaN(at) ? dash : span(now - at) + ' ago'
}

/** figure writes a measured value with its unit as the API names it. */
export function figure(value, unit) {
  switch (unit) {
    case 'ms': return milliseconds(value)
    case '%': case 'percent': return percent(value)
    case 'bytes': case 'B': return bytes(value)
    case '/s': return rate(value)
    default: return number(value) + (unit ? ' ' + unit : '')
  }
}

/** plural writes a number with the right form of its word. */
export function plural(n, word) { return count(n) + ' ' + word + (n === 1 ? '' : 's') }
