// Whether the database is there: asked of the service twice a second, which knows it without asking the database.

const PULSE = new URL("pulse", import.meta.url);
/** So often, in milliseconds: while all is well, while something is the matter, and while no one looks. */
const CALM = 500;
const WATCHFUL = 300;
const HIDDEN = 5_000;
/** The pulse comes from memory, so one that takes longer does not come. */
const PATIENCE = 1_500;

/** In these the database can be asked. */
const ASKABLE = new Set(["unknown", "well", "slow"]);

let state = "unknown";
let since = Date.now();
let tag = null;
let last = null;
let failures = 0;
let timer = 0;
let isOut = false;

/** How it is: `well`, `slow`, `starting`, `away`, `unreachable` (the service itself), or `unknown` before the first answer. */
export function health() {
  return { state, since };
}

/** Whether it is worth while to ask for anything that is in the database. */
export function canAsk() {
  return ASKABLE.has(state);
}

async function once() {
  const headers = tag ? { "If-None-Match": tag } : {};
  const answer = await fetch(PULSE, { headers, cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(PATIENCE) });
  if (answer.status === 304) return last;
  if (!answer.ok) throw new Error(`the service answered ${answer.status}`);
  const told = await answer.json();
  [tag, last] = [answer.headers.get("ETag"), told.database];
  return last;
}

async function beat() {
  if (isOut) return;
  clearTimeout(timer);
  isOut = true;
  try {
    become(await once());
    failures = 0;
  } catch {
    failures += 1;
    // One that is lost is lost; with two in a row the service is away, or what is between.
    if (failures >= 2) become("unreachable");
  } finally {
    isOut = false;
    const pause = document.hidden ? HIDDEN : state === "well" && failures === 0 ? CALM : WATCHFUL;
    timer = setTimeout(beat, pause * (0.85 + Math.random() * 0.3));
  }
}

function become(next) {
  if (next === state) return;
  const was = { state, lasted: Date.now() - since };
  [state, since] = [next, Date.now()];
  document.body.dataset.db = state;
  document.dispatchEvent(new CustomEvent("console:health", { detail: { state, was } }));
}

/** Begins to ask, until the page is closed. */
export function watch() {
  document.body.dataset.db = state;
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) beat();
  });
  addEventListener("online", beat);
  beat();
}
