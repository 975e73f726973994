// Views describe what the page should look like; patch makes it so with as few changes as it can, so that focus, selection
// and scroll positions survive a change of figures. Text only ever becomes text nodes: nothing from the API is parsed as HTML.

const svgNamespace = 'http://www.w3.org/2000/svg'

// What a view sets on a node once, when it is made; afterwards it belongs to whoever uses the page.
const initialOnly = new Set(['value', 'checked', 'selected', 'open'])

/**
 * h describes an element. In props, key tells siblings of a list apart, functions named on... are event handlers, false and null leave
 * an attribute out. Children are elements, text, or lists of them; false and null are left out.
 */
export function h(tag, props, ...children) {
  return { tag, props: props || {}, children, key: props?.key }
}

/** patch makes the children of parent match what is described. */
export function patch(parent, ...descriptions) {
  const wanted = flatten(descriptions, [])
  const keys = new Set(wanted.map(w => w.key).filter(key => key !== undefined))
  const keyed = new Map()
  for (const node of parent.childNodes) if (node.patchKey !== undefined) keyed.set(node.patchKey, node)
  let at = parent.firstChild
  const skipGone = () => {
    while (at && at.patchKey !== undefined && !keys.has(at.patchKey)) {
      const next = at.nextSibling
      at.remove()
      at = next
    }
  }
  for (const w of wanted) {
    skipGone()
    let node = w.key !== undefined ? keyed.get(w.key) : at
    if (!fits(node, w)) {
      node = create(w, parent)
      parent.insertBefore(node, at)
    } else if (node === at) {
      at = at.nextSibling
    } else {
      parent.insertBefore(node, at)
    }
    update(node, w)
  }
  while (at) {
    const next = at.nextSibling
    at.remove()
    at = next
  }
}

function flatten(list, into) {
  for (const item of list) {
    if (Array.isArray(item)) flatten(item, into)
    else if (item === null || item === undefined || item === false || item === '') continue
    else into.push(typeof item === 'object' ? item : { text: String(item) })
  }
  return into
}

function fits(node, w) {
  if (!node) return false
  if (w.text !== undefined) return node.nodeType === Node.TEXT_NODE
  return node.nodeType === Node.ELEMENT_NODE && node.localName === w.tag.toLowerCase() && node.patchKey === w.key
}

function create(w, parent) {
  if (w.text !== undefined) return document.createTextNode(w.text)
  const isSVG = w.tag === 'svg' || parent.namespaceURI === svgNamespace
  const node = isSVG ? document.createElementNS(svgNamespace, w.tag) : document.createElement(w.tag)
  node.patchKey = w.key
  node.patchProps = {}
  update(node, w)
  for (const name of initialOnly) if (w.props[name] !== undefined) node[name] = w.props[name]
  return node
}

function update(node, w) {
  if (w.text !== undefined) {
    if (node.data !== w.text) node.data = w.text
    return
  }
  const before = node.patchProps
  for (const name in before) if (!(name in w.props)) set(node, name, null)
  for (const name in w.props) if (before[name] !== w.props[name]) set(node, name, w.props[name])
  node.patchProps = w.props
  patch(node, w.children)
}

function set(node, name, value) {
  if (name === 'key' || initialOnly.has(name)) return
  if (name.startsWith('on')) node[name] = value
  else if (value === null || value === undefined || value === false) node.removeAttribute(name)
  else node.setAttribute(name, value === true ? '' : value)
}
