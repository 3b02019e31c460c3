// What the page knows of the pipelines: it asks every 2 s, while somebody can see the page.

import { get, Problem } from './api.js';
import { Track, between } from './track.js';

const EVERY = 2000;
const PATIENCE = 15000;
const GAP = 15; // seconds

// store is read by the views. tracks has one Track a pipeline, all is that of their sum.
export const store = { pipelines: new Map(), files: {}, tracks: new Map(), all: new Track(), loaded: false, error: null };

const watchers = new Set();
const looks = new Map(); // name → figures at the last look
let lookedAt = 0;
let timer = 0;
let asking = null;
let running = false;

// watch calls f after every look, until what it returns is called.
export function watch(f) {
  watchers.add(f);
  return () => watchers.delete(f);
}

export function begin() {
  running = true;
  refresh();
}

export function end() {
  running = false;
  clearTimeout(timer);
  if (asking) asking.abort();
}

// refresh looks at once: something was changed.
export function refresh() {
  if (!running || document.hidden) return;
  clearTimeout(timer);
  if (asking) asking.abort();
  look();
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) clearTimeout(timer);
  else refresh();
});

async function look() {
  const mine = new AbortController();
  asking = mine;
  const late = setTimeout(() => mine.abort(), PATIENCE);
  try {
    take(await get('/v1/pipelines', mine.signal));
    store.error = null;
  } catch (error) {
    if (asking !== mine) return; // another look has taken its place
    store.error = error.name === 'AbortError' ? new Problem(0, { detail: 'The server does not answer.' }) : error;
  } finally {
    clearTimeout(late);
  }
  if (asking !== mine || !running) return;
  asking = null;
  for (const f of watchers) f();
  if (!document.hidden) timer = setTimeout(look, EVERY);
}

function take({ pipelines, files }) {
  const at = Date.now();
  const dt = (at - lookedAt) / 1000;
  store.pipelines = new Map((pipelines || []).map((p) => [p.name, p]));
  store.files = files || {};
  store.loaded = true;
  if (lookedAt && dt < 0.5) return; // too short a time to make a rate of
  if (lookedAt && dt > GAP) breakLines();
  const sums = { at, read: 0, written: 0, lag: NaN, latency: NaN };
  for (const p of store.pipelines.values()) note(p, at, dt, sums);
  store.all.push(lookedAt ? sums : { ...sums, read: NaN, written: NaN });
  for (const name of store.tracks.keys()) if (!store.pipelines.has(name)) forget(name);
  lookedAt = at;
}

// breakLines has lines end where nobody looked for a while.
function breakLines() {
  const gap = { at: lookedAt + 1, read: NaN, written: NaN, lag: NaN, latency: NaN };
  for (const track of [store.all, ...store.tracks.values()]) track.push(gap);
}

function note(p, at, dt, sums) {
  let track = store.tracks.get(p.name);
  if (!track) store.tracks.set(p.name, (track = new Track()));
  const sample = between(looks.get(p.name), p.figures, at, dt);
  if (!Number.isNaN(sample.read)) {
    sums.read += sample.read;
    sums.written += sample.written;
  }
  track.push(sample);
  looks.set(p.name, p.figures);
}

function forget(name) {
  store.tracks.delete(name);
  looks.delete(name);
}
