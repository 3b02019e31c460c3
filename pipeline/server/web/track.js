// What a pipeline did over the last minutes, a sample a poll. NaN: nothing is known.

export const LENGTH = 300; // ten minutes

const FIELDS = ['at', 'read', 'written', 'lag', 'latency'];

// Track is a ring of samples. Numbers lie in flat arrays: 1,000 pipelines have one each.
export class Track {
  constructor() {
    for (const field of FIELDS) this[field] = new Float64Array(LENGTH);
    this.first = 0;
    this.size = 0;
  }

  push(sample) {
    const i = (this.first + this.size) % LENGTH;
    for (const field of FIELDS) this[field][i] = sample[field];
    if (this.size < LENGTH) this.size++;
    else this.first = (this.first + 1) % LENGTH;
  }

  // points gives [time, value] of a field, from the oldest to the newest, at most n.
  points(field, n = LENGTH) {
    const from = Math.max(0, this.size - n);
    const out = [];
    for (let k = from; k < this.size; k++) {
      const i = (this.first + k) % LENGTH;
      out.push([this.at[i], this[field][i]]);
    }
    return out;
  }

  last(field) {
    return this.size ? this[field][(this.first + this.size - 1) % LENGTH] : NaN;
  }

  // lately is the mean of the last three samples: calm to look at, and quick enough.
  lately(field) {
    const known = this.points(field, 3)
      .map((p) => p[1])
      .filter((v) => !Number.isNaN(v));
    return known.length ? known.reduce((a, b) => a + b, 0) / known.length : NaN;
  }
}

// between makes a sample of two looks at a pipeline's figures, dt seconds apart.
export function between(before, now, at, dt) {
  const lag = lagOf(now);
  if (!before) return { at, read: NaN, written: NaN, lag, latency: NaN };
  // A counter that fell began again with a new start.
  const since = (field) => (now[field] < before[field] ? now[field] : now[field] - before[field]);
  const written = since('written');
  return { at, read: since('read') / dt, written: written / dt, lag, latency: latencyOf(before, now, written) };
}

// latencyOf gives the mean of the records between two looks; figures tell that of all.
function latencyOf(before, now, written) {
  if (written <= 0) return NaN;
  if (now.written < before.written) return now.latency_seconds;
  const mean = (now.latency_seconds * now.written - before.latency_seconds * before.written) / written;
  return Math.max(0, mean);
}

// lagOf sums the lag of the shards that tell theirs; NaN: none does.
export function lagOf(figures) {
  const all = Object.values(figures.lag || {});
  return all.length ? all.reduce((a, b) => a + b, 0) : NaN;
}

export function refusedOf(figures) {
  return figures.dropped + figures.dead_lettered;
}
