// Tries a text on sample records: nothing is read from its source, nothing written.

import { el } from './dom.js';
import { exact, sendJSON } from './api.js';
import { missing } from './parts.js';
import { previewOf } from './stages.js';

const SAMPLE = '{"event_id": "e1", "user_id": "u1", "action": "buy", "price": 2.50, "quantity": 3}';

let kept = SAMPLE;

// openPreview gives the form; text is a function that gives the YAML.
export function openPreview(text) {
  const input = el('textarea', { id: 'samples', class: 'samples', rows: 4, spellcheck: 'false', test: 'samples' });
  input.value = kept;
  const out = el('div', { class: 'previewed', 'aria-live': 'polite', test: 'previewed' });
  const button = el('button', { type: 'button', test: 'try', text: 'Try it', onclick: () => tryIt(text(), input.value, out, button) });
  return el(
    'div',
    { class: 'preview' },
    el('label', { for: 'samples', text: 'Records: JSON values, one a line, or a list of them' }),
    input,
    el('div', { class: 'tools' }, button),
    out,
  );
}

async function tryIt(text, samples, out, button) {
  kept = samples;
  button.disabled = true;
  try {
    const { records } = await sendJSON('POST', '/v1/preview', { text, records: read(samples) });
    out.replaceChildren(...records.map((record, i) => previewOf(record, i === 0)));
  } catch (problem) {
    out.replaceChildren(refused(problem));
  } finally {
    button.disabled = false;
  }
}

function refused(problem) {
  if (problem.status === 404 || problem.status === 405) return missing('preview');
  const mistakes = (problem.mistakes || []).map((m) => el('li', { text: m.line ? `line ${m.line}: ${m.what}` : m.what }));
  return el('div', { class: 'wrong' }, el('p', { text: problem.message }), el('ul', {}, mistakes));
}

// read takes a JSON list, or values one a line. Numbers stay as they are written.
function read(samples) {
  const all = samples.trim();
  try {
    const value = exact(all);
    return Array.isArray(value) ? value : [value];
  } catch {
    // not one value: then one a line
  }
  return all
    .split('\n')
    .filter((line) => line.trim())
    .map((line, i) => {
      try {
        return exact(line);
      } catch {
        throw new Error(`Line ${i + 1} of the records is no JSON.`);
      }
    });
}
