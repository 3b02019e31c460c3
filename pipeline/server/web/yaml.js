// The tab with a pipeline's YAML.

import { el, setText, show } from './dom.js';
import { at, getText, sendYAML } from './api.js';
import { refresh, store } from './store.js';
import { complain, note } from './notes.js';
import { changedLines } from './parts.js';
import { Desk } from './desk.js';

// Texts that are not saved stay here while one looks elsewhere on the page.
const drafts = new Map();

window.addEventListener('beforeunload', (event) => {
  if (drafts.size) event.preventDefault();
});

// forgetDraft is for a pipeline that is gone.
export function forgetDraft(name) {
  drafts.delete(name);
}

export function openText(panel, name) {
  const tab = new TextTab(panel, name);
  tab.load();
  return { update: (p) => tab.update(p), close: () => tab.close() };
}

class TextTab {
  constructor(panel, name) {
    this.name = name;
    this.leave = new AbortController();
    this.desk = new Desk({ label: `YAML of ${name}`, changed: () => this.typed(), save: () => this.save() });
    this.saveButton = el('button', {
      type: 'button',
      class: 'primary',
      test: 'save',
      text: 'Save',
      disabled: true,
      onclick: () => this.save(),
    });
    this.revert = el('button', {
      type: 'button',
      class: 'quiet',
      test: 'revert',
      text: 'Undo all changes',
      disabled: true,
      onclick: () => this.load(true),
    });
    this.about = el('p', { class: 'dim', test: 'about-text' });
    this.wrong = el('div', { class: 'reason-box bad', role: 'alert', test: 'save-error', hidden: true });
    this.tools = el('div', { class: 'tools' }, this.saveButton, this.revert, this.about);
    panel.append(this.tools, this.wrong, this.desk.node);
  }

  async load(anew) {
    if (anew) drafts.delete(this.name);
    this.tellWrong();
    try {
      const { text, etag } = await getText(at(this.name, 'text'), this.leave.signal);
      this.saved = text;
      this.etag = etag;
      this.show(text, drafts.get(this.name));
    } catch (problem) {
      if (problem.name !== 'AbortError') this.tellWrong(`The text cannot be shown: ${problem.message}`);
    }
  }

  // show puts the text, or what somebody has made of it before, and of which revision.
  show(text, draft) {
    const origin = store.pipelines.get(this.name)?.origin || 'api';
    this.readOnly = origin !== 'api';
    if (draft && !this.readOnly) this.etag = draft.etag;
    this.desk.put(draft && !this.readOnly ? draft.text : text, this.readOnly);
    show(this.saveButton, !this.readOnly);
    show(this.revert, !this.readOnly);
    setText(
      this.about,
      this.readOnly
        ? `This is the text of the file ${origin}. Change it there: what runs follows.`
        : 'Secrets are masked as ********: left so, they stay what they are.',
    );
    this.offer();
  }

  close() {
    this.leave.abort();
    this.desk.close();
  }

  typed() {
    if (this.desk.text === this.saved) drafts.delete(this.name);
    else drafts.set(this.name, { text: this.desk.text, etag: this.etag });
    this.offer();
  }

  offer() {
    const changed = this.desk.text !== this.saved;
    this.saveButton.disabled = !changed || Boolean(this.saving);
    this.revert.disabled = !changed;
  }

  // update sees that somebody else has saved meanwhile: where nothing was typed, the new
  // text is shown at once.
  update(p) {
    if (!this.etag || this.saving || p.revision <= revisionOf(this.etag) || this.told === p.revision) return;
    this.told = p.revision;
    if (drafts.has(this.name)) this.conflict();
    else this.load();
  }

  async save() {
    if (this.readOnly || this.saving || this.desk.text === this.saved) return;
    this.saving = true;
    this.offer();
    setText(this.saveButton, 'Saving…');
    this.tellWrong();
    const text = this.desk.text;
    try {
      const { etag } = await sendYAML('PUT', at(this.name), text, { etag: this.etag });
      Object.assign(this, { etag, saved: text });
      this.typed();
      note(`${this.name} is saved; what runs is what it says now.`);
    } catch (problem) {
      this.refused(problem);
    } finally {
      this.saving = false;
      setText(this.saveButton, 'Save');
      this.offer();
      refresh();
    }
  }

  refused(problem) {
    if (problem.status === 412) this.conflict();
    else if (problem.status === 422 && problem.mistakes.length) this.desk.refused(problem);
    else if (problem.status === 403) complain('It was not saved', problem);
    else this.tellWrong(`It was not saved: ${problem.message}`);
  }

  // conflict is told where somebody else has saved what one is changing.
  conflict() {
    const over = () => this.saveOver();
    this.tellWrong(
      'Somebody has changed this pipeline since you began. Your text is still here.',
      el('button', { type: 'button', text: 'Show theirs', test: 'theirs', onclick: () => this.theirs() }),
      el('button', { type: 'button', text: 'Take theirs', test: 'take-theirs', onclick: () => this.load(true) }),
      el('button', { type: 'button', class: 'danger', text: 'Save mine over it', test: 'save-over', onclick: over }),
    );
  }

  async theirs() {
    try {
      const { text } = await getText(at(this.name, 'text'), this.leave.signal);
      const pre = changedLines(text, this.desk.text);
      pre.setAttribute('aria-label', 'Their text');
      this.wrong.querySelector('pre')?.remove();
      this.wrong.append(pre);
    } catch (problem) {
      if (problem.name !== 'AbortError') complain('Their text cannot be shown', problem);
    }
  }

  async saveOver() {
    try {
      const { etag } = await getText(at(this.name, 'text'), this.leave.signal);
      this.etag = etag;
      await this.save();
    } catch (problem) {
      if (problem.name !== 'AbortError') complain('It was not saved', problem);
    }
  }

  tellWrong(text, ...buttons) {
    this.wrong.replaceChildren(...(text ? [el('p', { text })] : []), ...(buttons.length ? [el('div', { class: 'buttons' }, buttons)] : []));
    show(this.wrong, Boolean(text));
  }
}

// revisionOf reads an ETag. Revisions grow: what was polled may be older than what was saved.
function revisionOf(etag) {
  return Number(etag.replace(/\D/g, ''));
}
