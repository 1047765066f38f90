// How fast a run goes, and how long it will still take.

/** How far samples are apart at first, in milliseconds, and how many are kept; as the host does it. */
const FIRST_INTERVAL = 500;
const MOST_SAMPLES = 480;

/** The rate of the moment is that of the last ten seconds: shorter, and it trembles; longer, and it lags behind. */
const WINDOW = 10_000;

/** An estimate from less than this would be a guess. */
const ENOUGH = 2_000;

export class Pace {
  #samples;
  #interval = FIRST_INTERVAL;
  #newest = null;
  #moved = null;

  /** `samples` are rows of the whole run that were done at some times, the oldest first. */
  constructor(samples = []) {
    this.#samples = [...samples];
    this.#newest = samples.at(-1) ?? null;
    this.#moved = this.#newest?.at ?? null;
  }

  /** Takes note of how many rows are done. */
  add(at, rows) {
    if (!this.#newest || rows !== this.#newest.rows) this.#moved = at;
    this.#newest = { at, rows };
    const last = this.#samples.at(-1);
    if (last && at - last.at < this.#interval) return;
    if (this.#samples.length >= MOST_SAMPLES) {
      this.#samples = this.#samples.filter((_, number) => number % 2 === 0);
      this.#interval *= 2;
    }
    this.#samples.push(this.#newest);
  }

  /** Rows a second in each stretch between two samples, and from the last one until `now`; none for a run that has ended. */
  stretches(now) {
    const stretches = [];
    let before = null;
    const samples = [...this.#samples];
    if (this.#newest && now >= (samples.at(-1)?.at ?? now) + this.#interval) samples.push({ at: now, rows: this.#newest.rows });
    for (const sample of samples) {
      if (before && sample.at > before.at) {
        const rows = Math.max(0, sample.rows - before.rows);
        stretches.push({ from: before.at, to: sample.at, rate: (1000 * rows) / (sample.at - before.at) });
      }
      before = sample;
    }
    return stretches;
  }

  /** Rows a second lately; none when too little is known. `now` is the host's time. */
  rate(now) {
    return this.#since(now - WINDOW, now);
  }

  /**
   * How long `rows` more will take, in milliseconds: from the quicker to the slower of the rate of the moment and that of
   * the whole run. None when too little is known, or nothing moves.
   */
  left(rows, now) {
    const rates = [this.rate(now), this.#since(0, now)];
    if (rates.some((rate) => !rate)) return null;
    return [(1000 * rows) / Math.max(...rates), (1000 * rows) / Math.min(...rates)];
  }

  /** How long no row has been done, in milliseconds. */
  still(now) {
    return this.#moved === null ? 0 : now - this.#moved;
  }

  #since(begin, now) {
    const newest = this.#newest;
    if (!newest) return null;
    const first = this.#samples.findLast((sample) => sample.at <= begin) ?? this.#samples[0];
    const time = Math.max(now, newest.at) - first.at;
    return time < ENOUGH ? null : (1000 * Math.max(0, newest.rows - first.rows)) / time;
  }
}
