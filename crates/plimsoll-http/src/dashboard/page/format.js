// Numbers and times as a person reads them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** `1,204`, `12.3k`, `4.1M`: never more than five signs. */
export function count(number) {
  if (number === null || number === undefined || Number.isNaN(number)) return "–";
  if (number < 100_000) return whole.format(number);
  if (number < 1e6) return `${(number / 1e3).toFixed(0)}k`;
  if (number < 1e9) return `${(number / 1e6).toFixed(1)}M`;
  return `${(number / 1e9).toFixed(1)}G`;
}

/** A rate: `0.4`, `12`, `1,204`. */
export function rate(number) {
  if (number === null || number === undefined) return "–";
  return number > 0 && number < 10 ? number.toFixed(1) : count(number);
}

/** Milliseconds: `0.42 ms`, `3.1 ms`, `120 ms`, `4.2 s`, `3 min`. */
export function ms(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0 ms";
  if (value < 1) return `${value.toFixed(2)} ms`;
  if (value < 10) return `${value.toFixed(1)} ms`;
  if (value < 1_000) return `${value.toFixed(0)} ms`;
  return span(value / 1e3);
}

/** Seconds: `0.4 s`, `48 s`, `6 min`, `3 h`. */
export function span(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

/** `14:02:31`, of the reader's own day. */
export function clock(at) {
  return new Date(at).toLocaleTimeString("en-GB", { hour12: false });
}

/** Total time as `1 h 12 min`, `4.2 s`. */
export function total(milliseconds) {
  const seconds = milliseconds / 1e3;
  if (seconds < 120) return ms(milliseconds);
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(seconds / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}

/** `1 caller`, `2 callers`. */
export function many(number, one, more = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : more}`;
}
