// The table of all pipelines.

import { arrange, el, setText, show } from './dom.js';
import { store } from './store.js';
import { Row, newSeen } from './row.js';
import { Chart } from './charts.js';
import { States } from './states.js';
import { brief, known, plural } from './words.js';
import { lagOf, refusedOf } from './track.js';

const lately = (p) => store.tracks.get(p.name)?.lately('read');

// COLUMNS: what is sorted by, and whether the most comes first. Those that move change their
// order only while nobody points at the table.
const COLUMNS = [
  { key: 'name', label: 'Name', by: (p) => p.name },
  { key: 'state', label: 'State', by: (p) => known(p.state).rank },
  { key: 'route', label: 'Route', by: (p) => p.route || '' },
  { key: 'rate', label: 'Rate/s', by: lately, most: true, moves: true },
  { key: 'spark', label: 'Lately' },
  { key: 'lag', label: 'Lag', by: (p) => lagOf(p.figures), most: true, moves: true },
  { key: 'refused', label: 'Refused', by: (p) => refusedOf(p.figures), most: true, moves: true },
  { key: 'since', label: 'Since', by: (p) => p.since, most: true },
];

// What was filtered and sorted by stays so while one looks at a pipeline and comes back.
const kept = { words: '', states: new Set(), column: 'name', most: false };

export function openList(main) {
  const list = new List();
  main.append(...list.nodes());
  list.open();
  return { title: '', update: () => list.update(), close: () => list.close() };
}

class List {
  constructor() {
    this.rows = new Map();
    this.seen = newSeen((row) => this.drawRow(row));
    this.states = new States(kept.states, () => this.render());
    this.filter = el('input', {
      type: 'search',
      placeholder: 'name, route, reason',
      'aria-label': 'Filter pipelines',
      test: 'filter',
      value: kept.words,
      oninput: () => this.filtered(),
    });
    this.sum = el('p', { class: 'sum', test: 'sum' });
    this.problems = el('section', { class: 'panel problems', 'aria-label': 'Problems of files', test: 'files', hidden: true });
    this.chart = new Chart({
      label: 'All pipelines',
      unit: ' records/s',
      height: 72,
      series: [{ field: 'read', name: 'read', kind: 'water' }],
      format: brief,
    });
    this.body = el('tbody', { role: 'rowgroup' });
    this.empty = el('p', { class: 'empty', test: 'empty', text: 'Loading…' });
    this.heads = COLUMNS.map((column) => this.head(column));
    this.table = el(
      'table',
      { class: 'pipelines', role: 'table', 'aria-label': 'Pipelines' },
      el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, this.heads)),
      this.body,
    );
  }

  nodes() {
    return [
      el(
        'div',
        { class: 'title' },
        el('h1', { tabindex: '-1', text: 'Pipelines' }),
        this.sum,
        el('a', { class: 'button primary', href: '#/new', test: 'new', text: 'New pipeline' }),
      ),
      el('section', { class: 'panel river', 'aria-label': 'All pipelines together' }, this.chart.node),
      this.problems,
      el('div', { class: 'tools' }, this.filter, this.states.node),
      this.table,
      this.empty,
    ];
  }

  open() {
    this.chart.open();
    this.markHeads();
  }

  close() {
    this.chart.close();
    this.seen.disconnect();
  }

  head(column) {
    if (!column.by) return el('th', { scope: 'col', role: 'columnheader', class: `h-${column.key}`, text: column.label });
    const button = el(
      'button',
      { type: 'button', test: `sort-${column.key}`, onclick: () => this.sortBy(column) },
      column.label,
      el('span', { class: 'arrow', 'aria-hidden': 'true' }),
    );
    return el('th', { scope: 'col', role: 'columnheader', class: `h-${column.key}` }, button);
  }

  sortBy(column) {
    kept.most = kept.column === column.key ? !kept.most : Boolean(column.most);
    kept.column = column.key;
    this.markHeads();
    this.render(true);
  }

  markHeads() {
    COLUMNS.forEach((column, i) => {
      const head = this.heads[i];
      const is = column.key === kept.column;
      head.setAttribute('aria-sort', is ? (kept.most ? 'descending' : 'ascending') : 'none');
      if (column.by) setText(head.querySelector('.arrow'), is ? (kept.most ? '▼' : '▲') : '');
    });
  }

  filtered() {
    kept.words = this.filter.value;
    this.render();
  }

  update() {
    for (const p of store.pipelines.values()) {
      let row = this.rows.get(p.name);
      if (!row) {
        this.rows.set(p.name, (row = new Row(p.name)));
        this.seen.observe(row);
      }
      row.update(p, store.tracks.get(p.name));
    }
    for (const [name, row] of this.rows) if (!store.pipelines.has(name)) this.drop(name, row);
    this.states.update(store.pipelines);
    this.chart.draw(store.all);
    setText(this.sum, plural(store.pipelines.size, 'pipeline'));
    this.tellProblems();
    this.render();
  }

  drop(name, row) {
    this.seen.unobserve(row);
    this.rows.delete(name);
  }

  drawRow(row) {
    row.draw(store.tracks.get(row.name));
  }

  // render puts the rows that are wanted into their order.
  render(asked) {
    const column = COLUMNS.find((c) => c.key === kept.column);
    const wanted = [...store.pipelines.values()].filter((p) => this.matches(p));
    const nodes = this.ordered(wanted, column, asked)
      .map((p) => this.rows.get(p.name)?.node)
      .filter(Boolean);
    arrange(this.body, nodes);
    show(this.table, nodes.length > 0);
    show(this.empty, nodes.length === 0);
    if (store.loaded)
      setText(
        this.empty,
        store.pipelines.size
          ? 'No pipeline is like that.'
          : 'There are no pipelines yet. Add one, or put a file into the folder that is served.',
      );
  }

  ordered(wanted, column, asked) {
    const way = kept.most ? -1 : 1;
    const keys = new Map(wanted.map((p) => [p, column.by(p)]));
    const busy = column.moves && !asked && this.body.matches(':hover, :focus-within');
    if (busy) {
      // rows must not move away under a pointer
      const order = new Map([...this.body.children].map((node, i) => [node.row, i]));
      for (const p of wanted) keys.set(p, order.get(p.name) ?? Infinity);
      return wanted.sort((a, b) => keys.get(a) - keys.get(b));
    }
    return wanted.sort((a, b) => way * compare(keys.get(a), keys.get(b), way) || compare(a.name, b.name, 1));
  }

  matches(p) {
    if (kept.states.size && !kept.states.has(p.state)) return false;
    const text = `${p.name} ${p.route} ${p.state} ${p.reason || ''} ${p.origin}`.toLowerCase();
    return kept.words
      .toLowerCase()
      .split(/\s+/)
      .every((word) => text.includes(word));
  }

  tellProblems() {
    const files = Object.entries(store.files).sort();
    const now = JSON.stringify(files);
    if (now === this.toldProblems) return;
    this.toldProblems = now;
    show(this.problems, files.length > 0);
    this.problems.replaceChildren(
      el('h2', { text: `${plural(files.length, 'file')} with problems` }),
      el(
        'dl',
        {},
        files.map(([file, what]) => [el('dt', { text: file }), el('dd', { text: what })]),
      ),
    );
  }
}

// compare puts what is not known last, whichever way is sorted.
function compare(a, b, way) {
  const none = (v) => v === undefined || v !== v;
  if (none(a) || none(b)) return way * (Number(none(a)) - Number(none(b)));
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
