// Making and changing elements. Text always goes in as text: nothing here parses HTML.

const SVG = 'http://www.w3.org/2000/svg';

// el makes an element: {onclick: f} listens, {text} and {test} are short for what is needed
// most, and the rest are attributes; those that are null, undefined or false are left out.
export function el(tag, attrs, ...kids) {
  return fill(document.createElement(tag), attrs, kids);
}

// svg is el for pictures.
export function svg(tag, attrs, ...kids) {
  return fill(document.createElementNS(SVG, tag), attrs, kids);
}

function fill(node, attrs, kids) {
  for (const [name, value] of Object.entries(attrs || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'text') node.textContent = value;
    else if (name === 'test') node.setAttribute('data-test', value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  add(node, kids);
  return node;
}

// add appends kids, in lists or not, and leaves out those that are nothing.
export function add(node, ...kids) {
  for (const kid of kids.flat(Infinity)) {
    if (kid !== null && kid !== undefined && kid !== false) node.append(kid);
  }
}

// setText touches the page only where something is new: 1,000 rows are told every 2 s.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// setAttr sets an attribute; null takes it away.
export function setAttr(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

// arrange makes the children of a node those of a list, in that order, and moves no child
// that stands right already.
export function arrange(parent, nodes) {
  let at = parent.firstChild;
  for (const node of nodes) {
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// later calls f once nobody has asked for ms.
export function later(f, ms) {
  let timer = 0;
  const asked = () => {
    clearTimeout(timer);
    timer = setTimeout(f, ms);
  };
  asked.cancel = () => clearTimeout(timer);
  return asked;
}
