// The tab with a pipeline's log.

import { el, setText } from './dom.js';
import { at } from './api.js';
import { listen } from './stream.js';
import { missing } from './parts.js';
import { clock } from './words.js';

const MOST = 1000;
const EVERY = 250;
const LEVELS = ['DEBUG', 'INFO', 'WARN', 'ERROR'];

export function openLog(panel, name) {
  const log = new Log(panel, name);
  log.listen();
  return { close: () => log.close() };
}

class Log {
  constructor(panel, name) {
    this.name = name;
    this.panel = panel;
    this.lines = [];
    this.fresh = [];
    this.leave = new AbortController();
    this.status = el('p', { class: 'dim', role: 'status', test: 'log-status', text: 'Waiting for a line…' });
    this.level = el(
      'select',
      { id: 'level', test: 'level', onchange: () => this.again() },
      LEVELS.map((level) => el('option', { value: level, text: level.toLowerCase(), selected: level === 'INFO' })),
    );
    this.words = el('input', {
      type: 'search',
      placeholder: 'only lines with this text',
      'aria-label': 'Only lines with this text',
      test: 'log-filter',
      oninput: () => this.again(),
    });
    this.list = el('ol', { class: 'log', tabindex: '0', 'aria-label': 'Log, the newest line last', test: 'log' });
    panel.append(
      el('div', { class: 'tools' }, el('label', { for: 'level', text: 'From' }), this.level, this.words, this.status),
      this.list,
    );
    this.timer = setInterval(() => this.flush(), EVERY);
  }

  close() {
    this.leave.abort();
    clearInterval(this.timer);
  }

  listen() {
    listen(at(this.name, 'logs'), this.leave.signal, {
      each: (line) => this.take(line),
      gone: () => this.panel.replaceChildren(missing('log to look at')),
      tell: (text) => setText(this.status, text),
      begins: () => {
        this.until = this.newest;
      },
    });
  }

  // take leaves out what a stream that begins again tells for the second time.
  take(line) {
    if (this.until && line.time <= this.until) return;
    this.newest = line.time;
    this.fresh.push(line);
  }

  wanted(line) {
    const words = this.words.value.toLowerCase();
    return LEVELS.indexOf(line.level) >= LEVELS.indexOf(this.level.value) && (!words || JSON.stringify(line).toLowerCase().includes(words));
  }

  again() {
    this.list.replaceChildren(...this.lines.filter((line) => this.wanted(line)).map(lineOf));
    this.list.scrollTop = this.list.scrollHeight;
  }

  // flush shows what has come; where somebody reads further up, the list stays there.
  flush() {
    if (this.fresh.length === 0) return;
    const fresh = this.fresh.slice(-MOST);
    this.fresh = [];
    this.lines = [...this.lines, ...fresh].slice(-MOST);
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 30;
    this.list.append(...fresh.filter((line) => this.wanted(line)).map(lineOf));
    while (this.list.children.length > MOST) this.list.firstChild.remove();
    if (atEnd) this.list.scrollTop = this.list.scrollHeight;
    setText(this.status, '');
  }
}

function lineOf(line) {
  const { time, level, msg, pipeline, ...rest } = line;
  const more = Object.entries(rest)
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('  ');
  return el(
    'li',
    { 'data-level': level, test: 'line' },
    el('span', { class: 'dim', text: clock(time) }),
    el('span', { class: 'level', text: level }),
    el('span', { text: msg }),
    more && el('span', { class: 'rest', text: more }),
  );
}
