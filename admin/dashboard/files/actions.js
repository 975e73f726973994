// The changes that an operator makes: what is asked before each, and the call that makes it.

import { change, path } from './api.js'
import { ask, attempt } from './dialogs.js'
import { clock, plural } from './format.js'
import { instanceCounts } from './history.js'
import { parseSteps } from './steps.js'

/** Actions are the changes; gateway is asked to look again after each. */
export class Actions {
  #gateway

  constructor(gateway) { this.#gateway = gateway }

  async #call(action) {
    const answer = await change(action)
    this.#gateway.refresh()
    return answer
  }

  #post(where, body) { return this.#call({ method: 'POST', path: where, body }) }

  /** run makes the call that an advised command stands for, {command, action} of a bottleneck or recommendation. */
  run({ command, action }) {
    const body = action.body ? '\n' + JSON.stringify(action.body, null, 2) : ''
    ask({
      title: 'Do what is advised', verb: 'Do it', danger: true, text: `The same as the command ${command}. This is called:`, code: `${action.method} ${action.path}${body}`,
      act: async () => {
        const result = await this.#call(action)
        if (result.to !== undefined) return `From ${result.from} to ${plural(result.to, 'instance')}.`
        return result.id ? `Rollout ${result.id} has begun.` : `Done: ${command}`
      },
    })
  }

  /** silence keeps alerts from being sent, those like the given one to begin with. */
  silence(alert) {
    ask({
      title: 'Silence alerts', verb: 'Silence', text: 'They are shown here all the same; nobody is told of them.',
      fields: [
        { name: 'service', label: 'Service', value: alert?.service, maxlength: 200, hint: 'Empty: all. shop-* is all that begin so.' },
        { name: 'metric', label: 'Metric', value: alert?.metric, maxlength: 200, hint: 'Empty: all.' },
        { name: 'for', label: 'For', value: '2h', required: true, pattern: '([0-9]+(s|m|h))+', hint: 'Such as 30m or 8h.' },
        { name: 'comment', label: 'Comment', required: true, maxlength: 500, hint: 'Why. Shown with the silence and in the audit trail.' },
      ],
      act: async values => {
        const body = Object.fromEntries(Object.entries(values).filter(([, text]) => text.trim()))
        const made = await this.#post(path('silences'), body)
        return `Silenced until ${clock(made.until)}.`
      },
    })
  }

  /** expire ends a silence before its time. */
  expire(silence) {
    attempt(async () => {
      await this.#call({ method: 'DELETE', path: path('silences', silence.id) })
      return 'The silence is over.'
    })
  }

  /** scale sets a number of instances by hand. */
  scale(service) {
    ask({
      title: `Scale ${service.name}`, verb: 'Scale',
      text: `Holds this number until scaling is given back to the policies. Configured: ${service.minInstances} to ${service.maxInstances}.`,
      fields: [
        { name: 'instances', label: 'Instances', type: 'number', value: service.target, min: 0, step: 1, required: true, inputmode: 'numeric' },
        { name: 'reason', label: 'Reason', required: true, maxlength: 500, hint: 'Kept in the audit trail and shown beside the service.' },
      ],
      act: async values => {
        const result = await this.#post(path('services', service.name, 'scale'), { instances: Number(values.instances), reason: values.reason })
        const limit = result.clampedBy ? `; ${result.clampedBy} allowed no other number` : ''
        return `${service.name} goes from ${result.from} to ${plural(result.to, 'instance')}${limit}.`
      },
    })
  }

  /** scaleAuto gives scaling back to the policies. */
  scaleAuto(service) {
    attempt(async () => {
      await this.#post(path('services', service.name, 'scale'), { auto: true })
      return `The policies scale ${service.name} again.`
    })
  }

  /** deploy begins a rollout. */
  deploy(service) {
    const under = service.rollout
    ask({
      title: `Deploy ${service.name}`, verb: 'Deploy',
      text: `Runs ${service.version} now. What is left empty comes from the configuration.`,
      fields: [
        { name: 'version', label: 'Version', required: true, maxlength: 200 },
        { name: 'strategy', label: 'Strategy', value: '', options: [['', 'as configured'], ['canary', 'canary'], ['blue-green', 'blue-green'], ['rolling', 'rolling']] },
        { name: 'steps', label: 'Steps', placeholder: '5% 30s, 25% 2m, 50% 5m', hint: 'Share of the traffic and how long, for a canary.' },
        { name: 'rollback', label: 'When it does worse', value: '', options: [['', 'as configured'], ['true', 'roll back by itself'], ['false', 'stop and leave it to me']] },
        { name: 'reason', label: 'Reason', maxlength: 500 },
        ...(under ? [{ name: 'supersede', label: `Take the place of ${under}, which is under way`, type: 'checkbox' }] : []),
      ],
      act: async values => {
        const body = { version: values.version.trim(), steps: parseSteps(values.steps) }
        if (values.strategy) body.strategy = values.strategy
        if (values.rollback) body.autoRollback = values.rollback === 'true'
        if (values.reason) body.reason = values.reason
        if (values.supersede) body.supersede = true
        const { id } = await this.#post(path('services', service.name, 'rollouts'), body)
        return `Rollout ${id} of ${service.name} to ${body.version} has begun.`
      },
    })
  }

  /** rollback goes back to the version before. */
  rollback(service) {
    ask({
      title: `Roll back ${service.name}`, verb: 'Roll back', danger: true,
      text: `Goes from ${service.version} back to the version before. The old version gets its capacity first, then the traffic.`,
      act: async () => {
        const { id } = await this.#post(path('services', service.name, 'rollback'))
        return `Rollback ${id} of ${service.name} has begun.`
      },
    })
  }

  /** steer pauses, resumes, promotes or aborts a rollout. The last two are asked for again. */
  steer(rollout, action) {
    const act = async () => {
      const after = await this.#post(path('rollouts', rollout.id, action))
      return `Rollout of ${rollout.service} to ${rollout.version}: ${after.status}.`
    }
    const texts = {
      promote: `Skips the steps that are left and gives ${rollout.version} all traffic of ${rollout.service}.`,
      abort: `Takes ${rollout.version} out of traffic; ${rollout.from} serves all of ${rollout.service} again.`,
    }
    if (!texts[action]) attempt(act)
    else ask({ title: `${action === 'abort' ? 'Abort' : 'Promote'} ${rollout.version}`, verb: action === 'abort' ? 'Abort' : 'Promote', danger: action === 'abort', text: texts[action], act })
  }

  /** maintenance takes a service out of traffic. */
  maintenance(service) {
    ask({
      title: `Maintenance of ${service.name}`, verb: 'Begin', danger: true,
      fields: [
        { name: 'mode', label: 'Requests', value: 'on', options: [['on', 'are answered with 503 and the message'], ['hold', 'wait in the queue, and go through afterwards']] },
        { name: 'message', label: 'Message to clients', maxlength: 2000, hint: 'With 503 only.' },
        { name: 'for', label: 'Ends by itself after', placeholder: '30s', pattern: '([0-9]+(ms|s|m|h))*', hint: 'Such as 90s or 10m. Empty: until it is ended.' },
      ],
      act: async values => {
        const body = { mode: values.mode }
        if (values.for) body.for = values.for
        if (values.message && values.mode === 'on') body.message = values.message
        await this.#post(path('services', service.name, 'maintenance'), body)
        return `${service.name} is in maintenance.`
      },
    })
  }

  /** maintenanceOff lets a service serve again. */
  maintenanceOff(service) {
    attempt(async () => {
      await this.#post(path('services', service.name, 'maintenance'), { mode: 'off' })
      return `${service.name} serves again.`
    })
  }

  /** drain gives an instance no new requests; it asks first when no other is ready. */
  drain(service, instance) {
    const act = async () => {
      await this.#post(path('services', service.name, 'instances', instance.id, 'drain'))
      return `${instance.id} gets no new requests.`
    }
    if (instance.state !== 'ready' || instanceCounts(service).ready > 1) attempt(act)
    else ask({ title: `Drain ${instance.id}`, verb: 'Drain', danger: true, text: `It is the only instance of ${service.name} that is ready. Without it requests wait or fail.`, act })
  }

  /** undrain takes an instance back into traffic. */
  undrain(service, instance) {
    attempt(async () => {
      await this.#post(path('services', service.name, 'instances', instance.id, 'undrain'))
      return `${instance.id} is back.`
    })
  }

  /** reload reads the config file again. */
  reload() {
    ask({
      title: 'Reload the configuration', verb: 'Reload', text: 'Reads the config file again. A file with errors is refused, and the old one runs on.',
      act: async () => {
        const result = await this.#post(path('reload'))
        return result.changes.length ? result.changes.join('. ') + '.' : 'The file had not changed.'
      },
    })
  }
}
