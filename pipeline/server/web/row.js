// A row of the table of pipelines. It remembers what it shows, and changes only that.

import { el, setAttr, setText, show } from './dom.js';
import { Since, State } from './parts.js';
import { Spark } from './spark.js';
import { brief, count } from './words.js';
import { lagOf, refusedOf } from './track.js';

export class Row {
  constructor(name) {
    this.name = name;
    this.state = new State(`state-${name}`);
    this.since = new Since();
    this.spark = new Spark();
    this.isSeen = false;
    this.reason = el('span', { class: 'reason', hidden: true });
    this.rate = cell('rate number', 'Rate/s');
    this.lag = cell('lag number', 'Lag');
    this.refused = cell('refused number', 'Refused');
    this.route = cell('route', 'Route');
    this.node = el(
      'tr',
      { role: 'row', test: `row-${name}` },
      el(
        'th',
        { scope: 'row', role: 'rowheader', class: 'name' },
        el('a', { href: `#/pipelines/${encodeURIComponent(name)}`, text: name }),
        this.reason,
      ),
      cell('state-cell', 'State', this.state.node),
      this.route,
      this.rate,
      cell('spark-cell', 'Lately', this.spark.node),
      this.lag,
      this.refused,
      cell('since number', 'Since', this.since.node),
    );
    this.node.row = name;
  }

  update(p, track) {
    this.state.update(p.state);
    setAttr(this.node, 'data-state', p.state);
    this.since.update(p.since);
    setText(this.route, p.route || '');
    setText(this.rate, brief(track?.lately('read')));
    setText(this.lag, brief(lagOf(p.figures)));
    const refused = refusedOf(p.figures);
    setText(this.refused, count(refused));
    setAttr(this.refused, 'data-some', refused > 0);
    this.tell(p);
    if (this.isSeen) this.draw(track);
  }

  // tell says under the name what needs somebody.
  tell(p) {
    const needs = p.state === 'FAILED' || p.state === 'DEGRADED';
    const why = p.problem ? `Its file is wrong: ${p.problem}` : needs ? p.reason || '' : '';
    setText(this.reason, why);
    setAttr(this.reason, 'title', why || null);
    show(this.reason, why !== '');
  }

  draw(track) {
    if (track) this.spark.draw(track);
  }
}

function cell(kind, label, ...kids) {
  return el('td', { role: 'cell', class: kind, 'data-label': label }, kids);
}

// newSeen watches which rows can be seen: only those have their line drawn.
export function newSeen(draw) {
  const rows = new Map();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        const row = rows.get(entry.target);
        if (!row) continue;
        row.isSeen = entry.isIntersecting;
        if (row.isSeen) draw(row);
      }
    },
    { rootMargin: '200px' },
  );
  return {
    observe(row) {
      rows.set(row.node, row);
      observer.observe(row.node);
    },
    unobserve(row) {
      rows.delete(row.node);
      observer.unobserve(row.node);
    },
    disconnect: () => observer.disconnect(),
  };
}
