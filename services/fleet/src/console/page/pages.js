// A list that is read page by page. What was read is kept, and read anew as one page.

import { ask, withQuery } from "./api.js";
import { keepFresh } from "./fresh.js";
import { canAsk } from "./pulse.js";

/**
 * Keeps a list fresh. `path` with `query`, whose answer has the rows at `rows`; `keyOf(row)` names a row; a page has `size` rows,
 * and at most `most` can be asked for at once. `show(rows, hasMore)` draws it. `more(answer, signal)`
 * may put something to an answer before it is shown.
 */
export function keepPages({ path, query = {}, rows, keyOf, size = 50, most = 200, every, show, onFail, more = (answer) => answer }) {
  let all = [];
  let next = null;
  let isReading = false;

  const fresh = keepFresh({
    key: withQuery(path, query),
    every,
    onFail,
    async read(signal) {
      const limit = Math.min(most, Math.max(size, all.length));
      return more(await ask(withQuery(path, { ...query, limit }), { signal }), signal);
    },
    show(answer) {
      const read = answer[rows];
      const names = new Set(read.map(keyOf));
      // What lies beyond the page that was read anew stays as it was.
      const tail = all.length > read.length && answer.next ? all.slice(read.length).filter((row) => !names.has(keyOf(row))) : [];
      if (tail.length === 0) next = answer.next ?? null;
      all = [...read, ...tail];
      show(all, next !== null);
    },
  });

  return {
    stop: fresh.stop,
    again: fresh.again,
    /** Changes a row, or takes it away, before it is read anew. */
    change(key, row) {
      all = all.flatMap((one) => (keyOf(one) !== key ? [one] : row ? [row] : []));
      show(all, next !== null);
    },
    /** Reads the next page. */
    async more() {
      if (next === null || isReading || !canAsk()) return;
      isReading = true;
      try {
        const answer = await more(await ask(withQuery(path, { ...query, limit: size, after: next })));
        const names = new Set(all.map(keyOf));
        all = [...all, ...answer[rows].filter((row) => !names.has(keyOf(row)))];
        next = answer.next ?? null;
        show(all, next !== null);
      } finally {
        isReading = false;
      }
    },
  };
}
