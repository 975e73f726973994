// The admin API as the page uses it: calls with the token of this tab, and the event stream. The stream is read with fetch, because an
// EventSource can send no Authorization header and tells no reason when it is refused.

const base = '/api/v1'
const tokenKey = 'gatewayd-token'
const callTimeout = 15000
const longestPause = 10000

/** ApiError is a refusal of the API: its sentence, the field that it is about, and more findings where there are several. */
export class ApiError extends Error {
  constructor(status, answer) {
    super(answer?.error || `the gateway answered with status ${status}`)
    this.status = status
    this.field = answer?.field
    this.details = answer?.details || []
  }
}

/** token returns the token of this tab; it ends with the tab. */
export function token() { return sessionStorage.getItem(tokenKey) || '' }

/** setToken keeps a token for this tab; an empty one is forgotten. */
export function setToken(value) {
  if (value) sessionStorage.setItem(tokenKey, value)
  else sessionStorage.removeItem(tokenKey)
}

function headers(more) {
  const all = { ...more }
  if (token()) all.Authorization = 'Bearer ' + token()
  return all
}

async function refusal(response) {
  let answer
  try {
    answer = await response.json()
  } catch {
    // Not from the API: a proxy in between, say. The status has to do.
  }
  return new ApiError(response.status, answer)
}

/** path joins parts to a path of the API, each escaped: path('services', name, 'scale'). */
export function path(...parts) { return base + '/' + parts.map(encodeURIComponent).join('/') }

/** get returns what the API answers at path, as it was in JSON. */
export async function get(where) {
  const response = await fetch(where, { headers: headers(), signal: AbortSignal.timeout(callTimeout) })
  if (!response.ok) throw await refusal(response)
  return response.json()
}

async function getText(where) {
  const response = await fetch(where, { headers: headers(), signal: AbortSignal.timeout(callTimeout) })
  if (!response.ok) throw await refusal(response)
  return response.text()
}

/** change asks for a change, {method, path, body}, and returns what the API answers; body may be left out. */
export async function change({ method, path: where, body }) {
  const init = { method, headers: headers(), signal: AbortSignal.timeout(2 * callTimeout) }
  if (body !== undefined) {
    init.body = JSON.stringify(body)
    init.headers['Content-Type'] = 'application/json'
  }
  const response = await fetch(where, init)
  if (!response.ok) throw await refusal(response)
  return response.json()
}

/**
 * roles asks which paths this gateway has, and which role each of their methods needs: path -> {get: 'viewer', ...}. What is not wired in
 * the gateway does not appear in its OpenAPI document.
 */
export async function roles() { return parseRoles(await getText(base + '/openapi.yaml')) }

/** parseRoles reads the roles out of an OpenAPI document in YAML, as the API writes it. */
export function parseRoles(text) {
  const found = new Map()
  let methods = null
  let method = ''
  for (const line of text.split('\n')) {
    const [, path, verb, role] = /^ {2,4}(\/\S*):$|^ {4,8}(get|post|delete):$|^ +x-role: (\w+)$/.exec(line) || []
    if (path) found.set(path, methods = {})
    else if (verb) method = verb
    else if (role && methods) methods[method] = role
  }
  return found
}

/**
 * follow reads the event stream until signal aborts it, and connects again where it broke off. on.event gets each event,
 * on.missed how many were overwritten before they could be read, on.live whether the stream is connected.
 */
export async function follow(on, signal) {
  let lastID = ''
  let pause = 500
  while (!signal.aborted) {
    try {
      const more = { Accept: 'text/event-stream' }
      if (lastID) more['Last-Event-ID'] = lastID
      const response = await fetch(base + '/events?since=24h', { headers: headers(more), signal })
      if (!response.ok) throw await refusal(response)
      on.live(true)
      pause = 500
      await readStream(response.body, message => {
        if (message.id) lastID = message.id
        if (message.event === 'missed') on.missed(JSON.parse(message.data).missed)
        else if (message.data) on.event(JSON.parse(message.data))
      })
    } catch (err) {
      if (signal.aborted) return
      if (err.status === 401) lastID = ''
    }
    on.live(false)
    await sleep(pause, signal)
    pause = Math.min(2 * pause, longestPause)
  }
}

/** readStream calls take with each message of a body in the format of Server-Sent Events. */
export async function readStream(body, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    const messages = (rest + value).split('\n\n')
    rest = messages.pop()
    for (const text of messages) {
      const message = parseMessage(text)
      if (message) take(message)
    }
  }
}

/** parseMessage reads one message; comments and empty ones give null. */
export function parseMessage(text) {
  const message = { id: '', event: 'message', data: '' }
  let any = false
  for (const line of text.split('\n')) {
    const found = /^(id|event|data):\s?(.*)$/.exec(line)
    if (!found) continue
    message[found[1]] = found[1] === 'data' && message.data ? message.data + '\n' + found[2] : found[2]
    any = true
  }
  return any ? message : null
}

/** sleep ends after ms, or at once when signal aborts. */
export function sleep(ms, signal) {
  return new Promise(resolve => {
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end)
    if (signal?.aborted) end()
  })
}
