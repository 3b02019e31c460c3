// Colours for YAML, a line at a time: enough to see keys, texts and comments apart.

const TOKEN =
  /("(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(\$\{[^}]*\}|\*{8})|((?<=^|\s)#.*$)|([\w.$*-]+)(?=\s*:(?:\s|$))|(?<![\w.])(-?\d+(?:\.\d+)?(?:[a-zA-Z]+)?|true|false|null)(?![\w.])/g;

const KINDS = ['', 'text', 'variable', 'comment', 'key', 'number'];

// pieces cuts a line into [text, kind].
export function pieces(line) {
  const out = [];
  let end = 0;
  for (const found of line.matchAll(TOKEN)) {
    if (found.index > end) out.push([line.slice(end, found.index), '']);
    out.push([found[0], KINDS[found.findIndex((group, i) => i > 0 && group !== undefined)]]);
    end = found.index + found[0].length;
  }
  if (end < line.length) out.push([line.slice(end), '']);
  return out;
}

// marked cuts pieces further where a mistake begins at a column (from 1): its word is bad.
export function marked(line, columns) {
  const spans = columns.map((column) => wordAt(line, column));
  let out = pieces(line).map(([text, kind]) => [text, kind, false]);
  for (const [from, to] of spans) out = split(out, from, to);
  return out;
}

// wordAt gives where the word at a column is; a place after the end is that of the last one.
function wordAt(line, column) {
  const from = Math.max(0, Math.min(column - 1, line.length - 1));
  const [word] = /^[^\s,[\]{}]+|^./.exec(line.slice(from)) || [''];
  return [from, from + word.replace(/:$/, '').length];
}

function split(list, from, to) {
  const out = [];
  let at = 0;
  for (const [text, kind, bad] of list) {
    const [a, b] = [Math.max(0, from - at), Math.min(text.length, to - at)];
    if (a < b) out.push([text.slice(0, a), kind, bad], [text.slice(a, b), kind, true], [text.slice(b), kind, bad]);
    else out.push([text, kind, bad]);
    at += text.length;
  }
  return out.filter(([text]) => text !== '');
}
