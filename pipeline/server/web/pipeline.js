// A pipeline's own view: its head, what can be done with it, and tabs.

import { el, setAttr, setText, show } from './dom.js';
import { ask, at } from './api.js';
import { refresh, store } from './store.js';
import { complain, confirm, note } from './notes.js';
import { Since, State } from './parts.js';
import { brief } from './words.js';
import { openOverview } from './overview.js';
import { forgetDraft, openText } from './yaml.js';
import { openTap } from './tap.js';
import { openLetters } from './letters.js';
import { openLog } from './log.js';

// A tab is opened in its panel and gives {update, close}.
const TABS = [
  { key: 'overview', label: 'Overview', open: openOverview },
  { key: 'yaml', label: 'YAML', open: openText },
  { key: 'tap', label: 'Records', open: openTap },
  { key: 'letters', label: 'Dead letters', open: openLetters },
  { key: 'log', label: 'Log', open: openLog },
];

const ACTIONS = [
  { key: 'pause', label: 'Pause', title: 'Read nothing, and keep the connections', can: (p) => p.wanted === 'RUNNING' && !isOver(p) },
  { key: 'resume', label: 'Resume', title: 'Run', can: (p) => p.wanted !== 'RUNNING' || isOver(p) },
  { key: 'restart', label: 'Restart', title: 'End the run and begin another one', can: (p) => p.wanted !== 'STOPPED' },
  {
    key: 'stop',
    label: 'Stop',
    title: 'Settle what is under way, and free the connections',
    can: (p) => p.wanted !== 'STOPPED',
    asks: (name) => [
      `Stop ${name}?`,
      'What is under way is settled first, and the connections are closed then. Nothing is lost: resume it and it goes on where it was.',
      'Stop it',
    ],
  },
  {
    key: 'delete',
    label: 'Delete',
    title: 'End it and forget it',
    danger: true,
    can: (p) => p.origin === 'api',
    asks: (name) => [
      `Delete ${name}?`,
      'It ends, and its text is forgotten. How far it has come stays noted where it writes to.',
      'Delete it',
    ],
  },
];

function isOver(p) {
  return p.state === 'FAILED' || p.state === 'STOPPED';
}

export function openPipeline(main, name, tab) {
  const view = new Pipeline(name);
  main.append(...view.nodes());
  view.choose(tab);
  return {
    title: name,
    update: () => view.update(),
    close: () => view.closeTab(),
    go: (other, to) => other === name && view.choose(to),
  };
}

class Pipeline {
  constructor(name) {
    this.name = name;
    this.state = new State(`state-${name}`);
    this.since = new Since();
    this.for = el('span', { class: 'dim' }, 'for ', this.since.node);
    this.facts = el('p', { class: 'facts dim' });
    this.reason = el('p', { class: 'reason-box', test: 'reason', hidden: true });
    this.problem = el('p', { class: 'reason-box bad', test: 'problem', hidden: true });
    this.buttons = ACTIONS.map((action) =>
      el('button', {
        type: 'button',
        class: action.danger ? 'danger' : '',
        test: action.key,
        title: action.title,
        text: action.label,
        hidden: true,
        onclick: () => this.act(action),
      }),
    );
    this.tabs = TABS.map((tab) => this.tab(tab));
    this.panel = el('div', { role: 'tabpanel', id: 'panel', tabindex: '-1', class: 'tab-panel' });
    this.gone = el('p', {
      class: 'reason-box bad',
      test: 'gone',
      hidden: true,
      text: 'There is no such pipeline, or there is none any more.',
    });
    this.head = el('div', { class: 'tools actions', role: 'group', 'aria-label': 'What to do with it' }, this.buttons);
  }

  nodes() {
    this.tablist = el('div', { role: 'tablist', class: 'tabs', 'aria-label': 'About this pipeline' }, this.tabs);
    this.tablist.addEventListener('keydown', (event) => this.keys(event));
    return [
      el('p', { class: 'crumb' }, el('a', { href: '#/', text: 'Pipelines' }), ' /'),
      el('div', { class: 'title' }, el('h1', { tabindex: '-1', text: this.name }), this.state.node, this.for, this.head),
      this.facts,
      this.gone,
      this.problem,
      this.reason,
      this.tablist,
      this.panel,
    ];
  }

  tab({ key, label }) {
    const choose = () => {
      location.hash = this.address(key);
    };
    return el(
      'button',
      { type: 'button', role: 'tab', id: `tab-${key}`, 'aria-controls': 'panel', test: `tab-${key}`, onclick: choose },
      label,
      el('span', { class: 'number' }),
    );
  }

  address(key) {
    return `#/pipelines/${encodeURIComponent(this.name)}${key === 'overview' ? '' : `/${key}`}`;
  }

  // choose opens a tab; it gives false where there is none of that name.
  choose(key = 'overview') {
    const tab = TABS.find((t) => t.key === key);
    if (!tab) return this.choose();
    if (this.open === key) return true;
    this.closeTab();
    this.open = key;
    TABS.forEach((t, i) => {
      setAttr(this.tabs[i], 'aria-selected', String(t === tab));
      setAttr(this.tabs[i], 'tabindex', t === tab ? '0' : '-1');
    });
    setAttr(this.panel, 'aria-labelledby', `tab-${key}`);
    this.inside = tab.open(this.panel, this.name) || {};
    this.update();
    return true;
  }

  closeTab() {
    if (this.inside && this.inside.close) this.inside.close();
    this.inside = null;
    this.panel.replaceChildren();
  }

  // keys moves between tabs as people expect of tabs.
  keys(event) {
    const now = this.tabs.indexOf(document.activeElement);
    const to = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: this.tabs.length - 1 }[event.key];
    if (to === undefined || now < 0) return;
    event.preventDefault();
    const next = this.tabs[(to + this.tabs.length) % this.tabs.length];
    next.focus();
    next.click();
  }

  update() {
    const p = store.pipelines.get(this.name);
    show(this.gone, store.loaded && !p);
    for (const node of [this.head, this.tablist, this.panel, this.facts, this.for]) show(node, Boolean(p) || !store.loaded);
    if (!p) return;
    this.state.update(p.state);
    this.since.update(p.since);
    this.tellFacts(p);
    setText(this.problem, p.problem ? `Its file is wrong, and what runs is what it said before: ${p.problem}` : '');
    show(this.problem, Boolean(p.problem));
    setText(this.reason, p.reason ? sentence(p.reason) : '');
    setAttr(this.reason, 'class', p.state === 'FAILED' ? 'reason-box bad' : p.state === 'DEGRADED' ? 'reason-box warn' : 'reason-box');
    show(this.reason, Boolean(p.reason));
    const letters = p.figures.dead_lettered;
    setText(this.tabs[3].querySelector('.number'), letters ? brief(letters) : '');
    this.offer(p);
    if (this.inside && this.inside.update) this.inside.update(p, store.tracks.get(this.name));
  }

  tellFacts(p) {
    const parts = [p.route, p.origin === 'api' ? 'made over the API' : `from the file ${p.origin}`];
    if (p.wanted !== 'RUNNING' && p.wanted !== p.state) parts.push(`it is to be ${p.wanted.toLowerCase()}`);
    setText(this.facts, parts.filter(Boolean).join(' · '));
  }

  // offer shows what can be done. Where the button that was pressed goes, another one gets
  // the focus.
  offer(p) {
    const had = this.buttons.indexOf(document.activeElement);
    ACTIONS.forEach((action, i) => show(this.buttons[i], action.can(p)));
    if (had >= 0 && this.buttons[had].hidden) this.buttons.find((b) => !b.hidden)?.focus();
  }

  async act(action) {
    if (action.asks && !(await confirm(...action.asks(this.name)))) return;
    setAttr(this.head, 'aria-busy', 'true');
    try {
      await this.send(action);
      if (action.key === 'delete') {
        forgetDraft(this.name);
        note(`${this.name} is deleted.`);
        location.hash = '#/';
      }
    } catch (problem) {
      complain(`${action.label} did not work`, problem);
    } finally {
      setAttr(this.head, 'aria-busy', null);
      refresh();
    }
  }

  send(action) {
    if (action.key !== 'delete') return ask('POST', at(this.name, action.key));
    const p = store.pipelines.get(this.name);
    return ask('DELETE', at(this.name), { etag: p && `"${p.revision}"` });
  }
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
