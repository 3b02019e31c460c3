// The page: which view is open, whether somebody is signed in, whether the server answers.

import { el, setAttr, setText, show } from './dom.js';
import { onRefused } from './api.js';
import { begin, end, refresh, store, watch } from './store.js';
import { forgetErrors, note } from './notes.js';
import { tellChanges } from './changes.js';
import { openList } from './list.js';
import { openPipeline } from './pipeline.js';
import { openNew } from './new.js';
import { openReference } from './reference.js';
import { openSignIn, signOut, wasSignedIn } from './signin.js';

const main = document.getElementById('main');
const banner = document.getElementById('banner');
const link = document.getElementById('link');
const signOutButton = document.getElementById('sign-out');

// A view is opened in main and gives {title, update, close, go}: update follows each look at
// the server, go takes another address of the same view and gives whether it did.
const ROUTES = [
  [/^#?\/?$/, openList],
  [/^#\/new$/, openNew],
  [/^#\/reference$/, openReference],
  [/^#\/pipelines\/([^/]+)(?:\/([a-z]+))?$/, openPipeline],
];

let view = null;
let signingIn = false;
let lookTag = null;

function route(isFirst) {
  if (signingIn) return;
  forgetErrors();
  const [open, found] = find(location.hash);
  const args = found.slice(1).map((arg) => arg && decode(arg));
  if (view && view.open === open && view.go && view.go(...args)) return;
  close();
  view = { open, ...open(main, ...args) };
  mark();
  title();
  if (store.loaded && view.update) view.update();
  if (!isFirst) (main.querySelector('h1') || main).focus();
}

function find(hash) {
  for (const [pattern, open] of ROUTES) {
    const found = pattern.exec(hash);
    if (found) return [open, found];
  }
  return [openNothing, ['']];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function openNothing(into) {
  into.append(el('h1', { tabindex: '-1', text: 'There is nothing here' }), el('p', {}, el('a', { href: '#/', text: 'All pipelines' })));
  return { title: 'Nothing here' };
}

function close() {
  if (view && view.close) view.close();
  view = null;
  main.replaceChildren();
  window.scrollTo(0, 0);
}

// mark says in the navigation where one is.
function mark() {
  for (const a of document.querySelectorAll('#nav a')) {
    const here = a.getAttribute('href') === '#/reference' ? view.open === openReference : view.open !== openReference;
    setAttr(a, 'aria-current', here ? 'page' : null);
  }
}

// title tells in the browser's tab what needs somebody, wherever one is.
function title() {
  const states = [...store.pipelines.values()].map((p) => p.state);
  const failed = states.filter((s) => s === 'FAILED').length;
  const degraded = states.filter((s) => s === 'DEGRADED').length;
  const signs = [failed && `✕${failed}`, degraded && `▲${degraded}`].filter(Boolean).join(' ');
  const of = (view && view.title) || '';
  document.title = [signs, of ? `${of} · Penstock` : 'Penstock'].filter(Boolean).join(' ');
}

function tick() {
  const ok = !store.error;
  setAttr(link, 'data-ok', ok ? 'yes' : 'no');
  setText(document.getElementById('link-word'), ok ? 'live' : 'not live');
  setText(banner, ok ? '' : `${store.error.message} What you see is what was last known; it is asked again every 2 s.`);
  show(banner, !ok);
  setAttr(main, 'data-stale', !ok);
  if (ok) tellChanges(store.pipelines);
  if (view && view.update && store.loaded) view.update();
  title();
}

function askSignIn() {
  if (signingIn) return;
  signingIn = true;
  end();
  close();
  setText(document.getElementById('link-word'), 'signed out');
  setAttr(link, 'data-ok', 'no');
  if (lookTag) lookTag.remove(); // who signs in next has a token of his own
  lookTag = null;
  show(banner, false);
  show(signOutButton, false);
  document.title = 'Sign in · Penstock';
  openSignIn(main, () => {
    signingIn = false;
    show(signOutButton, true);
    begin();
    route();
  });
}

// mayOnlyLook says once in the page's head what the token is for; what was refused is told
// where it was asked.
function mayOnlyLook(problem) {
  if (lookTag || !/look/.test(problem.message)) return;
  lookTag = el('p', { class: 'tag', test: 'look-only', text: 'look only', title: 'Your token may look and not change' });
  link.before(lookTag);
}

document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault(); // the address is the view's
  main.focus();
});

signOutButton.addEventListener('click', async () => {
  try {
    await signOut();
    askSignIn();
  } catch (problem) {
    note(`You are still signed in: ${problem.message}`, true);
  }
});

onRefused(askSignIn, mayOnlyLook);
window.addEventListener('hashchange', () => route(false));
window.addEventListener('online', refresh);
watch(tick);
show(signOutButton, wasSignedIn());
begin();
route(true);
