// The tab with dead letters: what was refused and why, and giving it back to the source.

import { el, setText, show } from './dom.js';
import { at, exact, getText, sendJSON } from './api.js';
import { complain, confirm, note } from './notes.js';
import { missing, parsed, pretty, shortly } from './parts.js';
import { bytesOf } from './stages.js';
import { count, moment, plural } from './words.js';

const LIMIT = 100;

export function openLetters(panel, name) {
  const tab = new Letters(panel, name);
  tab.load();
  return { update: (p) => tab.update(p), close: () => tab.leave.abort() };
}

class Letters {
  constructor(panel, name) {
    this.name = name;
    this.leave = new AbortController();
    this.status = el('p', { class: 'dim', role: 'status', test: 'letters-status', text: 'Reading…' });
    this.again = el('button', { type: 'button', test: 'refresh', text: 'Look again', onclick: () => this.load() });
    this.all = el('button', { type: 'button', test: 'replay-all', text: 'Replay all', hidden: true, onclick: () => this.replayAll() });
    this.list = el('div', { class: 'records letters', test: 'letters' });
    this.panel = panel;
    panel.append(el('div', { class: 'tools' }, this.again, this.all, this.status), this.list);
  }

  // update says that more have come since; they are not put in by themselves, as somebody
  // may be reading.
  update(p) {
    const now = p.figures.dead_lettered;
    if (this.counted === undefined) this.counted = now;
    if (now > this.counted) setText(this.status, `${plural(now - this.counted, 'more has', 'more have')} come. Look again to see.`);
  }

  async load() {
    this.counted = undefined;
    try {
      const { text } = await getText(`${at(this.name, 'dead-letters')}?limit=${LIMIT}`, this.leave.signal);
      this.tell(exact(text));
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      if (problem.status === 404) this.panel.replaceChildren(missing('dead letters to look at'));
      else setText(this.status, problem.message);
    }
  }

  tell({ letters, count: all = letters.length, kept = '' }) {
    const most = letters.length < all ? `the oldest ${count(letters.length)} of ${plural(all, 'dead letter')}` : plural(all, 'dead letter');
    setText(this.status, all === 0 ? 'There are none.' : `${most}, in ${kept}`);
    show(this.all, all > 0);
    this.list.replaceChildren(...letters.map((letter) => this.letter(letter)));
  }

  letter(letter) {
    const inside = el(
      'details',
      { class: 'record', test: `letter-${letter.id}` },
      el(
        'summary',
        {},
        el('span', { class: 'dim', text: moment(letter.time) }),
        el('code', { text: letter.transform || letter.stage }),
        el('span', { class: 'wrong', text: letter.error }),
        el('code', { class: 'short', text: shortly(bytesOf(letter), 100) }),
      ),
    );
    inside.addEventListener('toggle', () => {
      if (inside.open && inside.children.length === 1) inside.append(insideOf(letter));
    });
    const replay = el('button', {
      type: 'button',
      test: `replay-${letter.id}`,
      'aria-label': `Replay the letter of ${moment(letter.time)}`,
      text: 'Replay',
      onclick: () => this.replay([letter.id], 'Replay this letter?'),
    });
    return el('div', { class: 'letter' }, inside, replay);
  }

  replayAll() {
    return this.replay([], 'Replay all dead letters?');
  }

  async replay(ids, title) {
    const text = 'They are given back to the source, and go through the pipeline again. Do so once what was wrong is mended.';
    if (!(await confirm(title, text, 'Replay'))) return;
    try {
      tellReplayed(await sendJSON('POST', at(this.name, 'dead-letters', 'replay'), { ids }));
    } catch (problem) {
      complain('Nothing was replayed', problem);
    }
    this.load();
  }
}

function tellReplayed({ given_back: n, refused = [] }) {
  note(`${plural(n, 'dead letter was', 'dead letters were')} given back to the source.`);
  if (refused.length) note(`${plural(refused.length, 'dead letter was', 'dead letters were')} not: ${refused[0].error}`, true);
}

function insideOf(letter) {
  const facts = [
    ['Error', letter.error],
    ['Stage', letter.stage],
    ['Transform', letter.transform],
    ['From', `${letter.shard} ${letter.position}`],
    ['Attempts', letter.attempts],
    ['Key', letter.key ?? letter.key_base64],
  ];
  const headers = letter.headers || [];
  return el(
    'div',
    { class: 'inside' },
    el(
      'dl',
      { class: 'facts-list' },
      facts
        .filter(([, v]) => v !== undefined && v !== '' && v !== null)
        .map(([k, v]) => [el('dt', { text: k }), el('dd', { text: String(v) })]),
    ),
    el('pre', { class: 'json', tabindex: '0', 'aria-label': 'Value', text: pretty(parsed(bytesOf(letter))) }),
    letter.cut && el('p', { class: 'dim', text: 'This is its beginning alone: it is too long to show.' }),
    headers.length > 0 &&
      el(
        'details',
        {},
        el('summary', { text: plural(headers.length, 'header') }),
        el(
          'dl',
          { class: 'facts-list' },
          headers.map((h) => [el('dt', { text: h.name }), el('dd', { text: bytesOf(h) })]),
        ),
      ),
  );
}
