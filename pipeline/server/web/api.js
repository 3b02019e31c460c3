// Asking the server.

// Problem is an answer that is no success (RFC 9457). status 0: there was no answer.
export class Problem extends Error {
  constructor(status, body = {}) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.mistakes = (body.errors || []).map(placed);
  }
}

// placed reads where a mistake is: pipeline.yaml:3:5.
function placed({ message = '', location = '' }) {
  const at = /:(\d+):(\d+)$/.exec(location) || [];
  return { what: message, line: Number(at[1]) || 0, column: Number(at[2]) || 0 };
}

let needSignIn = () => {};
let mayOnlyLook = () => {};

// onRefused says whom to tell that a token is needed, or that the one there is may only look.
export function onRefused(signIn, look) {
  needSignIn = signIn;
  mayOnlyLook = look;
}

// ask sends a request and gives the answer, its body not read. Errors: Problem, AbortError.
export async function ask(method, path, { body, type, etag, signal } = {}) {
  const headers = {};
  if (type) headers['Content-Type'] = type;
  if (etag) headers['If-Match'] = etag;
  let response;
  try {
    response = await fetch(path, { method, body, headers, signal, credentials: 'same-origin', cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, { detail: 'The server does not answer.' });
  }
  if (response.ok) return response;
  const problem = new Problem(response.status, await response.json().catch(() => ({})));
  if (response.status === 401 && path !== '/ui/session') needSignIn();
  if (response.status === 403) mayOnlyLook(problem);
  throw problem;
}

export async function get(path, signal) {
  return (await ask('GET', path, { signal })).json();
}

// exact reads JSON, and keeps numbers as they are written where the browser can: records
// hold 2^63 and 12.50, which a number of JavaScript does not.
export function exact(text) {
  return JSON.parse(text, (_, value, context) => {
    const is = typeof value === 'number' && context && context.source !== undefined && JSON.rawJSON;
    return is && String(value) !== context.source ? JSON.rawJSON(context.source) : value;
  });
}

export async function getText(path, signal) {
  const response = await ask('GET', path, { signal });
  return { text: await response.text(), etag: response.headers.get('ETag') };
}

export async function sendYAML(method, path, text, { etag, signal } = {}) {
  const response = await ask(method, path, { body: text, type: 'application/yaml', etag, signal });
  return { data: await response.json(), etag: response.headers.get('ETag') };
}

export async function sendJSON(method, path, value, signal) {
  const response = await ask(method, path, { body: JSON.stringify(value), type: 'application/json', signal });
  return response.status === 204 ? null : exact(await response.text());
}

// at gives the path of a pipeline, or of something of it.
export function at(name, ...rest) {
  return ['/v1/pipelines', encodeURIComponent(name), ...rest].join('/');
}

// events reads server-sent events until signal ends, or the stream does. EventSource would
// not tell why it was refused, and 404 is an answer that is expected here.
export async function events(path, signal, each) {
  const response = await ask('GET', path, { signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split(/\r?\n\r?\n/);
    rest = parts.pop();
    for (const part of parts) eventOf(part, each);
  }
}

function eventOf(part, each) {
  const data = part
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trimStart());
  if (data.length === 0) return;
  let value;
  try {
    value = exact(data.join('\n'));
  } catch {
    return; // a line that is no JSON is not worth the others
  }
  each(value);
}
