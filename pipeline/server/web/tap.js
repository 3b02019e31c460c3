// The tab that shows records as they pass, before and after each transform.

import { add, el, setText, show } from './dom.js';
import { at, exact, getText } from './api.js';
import { listen } from './stream.js';
import { complain } from './notes.js';
import { missing } from './parts.js';
import { briefOf, ended, outcome, previewOf, stageList } from './stages.js';
import { clock } from './words.js';

const MOST = 100; // records that are kept
const WAITING = 20; // records of the source that are looked at
const EVERY = 300; // how often new ones are shown, in ms: nobody reads faster

export function openTap(panel, name) {
  const tap = new Tap(panel, name);
  tap.listen();
  return { close: () => tap.close() };
}

class Tap {
  constructor(panel, name) {
    this.name = name;
    this.waiting = [];
    this.held = false;
    this.leave = new AbortController();
    this.status = el('p', { class: 'dim', role: 'status', test: 'tap-status', text: 'Waiting for a record…' });
    this.hold = el('button', {
      type: 'button',
      'aria-pressed': 'false',
      test: 'hold',
      text: 'Hold',
      onclick: () => this.setHeld(!this.held),
    });
    this.clear = el('button', { type: 'button', class: 'quiet', text: 'Clear', onclick: () => this.list.replaceChildren() });
    this.only = el('input', {
      type: 'search',
      placeholder: 'only records with this text',
      'aria-label': 'Only records with this text',
      test: 'tap-filter',
    });
    this.peek = el('button', {
      type: 'button',
      test: 'peek',
      text: 'What waits',
      title: 'Show records that wait in the source, and take none',
      onclick: () => this.look(),
    });
    this.list = el('div', { class: 'records', test: 'records' });
    this.tools = el('div', { class: 'tools' }, this.hold, this.clear, this.peek, this.only, this.status);
    this.panel = panel;
    panel.append(this.tools, this.list);
    this.timer = setInterval(() => this.flush(), EVERY);
  }

  close() {
    this.leave.abort();
    clearInterval(this.timer);
  }

  listen() {
    listen(at(this.name, 'tap'), this.leave.signal, {
      each: (record) => this.take(record),
      gone: () => this.gone(),
      tell: (text) => this.tell(text),
    });
  }

  // look shows what waits in the source, and holds the tap: the two are not mixed.
  async look() {
    this.peek.disabled = true;
    try {
      const { text } = await getText(`${at(this.name, 'preview')}?limit=${WAITING}`, this.leave.signal);
      const { records, notes } = exact(text);
      this.setHeld(true);
      this.list.replaceChildren(
        el('p', { class: 'dim', text: records.length ? 'These wait in the source; they were not taken.' : 'Nothing waits in the source.' }),
        ...notes.map((note) => el('p', { class: 'dim', text: note })),
        ...records.map((record) => previewOf(record)),
      );
    } catch (problem) {
      if (problem.name !== 'AbortError') complain('It cannot be seen', problem);
    } finally {
      this.peek.disabled = false;
    }
  }

  gone() {
    this.tools.remove();
    this.panel.replaceChildren(missing('look at records'));
  }

  take(record) {
    const words = this.only.value;
    if (words && !JSON.stringify(record).includes(words)) return;
    this.waiting.push(record);
    if (this.waiting.length > MOST) this.waiting.shift();
  }

  setHeld(held) {
    if (!held && !this.list.querySelector('[data-tapped]')) this.list.replaceChildren(); // what waited then
    this.held = held;
    this.hold.setAttribute('aria-pressed', String(held));
    setText(this.hold, held ? 'Go on' : 'Hold');
    this.flush();
  }

  flush() {
    if (this.held) {
      this.tell(this.waiting.length ? `Held; ${this.waiting.length} more have come.` : 'Held.');
      return;
    }
    if (this.waiting.length === 0) return;
    this.list.prepend(...this.waiting.reverse().map((record) => this.record(record)));
    this.waiting = [];
    while (this.list.children.length > MOST) this.list.lastChild.remove();
    this.tell('Newest first. Open one, and it is held.');
  }

  tell(text) {
    setText(this.status, text);
    show(this.status, text !== '');
  }

  // record is one line; what is inside is made when somebody opens it.
  record({ time, shard, position, value, cut, stages }) {
    const node = el(
      'details',
      { class: 'record', test: 'record', 'data-tapped': true },
      el(
        'summary',
        {},
        el('span', { class: 'dim', text: clock(time) }),
        el('span', { class: 'dim', text: `${shard} ${position}` }),
        outcome(ended(stages)),
        el('code', { class: 'short', text: briefOf(stages, value) }),
      ),
    );
    node.addEventListener('toggle', () => {
      if (!node.open) return;
      if (!this.held) this.setHeld(true);
      if (node.children.length > 1) return;
      add(node, stageList(stages, value), cut && el('p', { class: 'dim', text: 'Too long to show whole: these are the beginnings.' }));
    });
    return node;
  }
}
