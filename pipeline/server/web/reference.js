// What there is to build pipelines of.

import { el, setText, show } from './dom.js';
import { get } from './api.js';
import { missing } from './parts.js';
import { plural } from './words.js';

const KINDS = [
  ['source', 'Sources'],
  ['transform', 'Transforms'],
  ['format', 'Formats'],
  ['sink', 'Sinks'],
];

export function openReference(main) {
  const leave = new AbortController();
  const filter = el('input', { type: 'search', placeholder: 'name or words', 'aria-label': 'Filter components', test: 'filter' });
  const found = el('p', { class: 'dim', role: 'status' });
  const body = el('div', { class: 'reference', test: 'components' }, el('p', { class: 'empty', text: 'Loading…' }));
  main.append(
    el(
      'div',
      { class: 'title' },
      el('h1', { tabindex: '-1', text: 'Reference' }),
      el('p', { class: 'dim', text: 'What there is to build pipelines of' }),
    ),
    el('div', { class: 'tools' }, filter, found),
    body,
  );
  load(body, filter, found, leave.signal);
  return { title: 'Reference', close: () => leave.abort() };
}

async function load(body, filter, found, signal) {
  try {
    const { components } = await get('/v1/components', signal);
    const groups = KINDS.map(([kind, title]) =>
      groupOf(
        title,
        components.filter((c) => c.kind === kind),
      ),
    );
    body.replaceChildren(...groups.map((g) => g.node));
    filter.addEventListener('input', () => narrow(groups, filter.value, found));
    narrow(groups, '', found);
  } catch (problem) {
    if (problem.name === 'AbortError') return;
    body.replaceChildren(problem.status === 404 ? missing('reference') : el('p', { class: 'wrong', text: problem.message }));
  }
}

function groupOf(title, components) {
  const cards = components.map((c) => ({ words: `${c.kind} ${c.name} ${c.doc}`.toLowerCase(), node: cardOf(c) }));
  return {
    cards,
    node: el(
      'section',
      { 'aria-label': title },
      el('h2', { text: title }),
      el(
        'div',
        { class: 'cards' },
        cards.map((c) => c.node),
      ),
    ),
  };
}

function cardOf({ name, kind, doc, example }) {
  return el(
    'article',
    { class: 'panel card', test: `component-${kind}-${name}` },
    el('h3', {}, el('code', { text: name })),
    el('div', { class: 'doc' }, paragraphs(doc)),
    example && el('pre', { class: 'json', tabindex: '0', 'aria-label': `Example of ${name}`, text: example }),
  );
}

// paragraphs lets the page break lines where it likes; lists and indented lines stay lines.
function paragraphs(doc) {
  return doc.split(/\n\n+/).map((text) => el('p', { text: text.replace(/\n(?![\s-])/g, ' ') }));
}

// narrow shows what has all the words.
function narrow(groups, text, found) {
  const words = text.toLowerCase().split(/\s+/);
  let sum = 0;
  for (const { cards, node } of groups) {
    const hits = cards.filter((c) => words.every((word) => c.words.includes(word)));
    for (const c of cards) show(c.node, hits.includes(c));
    show(node, hits.length > 0);
    sum += hits.length;
  }
  setText(found, plural(sum, 'component'));
}
