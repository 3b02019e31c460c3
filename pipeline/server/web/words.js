// Numbers, times and states, as words.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const NONE = '–';

export function count(n) {
  return n === undefined || Number.isNaN(n) ? NONE : whole.format(n);
}

// brief is a number that has to fit: 12.3K.
export function brief(n) {
  if (n === undefined || Number.isNaN(n)) return NONE;
  return n < 10000 ? (n < 10 ? tenth : whole).format(n) : short.format(n);
}

export function seconds(s) {
  if (s === undefined || Number.isNaN(s)) return NONE;
  if (s < 0.0005) return '0 ms';
  if (s < 1) return `${(s * 1000).toFixed(s < 0.01 ? 1 : 0)} ms`;
  if (s < 120) return `${tenth.format(s)} s`;
  return s < 7200 ? `${whole.format(s / 60)} min` : `${whole.format(s / 3600)} h`;
}

// ago tells how long something has been so.
export function ago(time, now = Date.now()) {
  const s = Math.max(0, (now - Date.parse(time)) / 1000);
  if (Number.isNaN(s)) return NONE;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  const days = Math.floor(s / 86400);
  return `${days} day${days === 1 ? '' : 's'}`;
}

export function clock(time) {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? NONE : `${at.toLocaleTimeString('en-GB')}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}

export function moment(time) {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? NONE : at.toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
}

// plural is "1 record", "2 records".
export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

// STATES go from what needs a person to what needs nobody. Each has a shape of its own, so
// that its colour is never all that tells it.
export const STATES = {
  FAILED: {
    rank: 0,
    means: 'has ended with an error, and waits for a person',
    shape: 'M4 1h4l3 3v4l-3 3H4L1 8V4zM4.2 4.2l3.6 3.6M7.8 4.2L4.2 7.8',
    hollow: true,
  },
  DEGRADED: { rank: 1, means: 'waits for something, and goes on by itself', shape: 'M6 1l5.4 10H.6z' },
  STARTING: { rank: 2, means: 'is starting', shape: 'M6 1a5 5 0 1 1-5 5M6 3.5V6l2 1.5', hollow: true },
  PAUSED: { rank: 3, means: 'reads nothing, and keeps its connections', shape: 'M2 1h3v10H2zM7 1h3v10H7z' },
  STANDBY: { rank: 4, means: 'another instance is active; takes over when that ends', shape: 'M6 1a5 5 0 1 0 .01 0z', hollow: true },
  RUNNING: { rank: 5, means: 'moves records', shape: 'M6 1a5 5 0 1 0 .01 0z' },
  STOPPED: { rank: 6, means: 'has no connections, or its sources are at their end', shape: 'M1.5 1.5h9v9h-9z', hollow: true },
};

export function known(state) {
  return STATES[state] || { rank: 9, means: '', shape: 'M1 6h10', hollow: true };
}
