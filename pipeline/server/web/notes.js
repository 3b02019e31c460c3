// Messages: said to screen readers, shown for a while, or asked about in a dialog.

import { el, setText } from './dom.js';

const said = document.getElementById('said');
const notes = document.getElementById('notes');

// say tells screen readers of what others see happen.
export function say(text) {
  setText(said, text);
}

// note shows a message. One of an error stays until it is put away.
export function note(text, isError = false) {
  const away = el('button', {
    type: 'button',
    class: 'quiet',
    'aria-label': 'Put this message away',
    text: '✕',
    onclick: () => box.remove(),
  });
  const box = el('div', { class: isError ? 'note bad' : 'note', test: isError ? 'error' : 'note' }, el('p', { text }), away);
  notes.append(box);
  if (!isError) setTimeout(() => box.remove(), 6000);
  while (notes.children.length > 4) notes.firstChild.remove();
}

// forgetErrors puts errors away: somebody looks at something else by now.
export function forgetErrors() {
  for (const box of notes.querySelectorAll('.bad')) box.remove();
}

// complain tells why something was refused.
export function complain(what, problem) {
  if (problem.status === 401) return; // the sign-in form tells that
  const why = problem.status === 403 ? 'your token may only look; this takes an operator’s token' : problem.message;
  note(`${what}: ${why}`, true);
}

// confirm asks before something is done that is not undone by another click. It gives
// whether to do it.
export function confirm(title, text, yes) {
  return new Promise((resolve) => {
    const dialog = el(
      'dialog',
      { 'aria-labelledby': 'ask-title', 'aria-describedby': 'ask-text', test: 'dialog' },
      el(
        'form',
        { method: 'dialog' },
        el('h2', { id: 'ask-title', text: title }),
        el('p', { id: 'ask-text', text }),
        el(
          'div',
          { class: 'buttons' },
          el('button', { value: '', class: 'quiet', test: 'cancel', autofocus: true, text: 'Cancel' }),
          el('button', { value: 'yes', class: 'danger', test: 'confirm', text: yes }),
        ),
      ),
    );
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
