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

/**
 * Shows what `read(signal)` gives, again and again: `show(data, at)`. `key` names the question. `onFail(problem)` is told when it is in
 * vain, and ends it by giving true. Where `every` is null it is read once, and when the database is back, and when `again()` is called. What the service knows (`isKnown`) without
 * its database is asked for also while that is away.
 */
export function keepFresh({ key, read, show, every = USUAL, isKnown = false, onFail }) {
  const one = { at: null, problem: null, again, stop };
  let timer = 0;
  let control = null;
  let failures = 0;
  let isOver = false;

  const isWorthWhile = () => (isKnown ? health().state !== "unreachable" : canAsk());

  function again() {
    failures = 0;
    run();
  }

  function stop() {
    isOver = true;
    clearTimeout(timer);
    control?.abort();
    active.delete(one);
    document.removeEventListener("console:health", onHealth);
    document.removeEventListener("visibilitychange", onVisible);
  }

  function onHealth({ detail }) {
    // What is out would wait for a database that is away, and be of before.
    if (!isWorthWhile()) control?.abort();
    // All pages together must not come in one moment.
    else if (detail.was.state !== "unknown" && detail.was.state !== "slow") later(Math.random() * 250);
  }

  function onVisible() {
    if (!document.hidden && !control && (every !== null || one.at === null)) later(Math.max(0, 1_000 - (Date.now() - (one.at ?? 0))));
  }

  function later(pause) {
    clearTimeout(timer);
    timer = setTimeout(again, pause);
  }

  async function run() {
    clearTimeout(timer);
    if (isOver || document.hidden || !isWorthWhile()) return;
    control?.abort();
    const mine = new AbortController();
    control = mine;
    let pause = health().state === "slow" ? 2 * every : every;
    let isInVain = false;
    try {
      const data = await read(mine.signal);
      if (isOver || control !== mine) return;
      [one.at, one.problem, failures] = [Date.now(), null, 0];
      remember(key, data, one.at);
      show(data, one.at);
    } catch (problem) {
      if (isOver || control !== mine || mine.signal.aborted) return;
      failures += 1;
      one.problem = problem;
      isInVain = true;
      pause = Math.max(problem.retryAfter ?? 0, Math.min(LONGEST, (USUAL / 2) * 2 ** failures));
      if (onFail?.(problem)) stop();
      else if (!("status" in problem)) throw problem;
    } finally {
      if (control === mine) {
        control = null;
        if (!isOver && (every !== null || isInVain)) timer = setTimeout(run, pause * (0.9 + Math.random() * 0.2));
      }
    }
  }

  active.add(one);
  document.addEventListener("console:health", onHealth);
  document.addEventListener("visibilitychange", onVisible);
  const before = known.get(key);
  if (before) {
    one.at = before.at;
    show(before.data, before.at);
  }
  run();
  return one;
}
