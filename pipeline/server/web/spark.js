// Sparklines, and other lines of samples.

import { setAttr, svg } from './dom.js';

const WIDTH = 120;
const HEIGHT = 24;
const SAMPLES = 60;
const FEWEST = 15; // samples that fill the picture: a page that was just opened is not empty

// Spark is a small picture of the last two minutes.
export class Spark {
  constructor() {
    this.line = svg('path', { class: 'line' });
    this.area = svg('path', { class: 'area' });
    this.node = svg(
      'svg',
      { class: 'spark', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      this.area,
      this.line,
    );
  }

  draw(track) {
    const points = track.points('read', SAMPLES).map((p) => p[1]);
    const most = Math.max(1, ...points.filter((v) => !Number.isNaN(v)));
    const wide = Math.max(FEWEST, points.length);
    const step = WIDTH / (wide - 1);
    const from = wide - points.length;
    const xy = points.map((v, i) => [(from + i) * step, HEIGHT - 2 - (v / most) * (HEIGHT - 5)]);
    setAttr(this.line, 'd', lineOf(xy));
    setAttr(this.area, 'd', areaOf(xy, HEIGHT));
  }
}

// pieces cuts a line where nothing is known.
function pieces(xy) {
  const out = [[]];
  for (const point of xy) {
    if (Number.isNaN(point[1])) out.push([]);
    else out[out.length - 1].push(point);
  }
  return out.filter((piece) => piece.length > 0);
}

function joined(piece) {
  return piece.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L');
}

export function lineOf(xy) {
  return pieces(xy)
    .map((piece) => `M${joined(piece)}${piece.length === 1 ? 'h.1' : ''}`)
    .join(''); // one sample is a dot
}

export function areaOf(xy, floor) {
  return pieces(xy)
    .filter((piece) => piece.length > 1)
    .map((piece) => `M${piece[0][0].toFixed(1)} ${floor}L${joined(piece)}L${piece[piece.length - 1][0].toFixed(1)} ${floor}Z`)
    .join('');
}
