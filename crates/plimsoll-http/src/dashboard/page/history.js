// The last five minutes, a point a second, by column: what the curves and the strip are drawn from.

const KEPT = 300;
/** The time axis is never shorter, in seconds. */
const LEAST = 60;
const COLUMNS = ["at", "lent", "idle", "connecting", "waiting", "maximum", "calls", "statements", "errors", "refused",
  "retries", "wait", "connect", "server", "breaker"];

export class History {
  constructor() {
    this.columns = Object.fromEntries(COLUMNS.map((name) => [name, []]));
  }

  /** Begins anew with what the service has kept. */
  begin(columns) {
    for (const name of COLUMNS) this.columns[name] = (columns[name] ?? []).slice(-KEPT);
  }

  add(point) {
    if (point.at <= (this.columns.at.at(-1) ?? 0)) return;
    for (const name of COLUMNS) {
      this.columns[name].push(point[name] ?? null);
      if (this.columns[name].length > KEPT) this.columns[name].shift();
    }
  }

  get length() {
    return this.columns.at.length;
  }

  last(name) {
    return this.columns[name].at(-1);
  }

  /** From where to where the time axis goes, in seconds since 1970: five minutes, or less where less is known. */
  range() {
    const end = (this.last("at") ?? Date.now()) / 1e3;
    const begin = (this.columns.at[0] ?? Date.now()) / 1e3;
    return [Math.min(end - LEAST, Math.max(begin, end - KEPT)), end];
  }

  /** The times in seconds. */
  times() {
    return this.columns.at.map((at) => at / 1e3);
  }

  /** One percentile of the three parts of the time: of waiting, of connecting, on the server. */
  parts(index) {
    const of = (name) => this.columns[name].map((three) => (three ? three[index] : null));
    return { wait: of("wait"), connect: of("connect"), server: of("server") };
  }
}
