// Keeps what is shown fresh: asks again after a pause, less often while that is in vain, and not at all while the page is hidden
// or the database away. What was known last is kept and shown, with its time.

import { canAsk, health } from "./pulse.js";

const USUAL = 5_000;
const LONGEST = 60_000;
/** So many answers are remembered after their view was left. */
const MOST = 60;

/** The last answer to each question, until the person leaves. */
const known = new Map();
/** What is being kept fresh. */
const active = new Set();

function remember(key, data, at) {
  known.delete(key);
  known.set(key, { data, at });
  if (known.size > MOST) known.delete(known.keys().next().value);
}

/** Forgets everything, since someone else may come. */
export function forgetAll() {
  for (const one of [...active]) one.stop();
  known.clear();
}

/** From when the oldest thing is that is shown, in milliseconds since 1970; null while nothing is known, or nothing asked. */
export function shownFrom() {
  const times = [...active].map((one) => one.at);
  return times.length && times.every((at) => at !== null) ? Math.min(...times) : null;
}

/** Whether everything that is shown was read after this moment. */
export function isAllSince(moment) {
  return [...active].every((one) => one.at !== null && one.at >= moment);
}

/** Why something that is shown could not be read anew, if so. */
export function failure() {
  return [...active].find((one) => one.problem)?.problem ?? null;
}

/** Something that is shown and kept fresh. */
class Fresh {
  /** From when what is shown is, and why it could not be read anew. */
  at = null;
  problem = null;
  #asked;
  #timer = 0;
  #control = null;
  #failures = 0;
  #isOver = false;

  constructor(asked) {
    this.#asked = { ...asked, every: asked.every === undefined ? USUAL : asked.every };
    active.add(this);
    document.addEventListener("console:health", this.#onHealth);
    document.addEventListener("visibilitychange", this.#onVisible);
    const before = known.get(asked.key);
    if (before) {
      this.at = before.at;
      asked.show(before.data, before.at);
    }
  }

  /** Reads it now. */
  again = () => {
    this.#failures = 0;
    return this.#run();
  };

  stop = () => {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#control?.abort();
    active.delete(this);
    document.removeEventListener("console:health", this.#onHealth);
    document.removeEventListener("visibilitychange", this.#onVisible);
  };

  #isWorthWhile() {
    return this.#asked.isKnown ? health().state !== "unreachable" : canAsk();
  }

  #onHealth = ({ detail }) => {
    // What is out would wait for a database that is away, and be of before.
    if (!this.#isWorthWhile()) this.#control?.abort();
    // All pages together must not come in one moment.
    else if (detail.was.state !== "unknown" && detail.was.state !== "slow") this.#later(Math.random() * 250);
  };

  #onVisible = () => {
    const isWanted = this.#asked.every !== null || this.at === null;
    if (!document.hidden && !this.#control && isWanted) this.#later(Math.max(0, 1_000 - (Date.now() - (this.at ?? 0))));
  };

  #later(pause) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.again, pause);
  }

  async #run() {
    clearTimeout(this.#timer);
    if (this.#isOver || document.hidden || !this.#isWorthWhile()) return;
    this.#control?.abort();
    const mine = new AbortController();
    const isMine = () => !this.#isOver && this.#control === mine && !mine.signal.aborted;
    this.#control = mine;
    let pause = this.#asked.every === null ? null : this.#asked.every * (health().state === "slow" ? 2 : 1);
    try {
      const data = await this.#asked.read(mine.signal);
      if (isMine()) this.#take(data);
    } catch (problem) {
      if (isMine()) pause = this.#fail(problem);
    } finally {
      if (this.#control === mine) {
        this.#control = null;
        if (!this.#isOver && pause !== null) this.#timer = setTimeout(() => this.#run(), pause * (0.9 + Math.random() * 0.2));
      }
    }
  }

  #take(data) {
    [this.at, this.problem, this.#failures] = [Date.now(), null, 0];
    remember(this.#asked.key, data, this.at);
    this.#asked.show(data, this.at);
  }

  /** Gives the pause before it is asked again. */
  #fail(problem) {
    this.#failures += 1;
    this.problem = problem;
    if (this.#asked.onFail?.(problem)) this.stop();
    else if (!("status" in problem)) throw problem;
    return Math.max(problem.retryAfter ?? 0, Math.min(LONGEST, (USUAL / 2) * 2 ** this.#failures));
  }
}

/**
 * Shows what `asked.read(signal)` gives, again and again: `show(data, at)`. `key` names the question. `onFail(problem)` is told when it
 * is in vain, and ends it by giving true. Where `every` is null it is read once, and when the database is back, and when `again()` is
 * called. What the service knows without its database (`isKnown`) is asked for also while that is away.
 */
export function keepFresh(asked) {
  const fresh = new Fresh(asked);
  fresh.again();
  return fresh;
}
