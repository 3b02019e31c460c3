// An editor of YAML: a textarea, and behind it the same text in colours, with line numbers
// and marks where mistakes are. The textarea's own text is transparent: what one types is
// what the browser knows best how to edit, undo and read out.

import { el, setAttr } from './dom.js';
import { marked } from './highlight.js';

export class Editor {
  // changed is called when somebody has typed, save when Ctrl+S is pressed.
  constructor({ label, describedBy, changed = () => {}, save = () => {} }) {
    this.marks = new Map(); // line → columns
    this.shown = []; // what the lines behind show
    this.back = el('pre', { class: 'back', 'aria-hidden': 'true' });
    this.area = el('textarea', {
      class: 'area',
      test: 'editor',
      'aria-label': label,
      'aria-describedby': describedBy,
      spellcheck: 'false',
      autocomplete: 'off',
      autocapitalize: 'off',
      wrap: 'off',
    });
    this.node = el('div', { class: 'editor' }, el('div', { class: 'paper' }, this.back, this.area));
    this.area.addEventListener('input', () => {
      this.render();
      changed();
    });
    this.area.addEventListener('keydown', (event) => this.key(event, save));
  }

  get text() {
    return this.area.value;
  }

  set text(text) {
    this.area.value = text;
    this.render();
  }

  set readOnly(is) {
    this.area.readOnly = is;
    setAttr(this.node, 'data-read-only', is);
  }

  // mistakes marks places: {line, column}.
  mistakes(list) {
    this.marks = new Map();
    for (const { line, column } of list) if (line) this.marks.set(line, [...(this.marks.get(line) || []), column]);
    setAttr(this.area, 'aria-invalid', list.length ? 'true' : null);
    this.render();
  }

  // jump puts the caret to a place, and the place into sight.
  jump(line, column) {
    const lines = this.text.split('\n');
    const before = lines.slice(0, line - 1).reduce((n, l) => n + l.length + 1, 0);
    const at = Math.min(before + column - 1, before + (lines[line - 1] || '').length);
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(at, at);
    this.back.children[line - 1]?.scrollIntoView({ block: 'center', inline: 'nearest' });
  }

  key(event, save) {
    if ((event.ctrlKey || event.metaKey) && event.key === 's') {
      event.preventDefault();
      save();
    } else if (event.key === 'Enter' && !event.isComposing && !this.area.readOnly) {
      event.preventDefault();
      this.newLine();
    }
  }

  // newLine begins a line as far in as the one before it, and further after a key. Of the
  // ways to type for somebody, execCommand alone can be undone.
  newLine() {
    const before = this.text.slice(0, this.area.selectionStart).split('\n').pop();
    const [indent] = /^\s*/.exec(before);
    const more = /:\s*$/.test(before) ? '  ' : '';
    const typed = `\n${indent}${more}`;
    if (!document.execCommand('insertText', false, typed)) {
      this.area.setRangeText(typed, this.area.selectionStart, this.area.selectionEnd, 'end');
      this.area.dispatchEvent(new Event('input'));
    }
  }

  // render draws the lines anew that have changed: those between what is the same above and
  // what is the same below.
  render() {
    const lines = this.text.split('\n').map((text, i) => ({ text, columns: this.marks.get(i + 1) }));
    const now = lines.map(({ text, columns }) => `${columns ? columns.join() : ''}|${text}`);
    const was = this.shown;
    const shorter = Math.min(was.length, now.length);
    let same = 0;
    while (same < shorter && was[same] === now[same]) same++;
    let tail = 0;
    while (tail < shorter - same && was[was.length - 1 - tail] === now[now.length - 1 - tail]) tail++;
    const after = this.back.children[was.length - tail] || null;
    for (let i = same; i < was.length - tail; i++) this.back.children[same].remove();
    for (const line of lines.slice(same, now.length - tail)) this.back.insertBefore(lineOf(line), after);
    this.shown = now;
    setAttr(this.node, 'data-digits', String(lines.length).length);
  }
}

function lineOf({ text, columns }) {
  const parts = marked(text, columns || []).map(([part, kind, bad]) =>
    el('span', { class: [kind && `y-${kind}`, bad && 'y-bad'].filter(Boolean).join(' ') || null, text: part }),
  );
  return el('span', { class: 'line', 'data-bad': Boolean(columns) }, parts, '\n');
}
