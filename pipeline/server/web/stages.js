// What became of a record, stage by stage.

import { el } from './dom.js';
import { changedLines, parsed, pretty, shortly } from './parts.js';

// OUTCOMES: the words of the server, and how they look. Those that are not here are calm.
const OUTCOMES = { 'goes on': 'good', delivered: 'good', refused: 'bad', dropped: 'bad', dead_letter: 'bad', halted: 'bad' };

export function outcome(word) {
  return el('span', { class: 'outcome', 'data-kind': OUTCOMES[word] || 'calm', text: word.replace('_', ' ') });
}

// ended is how it went in the end.
export function ended(stages) {
  return stages.length ? stages[stages.length - 1].outcome : 'goes on';
}

// stageList shows steps {stage, outcome, value, error, facts, parts}: of values, the lines
// stand out that were not there before. given is what came in.
export function stageList(steps, given) {
  let before = text(given);
  const first = el('li', {}, head({ stage: 'came' }), changedLines(before));
  const items = steps.map((step) => {
    const now = step.value === undefined ? '' : text(step.value);
    const same = now === before;
    const item = el(
      'li',
      { test: 'stage' },
      head(step),
      now && (same ? el('p', { class: 'dim', text: 'unchanged' }) : changedLines(now, before)),
    );
    if (now) before = now;
    return item;
  });
  return el('ol', { class: 'stages' }, first, items);
}

function head({ stage, outcome: word, error, facts, parts }) {
  return el(
    'p',
    { class: 'stage-head' },
    el('code', { text: stage }),
    word && outcome(word),
    parts > 1 && el('span', { class: 'dim', text: `${parts} records; this is the first` }),
    facts && el('span', { class: 'dim', text: facts }),
    error && el('span', { class: 'wrong', text: error }),
  );
}

function text(value) {
  return pretty(parsed(value));
}

// briefOf is a record's last known value on one line.
export function briefOf(stages, given) {
  const last = [...stages].reverse().find((s) => s.value !== undefined);
  return shortly(last ? last.value : given);
}

// bytesOf gives a value of the API: a text, or what is no text in base64.
export function bytesOf({ value, value_base64: raw }) {
  return value ?? (raw === undefined ? '' : `base64:${raw}`);
}

// factsOf tells what a record has beside its value.
function factsOf(record) {
  const key = record.key ?? (record.key_base64 && `base64:${record.key_base64}`);
  const headers = (record.headers || []).map((h) => `${h.name}: ${bytesOf(h)}`);
  return [key !== undefined && `key ${key}`, record.topic && `topic ${record.topic}`, ...headers].filter(Boolean).join(' · ');
}

// previewOf shows a record of a preview.
export function previewOf(record, isOpen) {
  const { came, stages, outcome: word, shard, position } = record;
  const ends = record.parts || [record];
  const steps = [
    ...stages.map((s) => ({ stage: s.part ? `${s.stage}, part ${s.part}` : s.stage, value: bytesOf(s.record), facts: factsOf(s.record) })),
    ...ends.map((end) => ({
      stage: 'end',
      outcome: end.outcome,
      error: end.error,
      value: end.goes_out && bytesOf(end.goes_out),
      facts: end.goes_out && factsOf(end.goes_out),
    })),
  ];
  const last = ends[0].goes_out || came;
  return el(
    'details',
    { class: 'record', open: isOpen, test: 'record' },
    el(
      'summary',
      {},
      el('span', { class: 'dim', text: `${shard} ${position}` }),
      outcome(word),
      el('code', { class: 'short', text: shortly(bytesOf(last)) }),
    ),
    stageList(steps, bytesOf(came)),
  );
}
