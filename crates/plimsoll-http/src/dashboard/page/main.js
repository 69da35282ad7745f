// Puts the page together: reads the stream, keeps what it told, and draws it.

import * as token from "./token.js";
import { ask } from "./actions.js";
import { colours, makeCharts } from "./charts.js";
import { makeLeases } from "./connections.js";
import { byId, setData, setText } from "./dom.js";
import { span } from "./format.js";
import { showDatabases, showFigures, showVerdict } from "./headline.js";
import { History } from "./history.js";
import { showLocks, showMarks, showWaits } from "./locks.js";
import { makeStatements } from "./statements.js";
import { read } from "./stream.js";
import { makeStrip } from "./strip.js";

/** Data that are older are shown as stale. */
const STALE = 3_000;
/** A connection that says nothing for so long is made anew. */
const DEAD = 8_000;

const history = new History();
let greeting = null;
let view = null;
let marks = [];
let heardAt = null;
/** By how much the service's clock is ahead of this one. */
let ahead = 0;
let status = "connecting";
let why = "";
let stream = null;
let shown = null;
let isDue = false;
// What came and is not drawn yet.
let lists = null;
let piles = null;
let areMarksNew = false;

function start(database) {
  stream?.stop();
  status = "connecting";
  stream = read(database, token.known(), { line, status: tellStatus, refused });
}

function line(value) {
  if (value.schema_version !== 1) {
    stream.stop();
    tellStatus("waiting", "the service is of another version than this page: load it again");
    return;
  }
  heardAt = performance.now();
  status = "live";
  if (value.type === "greeting") greet(value);
  else if (value.type === "view") take(value);
  byId("fresh").firstElementChild.classList.add("beat");
  setTimeout(() => byId("fresh").firstElementChild.classList.remove("beat"), 60);
  schedule();
}

function greet(value) {
  greeting = value;
  view = null;
  history.begin(value.history);
  marks = value.marks;
  byId("token").hidden = true;
  byId("content").hidden = false;
  setText(byId("service"), value.service);
  setText(byId("version"), value.version ?? "");
  byId("acts").hidden = value.is_read_only || !value.database;
  shown ??= { leases: makeLeases(onCancel), statements: makeStatements(), charts: makeCharts(), strip: makeStrip(colours) };
  [lists, piles, areMarksNew] = [value.lists ?? { statements: [], slow: [] }, value.locks, true];
  showVerdict(value.verdict, now());
  showDatabases(value.databases, value.database, choose);
}

function take(value) {
  view = value;
  // Not with the next frame: a browser that has much to do is late with those, and this is what is waited for.
  showVerdict(value.verdict, now());
  if (value.point) {
    ahead = value.point.at - Date.now();
    history.add(value.point);
  }
  if (value.marks) {
    marks = value.marks;
    areMarksNew = true;
  }
  piles = value.locks ?? piles;
  lists = value.lists ?? lists;
}

/** Draws with the next frame, and not at all while the tab is hidden; in steps, so that the page answers between them. */
function schedule() {
  if (isDue || document.hidden) return;
  isDue = true;
  requestAnimationFrame(async () => {
    try {
      for (const step of [draw, ...shown.charts(history, marks), () => shown.strip(history, marks), drawLists]) {
        step();
        await new Promise((resolve) => setTimeout(resolve));
      }
    } finally {
      isDue = false;
    }
  });
}

/** What is far down on the page and long, and comes only now and then. */
function drawLists() {
  if (lists) shown.statements(lists);
  if (piles) showLocks(piles);
  if (areMarksNew) showMarks(marks);
  [lists, piles, areMarksNew] = [null, null, false];
}

function draw() {
  if (!view) return;
  showDatabases(view.databases, view.database, choose);
  showFigures(view, history);
  shown.leases(view);
  showWaits(view.wait_events, now());
  const operator = greeting.operator === "local" ? "shown without a token, as this is a development machine" : `shown to ${greeting.operator}`;
  setText(byId("cost"), `Looking costs the service ${(view.cost_us / 1e3).toFixed(1)} ms a second; ${operator}.`);
  document.title = `${view.verdict.level === "well" ? "" : view.verdict.level === "trouble" ? "■ " : "□ "}${greeting.service} · ${view.database}`;
}

function now() {
  return Date.now() + ahead;
}

function choose(name) {
  if (name !== greeting?.database) start(name);
}

function onCancel(lease) {
  ask("cancel", greeting.database, token.known(), lease.running, `${lease.work}\n${lease.statement ?? ""}`);
}
onCancel.isAllowed = () => !greeting.is_read_only;

byId("acts").addEventListener("click", (event) => {
  const action = event.target.dataset.action;
  if (action) ask(action, greeting.database, token.known(), null, `${greeting.service} · ${greeting.database}`);
});

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
  token.ask(had || isForeign ? `${problem.title} ${problem.advice ?? ""}`.trim() : "", () => start(greeting?.database));
}

/** Says how old the data are, and dims them when they are too old; also while the stream hangs. */
function freshness() {
  const age = heardAt === null ? null : performance.now() - heardAt;
  const isStale = age !== null && age > STALE;
  document.body.classList.toggle("stale", isStale);
  const node = byId("fresh");
  setData(node, "state", isStale ? "stale" : status === "live" ? "live" : "connecting");
  const text = isStale ? `data are ${span(age / 1e3)} old${status === "waiting" ? `: ${why}` : ""}`
    : status === "live" ? "live" : status === "refused" ? "no token" : status === "waiting" && age === null ? why : "connecting";
  setText(byId("fresh-text"), text);
  if (age !== null && age > DEAD && status === "live") {
    status = "connecting";
    stream.again();
  }
}

setInterval(freshness, 250);
document.addEventListener("visibilitychange", schedule);
start(null);
