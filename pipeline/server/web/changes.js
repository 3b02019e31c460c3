// Tells screen readers of changes of state that matter: one by one while they are few.

import { say } from './notes.js';

const MATTER = new Set(['FAILED', 'DEGRADED', 'STOPPED', 'PAUSED', 'RUNNING', 'STANDBY']);

let before = null;

export function tellChanges(pipelines) {
  const now = new Map([...pipelines.values()].map((p) => [p.name, p.state]));
  const last = before;
  before = now;
  if (!last) return;
  const changed = [...pipelines.values()].filter((p) => last.has(p.name) && last.get(p.name) !== p.state && MATTER.has(p.state));
  if (changed.length === 0) return;
  if (changed.length <= 3) {
    say(changed.map((p) => `${p.name} is ${p.state.toLowerCase()}${p.reason ? `: ${p.reason}` : ''}`).join('. '));
    return;
  }
  const sums = {};
  for (const p of changed) sums[p.state] = (sums[p.state] || 0) + 1;
  say(
    `${changed.length} pipelines changed: ${Object.entries(sums)
      .map(([state, n]) => `${n} ${state.toLowerCase()}`)
      .join(', ')}`,
  );
}
