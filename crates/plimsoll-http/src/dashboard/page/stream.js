// Reads the stream: lines of JSON from one answer that does not end. It is read by `fetch` and not by `EventSource`, which could
// send no header, and the token must not be in a URL.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

/**
 * Reads until `stop()` is called, and connects again after a pause that grows with each attempt that fails.
 * `on.line(value)` gets each line, `on.status(word)` what the connection is doing, `on.refused(problem)` why nothing is read
 * any more: the token is missing or wrong.
 */
export function read(database, token, on) {
  let stopping = new AbortController();
  let pause = FIRST_PAUSE;
  let isOver = false;

  async function once() {
    const query = database ? `?database=${encodeURIComponent(database)}` : "";
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const answer = await fetch(`stream${query}`, { headers, signal: stopping.signal, cache: "no-store", credentials: "omit" });
    if (answer.status === 401 || answer.status === 403) {
      isOver = true;
      on.refused(await answer.json().catch(() => ({ title: "The service does not let this page in." })));
      return;
    }
    if (answer.status === 404 && database) {
      // The database that was looked at is gone, as after a restart under another name.
      database = null;
      return;
    }
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({}));
      throw new Error(problem.title ?? `the service answered ${answer.status}`);
    }
    await lines(answer.body, (line) => {
      pause = FIRST_PAUSE;
      on.line(line);
    });
  }

  async function run() {
    while (!isOver) {
      on.status("connecting");
      let why = "the connection has ended";
      try {
        await once();
      } catch (error) {
        if (isOver) return;
        why = error instanceof TypeError ? "the service cannot be reached" : error.message;
      }
      if (isOver) return;
      on.status("waiting", why);
      await new Promise((resolve) => setTimeout(resolve, pause * (0.75 + Math.random() / 2)));
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  }

  run();
  return {
    /** Ends this connection and makes another at once: for one that is open and says nothing. */
    again() {
      stopping.abort();
      stopping = new AbortController();
    },
    stop() {
      isOver = true;
      stopping.abort();
    },
  };
}

/** Splits a body into lines, whatever pieces it comes in, and hands on each as a value. */
async function lines(body, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) take(JSON.parse(part));
  }
}
