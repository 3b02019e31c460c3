// The overview of a pipeline: its picture, charts, and what it promises, in words.

import { el, setText, show } from './dom.js';
import { at, get } from './api.js';
import { Diagram } from './diagram.js';
import { Chart } from './charts.js';
import { brief, count, seconds } from './words.js';

const GUARANTEE = {
  exactly_once: ['Exactly once', 'Each record arrives once, whatever is killed on the way.'],
  at_least_once: ['At least once', 'Each record arrives; after a crash some arrive twice.'],
  at_most_once: ['At most once', 'No record arrives twice; what is under way in a crash is lost.'],
};

const MOST_SHARDS = 20;

export function openOverview(panel, name) {
  const view = new Overview(name);
  panel.append(...view.nodes());
  view.open();
  return { update: (p, track) => view.update(p, track), close: () => view.close() };
}

class Overview {
  constructor(name) {
    this.name = name;
    this.leave = new AbortController();
    this.diagram = new Diagram();
    this.charts = [
      new Chart({
        label: 'Rate',
        unit: ' a second',
        format: brief,
        test: 'chart-rate',
        series: [
          { field: 'read', name: 'read', kind: 'water' },
          { field: 'written', name: 'written', kind: 'good' },
        ],
      }),
      new Chart({
        label: 'Lag',
        unit: ' waiting',
        format: brief,
        test: 'chart-lag',
        series: [{ field: 'lag', name: 'lag', kind: 'warn' }],
      }),
      new Chart({
        label: 'Latency',
        format: seconds,
        test: 'chart-latency',
        series: [{ field: 'latency', name: 'latency', kind: 'calm' }],
      }),
    ];
    this.words = el(
      'section',
      { class: 'panel words', 'aria-label': 'What is promised', test: 'guarantee' },
      el('p', { class: 'dim', text: 'Reading what it promises…' }),
    );
    this.shards = el('section', { class: 'panel shards', 'aria-label': 'Lag by shard', hidden: true });
  }

  nodes() {
    return [
      el('section', { class: 'panel picture', 'aria-label': 'The way of its records' }, this.diagram.node),
      el(
        'div',
        { class: 'charts' },
        this.charts.map((chart) => el('section', { class: 'panel', 'aria-label': chart.label }, chart.node)),
      ),
      this.words,
      this.shards,
    ];
  }

  open() {
    this.diagram.open();
    for (const chart of this.charts) chart.open();
    this.explain();
  }

  close() {
    this.leave.abort();
    this.diagram.close();
    for (const chart of this.charts) chart.close();
  }

  update(p, track) {
    if (this.revision !== undefined && this.revision !== p.revision) this.explain();
    this.revision = p.revision;
    this.diagram.update(p, track);
    for (const chart of this.charts) chart.draw(track);
    this.tellShards(p.figures.lag || {});
  }

  async explain() {
    try {
      const said = await get(at(this.name, 'explain'), this.leave.signal);
      this.diagram.stages(said.way || []);
      this.words.replaceChildren(...explained(said));
    } catch (problem) {
      if (problem.name === 'AbortError') return;
      this.words.replaceChildren(el('h2', { text: 'What is promised' }), el('p', { text: `It cannot be told: ${problem.message}` }));
    }
  }

  tellShards(lag) {
    const all = Object.entries(lag).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    show(this.shards, all.length > 1);
    if (all.length < 2) return;
    if (!this.shardRows) {
      this.shardRows = el('tbody', {});
      this.shardMore = el('p', { class: 'dim' });
      this.shards.append(
        el('h2', { text: 'Lag by shard' }),
        el(
          'table',
          { class: 'small' },
          el(
            'thead',
            {},
            el('tr', {}, el('th', { scope: 'col', text: 'Shard' }), el('th', { scope: 'col', class: 'number', text: 'Records wait' })),
          ),
          this.shardRows,
        ),
        this.shardMore,
      );
    }
    this.shardRows.replaceChildren(
      ...all
        .slice(0, MOST_SHARDS)
        .map(([shard, n]) => el('tr', {}, el('th', { scope: 'row', text: shard }), el('td', { class: 'number', text: count(n) }))),
    );
    setText(this.shardMore, all.length > MOST_SHARDS ? `and ${all.length - MOST_SHARDS} more shards that wait less` : '');
  }
}

// explained is what explain says, as a page.
function explained(said) {
  const [short, long] = GUARANTEE[said.delivery] || [said.delivery, ''];
  return [
    el('h2', { text: short, test: 'delivery' }),
    el('p', { text: long }),
    el(
      'div',
      { class: 'reasons' },
      points('Because', said.because),
      points('Order', said.order),
      points('Several instances', said.instances),
      points('What only its servers can tell', said.asks),
    ),
    more(
      'The way of a record',
      el(
        'ol',
        { class: 'way' },
        (said.way || []).map((step) => el('li', {}, el('code', { text: step.stage }), ` ${step.what}`)),
      ),
    ),
    said.file && more('The whole file, defaults filled in', el('pre', { class: 'json', tabindex: '0', text: said.file })),
  ].filter(Boolean);
}

function points(title, list) {
  if (!list || list.length === 0) return null;
  return el(
    'div',
    {},
    el('h3', { text: title }),
    el(
      'ul',
      {},
      list.map((text) => el('li', { text })),
    ),
  );
}

function more(title, ...kids) {
  return el('details', {}, el('summary', { text: title }), kids);
}
