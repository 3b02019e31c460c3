// The picture of a pipeline: a pipe from the source through the transforms to the sink, with
// outlets for what is taken out, and live counts beside it. It lies down where there is
// room, and stands where there is not.

import { el, setAttr, setText, svg } from './dom.js';
import { brief, count } from './words.js';

const STANDS_BELOW = 720;
const BOX = 150;
const CHIP = 26;
const TOP = 8;

// OUTLETS are the ways out beside the sink.
const OUTLETS = [
  { key: 'filtered', label: 'filtered' },
  { key: 'duplicates', label: 'duplicates' },
  { key: 'dropped', label: 'dropped', bad: true },
  { key: 'dead_lettered', label: 'dead letters', bad: true },
];

export class Diagram {
  constructor() {
    this.picture = svg('svg', { class: 'diagram', role: 'img', 'aria-label': 'The way of its records' });
    this.split = svg('text', { class: 'more', 'text-anchor': 'end' });
    this.node = el('div', { class: 'diagram-box', test: 'diagram' }, this.picture);
    this.texts = {};
    this.way = null;
    this.sized = new ResizeObserver(() => this.resize());
  }

  open() {
    this.sized.observe(this.node);
  }

  close() {
    this.sized.disconnect();
  }

  resize() {
    const width = Math.floor(this.node.clientWidth);
    if (width === this.width || width < 100) return;
    this.width = width;
    this.build();
  }

  // stages takes the way that explain tells.
  stages(way) {
    this.way = read(way);
    this.build();
  }

  build() {
    if (!this.way || !this.width) return;
    this.texts = {};
    this.streams = [];
    const draw = this.width < STANDS_BELOW ? standing : lying;
    const { parts, height } = draw(this, this.width);
    this.picture.replaceChildren(...parts);
    setAttr(this.picture, 'viewBox', `0 0 ${this.width} ${height}`);
    setAttr(this.picture, 'height', height);
    if (this.last) this.update(...this.last);
  }

  update(p, track) {
    this.last = [p, track];
    if (!this.way) return;
    const f = p.figures;
    const rates = { read: track ? track.lately('read') : NaN, written: track ? track.lately('written') : NaN };
    setAttr(this.picture, 'data-state', p.state);
    this.flow(f);
    setText(this.split, f.split ? `split has made ${count(f.split)} more` : '');
    for (const [key, { number, rate, node }] of Object.entries(this.texts)) {
      setText(number, count(f[key]));
      if (rate) setText(rate, `${brief(rates[key])}/s`);
      setAttr(node, 'data-some', f[key] > 0);
    }
    const out = OUTLETS.map((o) => `${o.label} ${count(f[o.key])}`).join(', ');
    setAttr(
      this.picture,
      'aria-label',
      `${this.way.source.name} was read: ${count(f.read)} records. Taken out: ${out}. ${this.way.sink.name} has written: ${count(f.written)}.`,
    );
  }

  // flow moves the water of what has grown since the figures before.
  flow(f) {
    if (f !== this.now) [this.before, this.now, this.took] = [this.now, f, [this.took && this.took[1], Date.now()]];
    for (const { key, stream } of this.streams || []) {
      const grown = this.before ? f[key] - this.before[key] : 0;
      setAttr(stream, 'data-flow', grown > 0 ? speed((grown * 1000) / (this.took[1] - this.took[0])) : null);
    }
  }

  // pipe draws a pipe along a path; its water moves while the count of key grows.
  pipe(key, d, kind = '') {
    const stream = svg('path', { d, class: `stream ${kind}` });
    this.streams.push({ key, stream });
    return [
      svg('path', { d, class: `pipe ${kind}` }),
      svg('path', { d, class: `bore ${kind}` }),
      svg('path', { d, class: `water ${kind}` }),
      stream,
    ];
  }

  // title names what the transforms do, at the top of their box.
  title(x, right, y) {
    setAttr(this.split, 'x', right);
    setAttr(this.split, 'y', y);
    return [svg('text', { class: 'label', x, y, text: this.way.transforms.length ? 'transforms' : 'no transforms' }), this.split];
  }

  // figure draws a count with its name, and remembers it for update.
  figure(key, label, x, y, anchor, { rate, bad } = {}) {
    const texts = {
      number: svg('text', { x, y: y + 16, class: 'number', 'text-anchor': anchor, text: '–' }),
      rate: rate && svg('text', { x, y: y + 31, class: 'rate', 'text-anchor': anchor, text: '–' }),
    };
    texts.node = svg(
      'g',
      { class: bad ? 'count bad' : 'count', test: `count-${key}` },
      svg('text', { x, y, class: 'label', 'text-anchor': anchor, text: label }),
      texts.number,
      texts.rate,
    );
    this.texts[key] = texts;
    return texts.node;
  }
}

// read sorts the way: what belongs to the source, the transforms, what belongs to the sink.
function read(way) {
  const out = { source: { name: '?', notes: [] }, transforms: [], sink: { name: '?', notes: [] } };
  for (const { stage, what } of way) {
    const [, place, name = place] = /^(source|sink|transforms\[\d+\])\.?(.*)$/.exec(stage) || [null, 'transforms', stage];
    if (place.startsWith('transforms')) out.transforms.push({ name, what });
    else if (name === 'format' || name === 'key') out[place].notes.push(noteOf(name, what));
    else Object.assign(out[place], { name, what });
  }
  return out;
}

// noteOf is the short of what a format or a key does.
function noteOf(name, what) {
  const [first] = what.split(/[;:]/);
  if (name === 'key') return `key ${first}`;
  return first === 'none' ? '' : first;
}

// speed is how the water moves: ten times the records are not ten times as quick to look at.
function speed(rate) {
  return rate < 50 ? 'slow' : rate < 5000 ? 'steady' : 'quick';
}

function clip(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

// box draws the source or the sink.
function box({ name, what, notes }, x, y, w, h, kind) {
  const lines = notes.filter(Boolean).slice(0, 2);
  const first = y + h / 2 + 5 - lines.length * 8;
  return svg(
    'g',
    { class: `box ${kind}` },
    svg('title', { text: what || name }),
    svg('rect', { x, y, width: w, height: h, rx: 10 }),
    svg('text', { x: x + w / 2, y: first, class: 'name', 'text-anchor': 'middle', text: clip(name, Math.floor(w / 8)) }),
    lines.map((line, i) =>
      svg('text', { x: x + w / 2, y: first + 17 + i * 15, class: 'sub', 'text-anchor': 'middle', text: clip(line, Math.floor(w / 6.6)) }),
    ),
  );
}

// chips lays the transforms out in rows, in their order.
function chips(transforms, x, y, width) {
  const widths = transforms.map((t, i) => Math.min(width, `${i + 1} ${t.name}`.length * 7.4 + 20));
  const sum = widths.reduce((a, b) => a + b, 0);
  const gap = sum + 10 * widths.length > width ? 8 : (width - sum) / (widths.length + 1);
  const oneRow = gap > 8;
  let [at, row] = [oneRow ? x + gap : x, y];
  const parts = transforms.map(({ name, what }, i) => {
    if (at > x && at + widths[i] > x + width + 1) [at, row] = [x, row + CHIP + 8];
    const drawn = svg(
      'g',
      { class: 'valve' },
      svg('title', { text: what }),
      svg('rect', { x: at, y: row, width: widths[i], height: CHIP, rx: 13 }),
      svg('text', {
        x: at + widths[i] / 2,
        y: row + 17.5,
        'text-anchor': 'middle',
        text: clip(`${i + 1} ${name}`, Math.floor(widths[i] / 7)),
      }),
    );
    at += widths[i] + gap;
    return drawn;
  });
  return { parts, oneRow, bottom: row + CHIP };
}

// lying draws from left to right. Transforms that fit in a row sit on the pipe.
function lying(d, width) {
  const edge = 112;
  const left = BOX + edge;
  const inner = width - 2 * left;
  const { parts: inside, bottom, oneRow } = chips(d.way.transforms, left + 14, 44, inner - 28);
  const tall = Math.max(98, bottom + 6);
  const floor = TOP + tall;
  const middle = oneRow ? 44 + CHIP / 2 : TOP + tall / 2;
  const right = left + inner;
  const ways = oneRow
    ? [d.pipe('read', `M${BOX - 6} ${middle}H${left + inner / 2}`), d.pipe('written', `M${left + inner / 2} ${middle}H${width - BOX + 6}`)]
    : [d.pipe('read', `M${BOX - 6} ${middle}H${left}`), d.pipe('written', `M${right} ${middle}H${width - BOX + 6}`)];
  const outlets = OUTLETS.map((outlet, i) => {
    const x = left + ((i + 0.5) * inner) / OUTLETS.length;
    return [
      d.pipe(outlet.key, `M${x} ${floor}V${floor + 20}`, 'thin'),
      d.figure(outlet.key, outlet.label, x, floor + 38, 'middle', outlet),
    ];
  });
  const parts = [
    svg('rect', { class: 'works', x: left, y: TOP, width: inner, height: tall, rx: 12 }),
    ways,
    outlets,
    d.title(left + 14, right - 14, 28),
    inside,
    box(d.way.source, 0.5, middle - 38, BOX, 76, 'source'),
    box(d.way.sink, width - BOX - 0.5, middle - 38, BOX, 76, 'sink'),
    d.figure('read', 'read', BOX + edge / 2, middle - 36, 'middle', {}),
    d.figure('written', 'written', width - BOX - edge / 2, middle - 36, 'middle', {}),
    rateUnder(d, 'read', BOX + edge / 2, middle + 27),
    rateUnder(d, 'written', width - BOX - edge / 2, middle + 27),
  ];
  return { parts: parts.flat(Infinity), height: floor + 60 };
}

// rateUnder puts a rate under its pipe, the count being above.
function rateUnder(d, key, x, y) {
  d.texts[key].rate = svg('text', { x, y, class: 'rate', 'text-anchor': 'middle', text: '–' });
  return d.texts[key].rate;
}

// standing draws from top to bottom.
function standing(d, width) {
  const pipeX = 40;
  const top = 68 + 76;
  const { parts: inside, bottom } = chips(d.way.transforms, 12, top + 34, width - 24);
  const end = d.way.transforms.length ? bottom + 14 : top + 34;
  const sinkY = end + OUTLETS.length * 38 + 74;
  const ways = [d.pipe('read', `M${pipeX} 60V${top + 1}`), d.pipe('written', `M${pipeX} ${end}V${sinkY + 6}`)];
  const outlets = OUTLETS.map((outlet, i) => {
    const y = end + 26 + i * 38;
    return [
      d.pipe(outlet.key, `M${pipeX + 8} ${y}H${pipeX + 34}`, 'thin'),
      d.figure(outlet.key, outlet.label, pipeX + 46, y - 4, 'start', outlet),
    ];
  });
  const parts = [
    svg('rect', { class: 'works', x: 0.5, y: top, width: width - 1, height: end - top, rx: 12 }),
    ways,
    outlets,
    d.title(14, width - 14, top + 22),
    inside,
    box(d.way.source, 0.5, 4, width - 1, 64, 'source'),
    box(d.way.sink, 0.5, sinkY, width - 1, 64, 'sink'),
    d.figure('read', 'read', pipeX + 46, 88, 'start', { rate: true }),
    d.figure('written', 'written', pipeX + 46, sinkY - 50, 'start', { rate: true }),
  ];
  return { parts: parts.flat(Infinity), height: sinkY + 70 };
}
