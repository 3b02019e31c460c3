// Small pieces that several views show.

import { el, setAttr, setText, svg } from './dom.js';
import { exact } from './api.js';
import { ago, known, moment } from './words.js';

// State shows a state as a word, a colour and a shape.
export class State {
  constructor(test) {
    this.shape = svg('path', {});
    this.word = el('span', { class: 'word' });
    this.node = el(
      'span',
      { class: 'state', test },
      svg('svg', { class: 'shape', viewBox: '0 0 12 12', width: 12, height: 12, 'aria-hidden': 'true' }, this.shape),
      this.word,
    );
  }

  update(state) {
    if (this.state === state) return;
    this.state = state;
    const { shape, hollow, means } = known(state);
    setAttr(this.node, 'data-state', state);
    setAttr(this.node, 'title', means);
    setAttr(this.shape, 'd', shape);
    setAttr(this.shape, 'class', hollow ? 'hollow' : 'full');
    setText(this.word, state);
  }
}

// Since shows how long something has been so.
export class Since {
  constructor() {
    this.node = el('time', {});
  }

  update(time, now) {
    setText(this.node, ago(time, now));
    if (this.time === time) return;
    this.time = time;
    setAttr(this.node, 'datetime', time);
    setAttr(this.node, 'title', moment(time));
  }
}

// pretty is a JSON value as people read it; what is no JSON stays what it is.
export function pretty(value) {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2);
}

// parsed reads a text that may be JSON.
export function parsed(text) {
  if (typeof text !== 'string') return text;
  try {
    return exact(text);
  } catch {
    return text;
  }
}

// shortly is a value on one line.
export function shortly(value, most = 160) {
  const text = typeof value === 'string' ? value : JSON.stringify(value) || '';
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

// missing says what a server of another version does not have.
export function missing(what) {
  return el('p', { class: 'empty', test: 'missing', text: `Not available: this server has no ${what}.` });
}

// changedLines is pretty text in which the lines stand out that were not there before.
export function changedLines(text, before) {
  const was = before === undefined ? null : new Set(before.split('\n').map(bare));
  const pre = el('pre', { class: 'json', tabindex: '0' });
  for (const line of text.split('\n')) {
    const isNew = was && !was.has(bare(line));
    pre.append(el(isNew ? 'ins' : 'span', { text: `${line}\n` }));
  }
  return pre;
}

function bare(line) {
  return line.trim().replace(/,$/, '');
}
