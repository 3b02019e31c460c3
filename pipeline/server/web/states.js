// How many pipelines are in each state, as buttons that filter.

import { el, setAttr, setText, show } from './dom.js';
import { State } from './parts.js';
import { STATES } from './words.js';

export class States {
  // chosen is a set of states; empty: all.
  constructor(chosen, changed) {
    this.chosen = chosen;
    this.buttons = Object.keys(STATES).map((state) => this.button(state, changed));
    this.node = el(
      'div',
      { class: 'states', role: 'group', 'aria-label': 'Show only' },
      this.buttons.map((b) => b.node),
    );
  }

  button(state, changed) {
    const shown = new State();
    shown.update(state);
    const number = el('span', { class: 'number' });
    const node = el(
      'button',
      { type: 'button', class: 'chip', test: `only-${state}`, hidden: true, 'aria-pressed': 'false' },
      shown.node,
      number,
    );
    node.addEventListener('click', () => {
      if (!this.chosen.delete(state)) this.chosen.add(state);
      this.press();
      changed();
    });
    return { state, node, number };
  }

  press() {
    for (const b of this.buttons) setAttr(b.node, 'aria-pressed', String(this.chosen.has(b.state)));
  }

  update(pipelines) {
    const counts = {};
    for (const p of pipelines.values()) counts[p.state] = (counts[p.state] || 0) + 1;
    for (const b of this.buttons) {
      setText(b.number, String(counts[b.state] || 0));
      show(b.node, Boolean(counts[b.state]) || this.chosen.has(b.state));
    }
    this.press();
  }
}
