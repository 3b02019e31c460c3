// Where a pipeline's text is written: editor, what is wrong with it, and a try of it on
// sample records.

import { el, later, setAttr, setText, show } from './dom.js';
import { sendYAML } from './api.js';
import { plural } from './words.js';
import { Editor } from './editor.js';
import { openPreview } from './preview.js';

const PAUSE = 350; // of typing, before it is checked

const PROMISES = { exactly_once: 'exactly once', at_least_once: 'at least once', at_most_once: 'at most once' };

export class Desk {
  // changed is called as somebody types.
  constructor({ label, changed = () => {}, save }) {
    this.verdict = el('p', { class: 'verdict', id: 'verdict', role: 'status', test: 'verdict' });
    this.list = el('ol', { class: 'mistakes', 'aria-label': 'Mistakes' });
    this.soon = later(() => this.check(), PAUSE);
    this.editor = new Editor({
      label,
      describedBy: 'verdict',
      save,
      changed: () => {
        changed();
        this.soon();
      },
    });
    this.preview = el('details', { class: 'panel', test: 'preview' }, el('summary', { text: 'Try it on sample records' }));
    this.preview.addEventListener('toggle', () => this.openPreview(), { once: true });
    this.node = el('div', { class: 'desk' }, this.editor.node, el('div', { class: 'below' }, this.verdict, this.list), this.preview);
  }

  openPreview() {
    this.preview.append(openPreview(() => this.editor.text));
  }

  close() {
    this.soon.cancel();
    if (this.checking) this.checking.abort();
  }

  get text() {
    return this.editor.text;
  }

  // put shows a text, and checks it unless it may only be read.
  put(text, readOnly = false) {
    this.editor.text = text;
    this.editor.readOnly = readOnly;
    show(this.preview, !readOnly);
    if (readOnly) this.tell([], '');
    else this.check();
  }

  async check() {
    if (this.checking) this.checking.abort();
    const mine = (this.checking = new AbortController());
    try {
      const { data } = await sendYAML('POST', '/v1/validate', this.text, { signal: mine.signal });
      this.tell([], `No mistakes. It would deliver ${PROMISES[data.delivery] || data.delivery}.`, 'good');
    } catch (problem) {
      if (problem.name !== 'AbortError') this.refused(problem);
    }
  }

  // refused shows what a problem says of the text.
  refused(problem) {
    if (problem.status === 422) {
      const all = problem.mistakes.length ? problem.mistakes : [{ what: problem.message, line: 0, column: 0 }];
      this.tell(all, `${plural(all.length, 'mistake')}.`, 'bad');
    } else {
      this.tell(
        [],
        problem.status === 403 ? 'Your token may only look: texts are not checked.' : `It could not be checked: ${problem.message}`,
        'warn',
      );
    }
  }

  tell(mistakes, verdict, kind) {
    setText(this.verdict, verdict);
    setAttr(this.verdict, 'data-kind', kind);
    this.editor.mistakes(mistakes);
    this.list.replaceChildren(...mistakes.map((m) => this.mistake(m)));
    show(this.list, mistakes.length > 0);
  }

  mistake({ what, line, column }) {
    if (!line) return el('li', { test: 'mistake', text: what });
    const jump = () => this.editor.jump(line, column);
    return el(
      'li',
      { test: 'mistake' },
      el(
        'button',
        { type: 'button', class: 'jump', onclick: jump },
        el('span', { class: 'place', text: `line ${line}, column ${column}` }),
        ` ${what}`,
      ),
    );
  }
}
