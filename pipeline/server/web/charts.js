// Charts of the last minutes, drawn in real pixels so that text and lines stay sharp.

import { el, setAttr, setText, svg } from './dom.js';
import { areaOf, lineOf } from './spark.js';
import { NONE } from './words.js';

const LEFT = 46;
const RIGHT = 6;
const TOP = 8;
const BOTTOM = 18;
const MINUTE = 60000;
const MOST = 5; // minutes that are shown; fewer while less is known

// Chart shows fields of a track over time. series: {field, name, kind: its colour}.
export class Chart {
  constructor({ label, unit = '', height = 120, series, format, test }) {
    Object.assign(this, { label, unit, height, series, format, track: null, width: 0 });
    this.values = series.map(() => el('span', {}));
    const several = series.length > 1;
    this.value = el(
      'span',
      { class: 'value' },
      series.map((s, i) => [several && el('span', { class: `key ${s.kind}`, 'aria-hidden': 'true' }), this.values[i]]),
      (this.unitText = el('span', {})),
    );
    this.when = el('span', { class: 'when dim' });
    this.grid = svg('g', { class: 'grid' });
    this.lines = series.map((s) => ({ area: svg('path', { class: `area ${s.kind}` }), line: svg('path', { class: `line ${s.kind}` }) }));
    this.cross = svg('line', { class: 'cross', y1: TOP, y2: height - BOTTOM });
    this.picture = svg(
      'svg',
      { class: 'chart', role: 'img', 'aria-label': label, height },
      this.grid,
      this.lines.map((l) => [l.area, l.line]),
      this.cross,
    );
    this.node = el(
      'figure',
      { class: 'figure', test },
      el('figcaption', {}, el('span', { class: 'label', text: label }), this.value, this.when),
      this.picture,
    );
    this.picture.addEventListener('pointermove', (event) => this.point(event));
    this.picture.addEventListener('pointerleave', () => this.point(null));
    this.sized = new ResizeObserver(() => this.resize());
  }

  open() {
    this.sized.observe(this.node);
  }

  close() {
    this.sized.disconnect();
  }

  resize() {
    const width = Math.floor(this.picture.parentNode.clientWidth);
    if (width === this.width || width < 60) return;
    this.width = width;
    setAttr(this.picture, 'viewBox', `0 0 ${width} ${this.height}`);
    this.draw(this.track);
  }

  draw(track) {
    this.track = track;
    if (!track || !this.width) return;
    this.now = track.last('at') || Date.now();
    const first = track.size ? track.points('at')[0][0] : this.now;
    this.minutes = Math.min(MOST, Math.max(1, Math.ceil((this.now - first) / MINUTE)));
    this.span = this.minutes * MINUTE;
    const all = this.series.map((s) => track.points(s.field).filter(([t]) => t > this.now - this.span - 4000));
    this.most = nice(
      Math.max(
        0,
        ...all
          .flat()
          .map((p) => p[1])
          .filter((v) => !Number.isNaN(v)),
      ),
    );
    all.forEach((points, i) => {
      const xy = points.map(([t, v]) => [this.x(t), this.y(v)]);
      setAttr(this.lines[i].line, 'd', lineOf(xy));
      setAttr(this.lines[i].area, 'd', areaOf(xy, this.height - BOTTOM));
    });
    this.drawGrid();
    this.tell();
  }

  x(t) {
    return LEFT + (1 - (this.now - t) / this.span) * (this.width - LEFT - RIGHT);
  }

  y(v) {
    return this.height - BOTTOM - (v / this.most) * (this.height - TOP - BOTTOM);
  }

  // drawGrid draws anew only where the scale has changed.
  drawGrid() {
    const scale = `${this.most} ${this.width} ${this.minutes}`;
    if (scale === this.scale) return;
    this.scale = scale;
    const parts = [];
    const steps = this.height < 90 ? 1 : 2;
    for (let i = 0; i <= steps; i++) {
      const v = (this.most * i) / steps;
      parts.push(
        svg('line', { x1: LEFT, x2: this.width - RIGHT, y1: this.y(v), y2: this.y(v), class: i ? '' : 'floor' }),
        svg('text', { x: LEFT - 6, y: this.y(v) + 4, 'text-anchor': 'end', text: this.format(v) }),
      );
    }
    for (let minute = 0; minute <= this.minutes; minute += this.width < 420 ? this.minutes : 1) {
      const x = this.x(this.now - minute * MINUTE);
      const anchor = minute === 0 ? 'end' : minute === this.minutes ? 'start' : 'middle';
      parts.push(svg('text', { x, y: this.height - 4, 'text-anchor': anchor, text: minute ? `${minute} min ago` : 'now' }));
    }
    this.grid.replaceChildren(...parts);
  }

  // tell writes the value: the newest, or that under the pointer.
  tell() {
    if (this.at) return;
    const values = this.say((s) => this.track.last(s.field));
    setText(this.when, '');
    setAttr(
      this.picture,
      'aria-label',
      `${this.label}, over the last minutes: now ${values.join(', ')}${this.unit}; the scale ends at ${this.format(this.most)}`,
    );
  }

  // say writes the value of each series.
  say(of) {
    const words = this.series.map((s) => `${this.series.length > 1 ? `${s.name} ` : ''}${this.format(of(s))}`);
    words.forEach((word, i) => setText(this.values[i], word));
    setText(this.unitText, words[0] === NONE ? '' : this.unit);
    return words;
  }

  point(event) {
    this.at = null;
    setAttr(this.cross, 'data-on', null);
    if (!this.track || !this.width) return;
    const near = event ? this.nearest(event.clientX - this.picture.getBoundingClientRect().left) : -1;
    if (near < 0) {
      this.tell();
      return;
    }
    this.at = this.track.points('at')[near][0];
    setAttr(this.cross, 'x1', this.x(this.at));
    setAttr(this.cross, 'x2', this.x(this.at));
    setAttr(this.cross, 'data-on', 'yes');
    this.say((s) => this.track.points(s.field)[near][1]);
    setText(this.when, new Date(this.at).toLocaleTimeString('en-GB'));
  }

  nearest(x) {
    const points = this.track.points('at');
    let best = -1;
    let distance = 24;
    points.forEach(([t], i) => {
      const d = Math.abs(this.x(t) - x);
      if (d < distance) [best, distance] = [i, d];
    });
    return best;
  }
}

// nice is a number to end a scale at: 1, 2 or 5 times a power of ten.
function nice(most) {
  if (!(most > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  for (const times of [1, 2, 5]) if (most <= times * power * 1.0001) return times * power;
  return 10 * power;
}
