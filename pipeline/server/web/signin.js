// Signing in with a token. The cookie that comes of it is the server's: this page never
// keeps the token, nor sees it again.

import { el, setText, show } from './dom.js';
import { ask, sendJSON } from './api.js';

const SIGNED = 'penstock-signed-in'; // only that somebody has: the cookie cannot be seen

export function openSignIn(main, done) {
  const token = el('input', {
    id: 'token',
    type: 'password',
    name: 'token',
    autocomplete: 'current-password',
    required: true,
    spellcheck: 'false',
    test: 'token',
    'aria-describedby': 'token-help',
  });
  const wrong = el('p', { class: 'wrong', role: 'alert', test: 'sign-in-error', hidden: true });
  const button = el('button', { type: 'submit', class: 'primary', test: 'sign-in', text: 'Sign in' });
  const form = el(
    'form',
    { class: 'sign-in panel', 'aria-labelledby': 'sign-in-title' },
    el('h1', { id: 'sign-in-title', text: 'Sign in' }),
    el('label', { for: 'token', text: 'Token' }),
    token,
    el('p', { id: 'token-help', class: 'dim', text: 'penstock token new makes one. It stays in a cookie that scripts cannot read.' }),
    wrong,
    button,
  );
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await sendJSON('POST', '/ui/session', { token: token.value.trim() });
      remember(true);
      form.remove();
      done();
    } catch (problem) {
      setText(wrong, problem.status === 401 ? 'Nobody has this token. Look for spaces and missing letters.' : problem.message);
      show(wrong, true);
      token.select();
    } finally {
      button.disabled = false;
    }
  });
  main.replaceChildren(form);
  token.focus();
}

export async function signOut() {
  await ask('DELETE', '/ui/session');
  remember(false);
}

export function wasSignedIn() {
  try {
    return localStorage.getItem(SIGNED) === 'yes';
  } catch {
    return false;
  }
}

function remember(is) {
  try {
    if (is) localStorage.setItem(SIGNED, 'yes');
    else localStorage.removeItem(SIGNED);
  } catch {
    // a browser that keeps nothing: the button to sign out is missing after a reload
  }
}
