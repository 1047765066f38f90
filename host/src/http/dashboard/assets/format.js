// Numbers, times and names as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const moment = new Intl.DateTimeFormat("en-GB", {
  ...{ year: "numeric", month: "short", day: "numeric" },
  ...{ hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" },
});
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export const number = (value) => whole.format(value);

/** A number in few letters: 12.3K. */
export const compact = (value) => short.format(value);

export const plural = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;

/** Milliseconds since 1970 as a date and a time of this place, with its zone. */
export const dateAndTime = (milliseconds) => moment.format(milliseconds);

/** The same as a time of day. */
export const timeOfDay = (milliseconds) => clock.format(milliseconds);

/** A duration in milliseconds. */
export function duration(milliseconds) {
  const seconds = milliseconds / 1000;
  if (seconds < 1) return `${Math.max(0, Math.round(milliseconds))} ms`;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** A duration in milliseconds, as roughly as an estimate deserves. */
export function rough(milliseconds) {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 90) return `${Math.round(seconds / 5) * 5} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export const percent = (done, total) => `${Math.min(100, Math.floor((100 * done) / total))} %`;

/** A step's name as the host spells it: NNNN_name. */
// A step whose name says its version is called by that; its index is only its place in the order. One without a number has an
// index above all numbers.
const namesItsVersion = ({ index, name }) =>
  index >= 2 ** 63 || (index > 2 ** 40 && /^[VB]\d[\d._]*(__|$)/.test(name));

export const label = (step) => {
  if (namesItsVersion(step)) return step.name;
  const number = BigInt(step.index).toString().padStart(4, "0");
  return step.name ? `${number}_${step.name}` : number;
};
