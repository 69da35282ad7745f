// Puts the start page together: reads the stream, and draws what it tells. All of it becomes text and never markup.

import { byId, setData, setText } from "/plimsoll/dom.js";
import { clock, count, ms, rate, span } from "/plimsoll/format.js";
import { read } from "/plimsoll/stream.js";
import * as token from "/plimsoll/token.js";

/** Data that are older are shown as stale. */
const STALE = 3_000;
/** A connection that says nothing for so long is made anew. */
const DEAD = 8_000;
/** A database that is well again for so long is back. */
const BACK = 1_500;
/** Slow is a database that takes longer to commit a few readings, in milliseconds. */
const SLOW = 750;
/** In these nothing can be asked of the database. */
const AWAY = new Set(["frozen", "refused", "demoted", "isolated", "closed"]);

const WORDS = { well: "Well", notice: "Worth a look", trouble: "Trouble" };

let stream = null;
let heardAt = null;
let status = "connecting";
let why = "";
let told = null;
/** What is wrong: since when, until when, and whether the database was away. None while all is well. */
let trouble = null;
let wasWell = false;
let play = null;
let isLoading = false;

function start() {
  stream?.stop();
  status = "connecting";
  stream = read(null, token.known(), { line, status: tellStatus, refused });
}

function line(view) {
  if (view.schema_version !== 1) {
    location.reload();
    return;
  }
  heardAt = performance.now();
  status = "live";
  byId("content").hidden = false;
  const beat = byId("fresh").firstElementChild;
  beat.classList.add("beat");
  setTimeout(() => beat.classList.remove("beat"), 60);
  showVerdict(view.verdict, view.now);
  showFigures(view);
  showCommand(view);
  if (view.play) showPlay(view);
  follow(view);
  freshness();
}

function showVerdict(verdict, now) {
  setData(document.body, "level", verdict.level);
  setData(document.body, "matter", verdict.matter);
  setData(byId("dot"), "level", verdict.level);
  setText(byId("sentence"), verdict.sentence);
  setText(byId("since"), verdict.since ? `since ${clock(verdict.since)}, for ${span((now - verdict.since) / 1e3)}` : "");
  document.title = `${verdict.level === "well" ? "" : verdict.level === "trouble" ? "■ " : "□ "}fleet`;
  // A screen reader is told of what has changed and not of each number.
  if (told !== verdict.matter) {
    told = verdict.matter;
    setText(byId("live"), `${WORDS[verdict.level]}: ${verdict.sentence}`);
  }
}

function showFigures(view) {
  setText(byId("version"), view.version);
  setText(byId("rate"), rate(view.a_second));
  setText(byId("stored"), `${count(view.stored)} since the start${view.a_second > 0 ? `; the newest took ${ms(view.took_ms)}` : ""}`);
  setText(byId("uptime"), `${view.version}, up since ${clock(view.started)}, for ${span((view.now - view.started) / 1e3)}`);
  setText(byId("database"), view.database ? `PostgreSQL ${view.database.split(" ")[0]}` : "–");
  setText(byId("reached"), view.database ? (view.play ? "the service's own, for development" : "as it was at the start") : "not reached yet");
}

function showCommand(view) {
  const [tenant, key] = [view.tenant ?? "TENANT", view.device_key ?? "$DEVICE_KEY"];
  const quote = view.device_key ? "'" : '"';
  setText(byId("command"),
    `curl -i -H ${quote}X-Provision-Token: ${key}${quote} -d '{"temperature": 25}' ${location.origin}/ingest/v1/tenant/${tenant}/device/d1/telemetry`);
}

/** The buttons are in a file of their own, which only a service for development has. */
async function showPlay(view) {
  if (play) {
    play.show(view.play);
    return;
  }
  if (isLoading) return;
  isLoading = true;
  const { makePlay } = await import("/front/play.js");
  play = makePlay(byId("play"), token.known);
  play.show(view.play);
}

/** Notices that the database is slow or away, and that it is back. */
function follow(view) {
  const { matter } = view.verdict;
  const isAway = AWAY.has(matter);
  const isSlow = matter === "slow" || (view.a_second > 0 && view.took_ms >= SLOW);
  if (!wasWell) {
    wasWell = view.verdict.level === "well";
    return;
  }
  if (isAway || isSlow || view.play?.breakage) {
    trouble ??= { since: view.now, isAway: false };
    trouble.until = view.now;
    trouble.isAway ||= isAway;
    if (isAway) tell("away", "The database is away.", "Requests that need it are answered 503 with Retry-After, and nothing is acknowledged that is not stored.");
    else if (isSlow && !trouble.isAway) tell("slow", "The database is slow.", "Requests take longer, within their deadline; none is given up that can still be answered.");
    return;
  }
  if (!trouble || view.now - trouble.until < BACK || view.play?.sending_again > 0 || !isCounted(view)) return;
  const lasted = span((trouble.until - trouble.since) / 1e3);
  tell("back", trouble.isAway ? `The database is back, after ${lasted}.` : `The database is as fast as before, after ${lasted}.`, account(view.play));
  trouble = null;
}

/** Whether the table was asked since the trouble was over. */
function isCounted(view) {
  return !view.play || (view.play.checked_ms !== null && view.play.checked_ms < view.now - trouble.until);
}

function account(tally) {
  if (!tally) return "";
  return tally.lost + tally.doubled === 0
    ? `Of ${count(tally.acknowledged)} acknowledged readings none is lost and none is doubled.`
    : `${count(tally.lost)} readings are lost and ${count(tally.doubled)} are doubled.`;
}

function tell(kind, title, text) {
  const banner = byId("banner");
  if (banner.dataset.kind === kind) return;
  setData(banner, "kind", kind);
  setText(byId("banner-title"), title);
  setText(byId("banner-text"), text);
  setText(byId("live"), `${title} ${text}`);
}

function tellStatus(word, reason) {
  status = word;
  why = reason ?? why;
  freshness();
}

function refused(problem) {
  const had = token.known();
  token.forget();
  heardAt = null;
  status = "refused";
  freshness();
  const isForeign = problem.code === "OPERATOR_FOREIGN_REQUEST";
  token.ask(had || isForeign ? `${problem.title} ${problem.advice ?? ""}`.trim() : "", start);
}

/** Says how old the data are, and dims them when they are too old; also while the stream hangs. */
function freshness() {
  const age = heardAt === null ? null : performance.now() - heardAt;
  const isStale = age !== null && age > STALE;
  document.body.classList.toggle("stale", isStale);
  setData(byId("fresh"), "state", isStale ? "stale" : status === "live" ? "live" : "connecting");
  const text = isStale ? `data are ${span(age / 1e3)} old${status === "waiting" ? `: ${why}` : ""}`
    : status === "live" ? "live" : status === "refused" ? "no token" : status === "waiting" && age === null ? why : "connecting";
  setText(byId("fresh-text"), text);
  if (age !== null && age > DEAD && status === "live") {
    status = "connecting";
    stream.again();
  }
}

byId("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(byId("command").textContent);
    setText(byId("copy"), "Copied");
  } catch {
    getSelection().selectAllChildren(byId("command"));
    setText(byId("copy"), "Selected");
  }
  setTimeout(() => setText(byId("copy"), "Copy"), 2_000);
});
setInterval(freshness, 250);
start();
