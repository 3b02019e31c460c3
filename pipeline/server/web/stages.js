// What became of a record, stage by stage.

import { el } from './dom.js';
import { changedLines, parsed, pretty, shortly } from './parts.js';

// OUTCOMES: the words of the server, and how they look.
const OUTCOMES = { 'goes on': 'good', filtered: 'calm', duplicate: 'calm', refused: 'bad' };

export function outcome(word) {
  return el('span', { class: 'outcome', 'data-kind': OUTCOMES[word] || 'calm', text: word });
}

// ended is how it went in the end.
export function ended(stages) {
  return stages.length ? stages[stages.length - 1].outcome : '';
}

// stageList shows the value after each stage; lines that are new there stand out. given is
// what came in, where that is known.
export function stageList(stages, given) {
  let before = given === undefined ? undefined : text(given);
  const items = stages.map((stage) => {
    const now = stage.value === undefined || stage.value === null ? '' : text(stage.value);
    const item = el('li', { test: 'stage' },
      el('p', { class: 'stage-head' }, el('code', { text: stage.stage }), outcome(stage.outcome), stage.error && el('span', { class: 'wrong', text: stage.error })),
      now === '' ? null : now === before ? el('p', { class: 'dim', text: 'unchanged' }) : changedLines(now, before));
    if (now !== '') before = now;
    return item;
  });
  const first = given === undefined ? null : el('li', {}, el('p', { class: 'stage-head' }, el('code', { text: 'given' })), changedLines(text(given)));
  return el('ol', { class: 'stages' }, first, items);
}

function text(value) {
  return pretty(parsed(value));
}

// brief is a record's last known value on one line.
export function briefOf(stages) {
  const last = [...stages].reverse().find((s) => s.value !== undefined && s.value !== null);
  return last ? shortly(last.value) : '';
}
