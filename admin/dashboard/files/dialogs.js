// Dialogs that ask before something changes, and short messages that tell what became of it.

import { h, patch } from './dom.js'

const messageMs = 6000

/**
 * ask opens a dialog. o.title; o.text, what it does; o.code, what is called, word by word; o.fields, each {name, label, type, value, options, required, hint, ...attributes}; o.verb on
 * the button; o.danger where it hurts; o.act(values), which returns a sentence to show afterwards and whose error is shown in the
 * dialog, which then stays open; o.fixed keeps it open until it was answered. Values are strings, of a checkbox true or false.
 */
export function ask(o) {
  const opener = document.activeElement
  const dialog = document.createElement('dialog')
  dialog.className = 'ask'
  let failure = null
  let busy = false
  let answered = false
  const render = () => patch(dialog, form(o, { failure, busy, submit, cancel: () => dialog.close() }))
  async function submit(e) {
    e.preventDefault()
    if (busy) return
    const values = valuesOf(e.currentTarget)
    busy = true
    failure = null
    render()
    try {
      const told = await o.act(values)
      answered = true
      dialog.close()
      if (told) say(told)
    } catch (err) {
      failure = err
    }
    busy = false
    render()
  }
  render()
  dialog.addEventListener('close', () => {
    if (o.fixed && !answered) {
      dialog.showModal() // Escape closes any dialog in the end
      return
    }
    dialog.remove()
    focusAgain(opener)
  })
  document.body.append(dialog)
  dialog.showModal()
  const first = dialog.querySelector('input, select')
  first?.focus()
  first?.select?.()
  return dialog
}

// focusAgain gives the focus back to what had it. The page may have drawn that anew in the meantime; the browser then gives it to nobody.
function focusAgain(opener) {
  if (!opener || document.activeElement !== document.body) return
  const name = nameOf(opener)
  const again = opener.isConnected ? opener : [...document.querySelectorAll(opener.localName)].find(node => nameOf(node) === name)
  again?.focus()
}

function nameOf(node) {
  return node.getAttribute('aria-label') || node.textContent
}

function valuesOf(node) {
  const values = {}
  for (const field of node.elements) if (field.name) values[field.name] = field.type === 'checkbox' ? field.checked : field.value
  return values
}

function form(o, { failure, busy, submit, cancel }) {
  return h('form', { onsubmit: submit, 'aria-busy': busy && 'true' },
    h('h2', {}, o.title),
    o.text && h('p', {}, o.text),
    o.code && h('pre', {}, o.code),
    (o.fields || []).map(field),
    failure && h('div', { class: 'failure', role: 'alert' }, h('p', {}, failure.message), list(failure.details)),
    h('div', { class: 'buttons' },
      !o.fixed && h('button', { type: 'button', onclick: cancel }, 'Cancel'),
      h('button', { type: 'submit', class: o.danger ? 'danger' : 'primary', disabled: busy }, o.verb)))
}

function list(details) {
  return details?.length > 0 && h('ul', {}, details.map(text => h('li', {}, text)))
}

function field({ name, label, type = 'text', value, options, hint, ...rest }) {
  const id = 'field-' + name
  const about = hint && { 'aria-describedby': id + '-hint' }
  if (type === 'checkbox') {
    return h('p', { class: 'field check' }, h('input', { id, name, type, checked: value, ...about, ...rest }), h('label', { for: id }, label), hintOf(id, hint))
  }
  const control = options
    ? h('select', { id, name, value, ...about, ...rest }, options.map(([v, text]) => h('option', { value: v, selected: v === value }, text)))
    : h('input', { id, name, type, value: value ?? '', autocomplete: 'off', ...about, ...rest })
  return h('p', { class: 'field' }, h('label', { for: id }, label), control, hintOf(id, hint))
}

function hintOf(id, hint) { return hint && h('small', { id: id + '-hint' }, hint) }

/** say shows a message for some seconds; with failed until it is clicked away. */
export function say(text, failed) {
  const toast = document.createElement('div')
  toast.className = failed ? 'toast failed' : 'toast'
  patch(toast, h('span', {}, text), h('button', { type: 'button', 'aria-label': 'Dismiss', onclick: () => toast.remove() }, '×'))
  document.getElementById('toasts').append(toast)
  if (!failed) setTimeout(() => toast.remove(), messageMs)
}

/** attempt does a change that needs no dialog, and shows what became of it. */
export async function attempt(act) {
  try {
    say(await act())
  } catch (err) {
    say(err.message, true)
  }
}

/** copy puts text into the clipboard. Browsers allow that on https and on this machine; elsewhere it is shown to be copied by hand. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    say('Copied.')
  } catch {
    ask({ title: 'Copy this command', verb: 'Close', fields: [{ name: 'text', label: 'Command', value: text, readonly: true }], act: () => '' })
  }
}
