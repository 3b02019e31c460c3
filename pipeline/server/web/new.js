// A new pipeline.

import { el, setText, show } from './dom.js';
import { sendYAML } from './api.js';
import { refresh } from './store.js';
import { complain, note } from './notes.js';
import { Desk } from './desk.js';

// BEGINNINGS are texts to begin with.
const BEGINNINGS = [
  [
    'Redis list to Kafka',
    `name: my-pipeline
source:
  redis_list:
    url: redis://localhost:6379/0
    keys: [user_behavior]      # each list is a shard; order is kept per shard
  format: json
transforms:
  - filter: value.action in ["cart", "buy"]
  - dedupe: {key: value.event_id, within: 10m}
sink:
  kafka:
    brokers: ["localhost:9092"]
    topic: user_behavior_topic
    key: value.user_id         # one user's events go to one partition
`,
  ],
  [
    'Redis stream to Kafka',
    `name: my-pipeline
source:
  redis_stream:
    url: redis://localhost:6379/0
    keys: [events]             # entries are objects of their fields
sink:
  kafka:
    brokers: ["localhost:9092"]
    topic: events
`,
  ],
  [
    'A pretend shop to nowhere, to look around',
    `name: pretend-shop
source:
  generate: {rate: 100}
  format: json
transforms:
  - filter: value.quantity > 1
  - compute: {value.total: value.price * value.quantity}
sink:
  drop: {}
delivery: at_least_once
`,
  ],
];

const STARTS = [
  ['RUNNING', 'runs at once'],
  ['PAUSED', 'is paused'],
  ['STOPPED', 'is stopped'],
];

// What was written stays while one looks elsewhere, the reference above all.
let draft = null;

export function openNew(main) {
  const view = new New();
  main.append(...view.nodes());
  view.desk.put(draft ?? BEGINNINGS[0][1]);
  return { title: 'New pipeline', close: () => view.desk.close() };
}

class New {
  constructor() {
    this.desk = new Desk({
      label: 'YAML of the new pipeline',
      changed: () => {
        draft = this.desk.text;
      },
      save: () => this.save(),
    });
    this.begin = el(
      'select',
      { id: 'begin', test: 'begin', onchange: () => this.beginWith() },
      BEGINNINGS.map(([label], i) => el('option', { value: String(i), text: label })),
    );
    this.start = el(
      'select',
      { id: 'start', test: 'start' },
      STARTS.map(([value, label]) => el('option', { value, text: label })),
    );
    this.button = el('button', { type: 'button', class: 'primary', test: 'save', text: 'Add it', onclick: () => this.save() });
    this.wrong = el('p', { class: 'reason-box bad', role: 'alert', test: 'save-error', hidden: true });
  }

  nodes() {
    return [
      el('p', { class: 'crumb' }, el('a', { href: '#/', text: 'Pipelines' }), ' /'),
      el('div', { class: 'title' }, el('h1', { tabindex: '-1', text: 'New pipeline' })),
      el(
        'div',
        { class: 'tools' },
        el('label', { for: 'begin', text: 'Begin with' }),
        this.begin,
        el('label', { for: 'start', text: 'Once added it' }),
        this.start,
        this.button,
        el('a', { class: 'aside', href: '#/reference', text: 'What there is' }),
      ),
      this.wrong,
      this.desk.node,
    ];
  }

  beginWith() {
    draft = null;
    this.desk.put(BEGINNINGS[Number(this.begin.value)][1]);
  }

  async save() {
    if (this.button.disabled) return;
    this.button.disabled = true;
    show(this.wrong, false);
    try {
      const { data } = await sendYAML('POST', `/v1/pipelines?state=${this.start.value}`, this.desk.text);
      draft = null;
      note(`${data.name} is added.`);
      refresh();
      location.hash = `#/pipelines/${encodeURIComponent(data.name)}`;
    } catch (problem) {
      this.refused(problem);
    } finally {
      this.button.disabled = false;
    }
  }

  refused(problem) {
    if (problem.status === 422 && problem.mistakes.length) {
      this.desk.refused(problem);
    } else if (problem.status === 403) {
      complain('It was not added', problem);
    } else {
      setText(this.wrong, `It was not added: ${problem.message}`);
      show(this.wrong, true);
    }
  }
}
