// What is looked at first: the sentence, since when, and the figures in a row.

import { byId, el, fill, keyed, setData, setText } from "./dom.js";
import { clock, count, many, ms, rate, span } from "./format.js";

const WORDS = { well: "Well", notice: "Worth a look", trouble: "Trouble" };
let told = null;

/** Shows what is the matter, by the service's clock. */
export function showVerdict(verdict, now) {
  setData(document.body, "level", verdict.level);
  setData(document.body, "matter", verdict.matter);
  setData(byId("dot"), "level", verdict.level);
  setText(byId("sentence"), verdict.sentence);
  const since = verdict.since ? Date.parse(verdict.since) : null;
  showActs(verdict.matter);
  setText(byId("since"), since ? `since ${clock(since)}, for ${span((now - since) / 1e3)}` : "");
  // A screen reader is told of what has changed and not of each number.
  if (told !== verdict.matter) {
    told = verdict.matter;
    setText(byId("live"), `${WORDS[verdict.level]}: ${verdict.sentence}`);
  }
}

/** Only what would change something is offered. */
function showActs(matter) {
  const isHeld = matter === "paused" || matter === "isolated";
  for (const button of byId("acts").children) {
    const isHidden = (button.dataset.action === "resume") !== isHeld;
    if (button.hidden !== isHidden) button.hidden = isHidden;
  }
}

/** The tabs: a dot and a name for each database. */
export function showDatabases(databases, current, onChoose) {
  const tabs = byId("databases");
  setData(tabs, "count", databases.length);
  const make = (brief) => {
    const tab = el("button", { type: "button" }, el("span", { class: "dot", "aria-hidden": "true" }), el("span"));
    tab.addEventListener("click", () => onChoose(brief.name));
    return tab;
  };
  keyed(tabs, databases, (brief) => brief.name, make, (tab, brief) => {
    setData(tab.firstChild, "level", brief.level);
    setText(tab.lastChild, brief.name);
    if (tab.title !== brief.sentence) tab.title = brief.sentence;
    tab.setAttribute("aria-current", String(brief.name === current));
    tab.setAttribute("aria-label", `${brief.name}: ${WORDS[brief.level]}`);
  });
}

const FIGURES = [
  { key: "lent", label: "Connections lent" },
  { key: "waiting", label: "Waiting" },
  { key: "statements", label: "Statements a second" },
  { key: "errors", label: "Errors a second" },
  { key: "p95", label: "On the server, p95" },
  { key: "retries", label: "Retry budget" },
  { key: "breaker", label: "Breaker" },
];

const figures = new Map();

function prepare() {
  const parts = FIGURES.map(({ key, label }) => {
    const [big, sub] = [el("dd", { class: "big" }), el("dd", { class: "sub" })];
    const slots = key === "lent" ? el("dd", { class: "slots", "aria-hidden": "true" }) : null;
    const node = el("div", { "data-figure": key }, el("dt", {}, label), big, slots, sub);
    figures.set(key, { node, big, sub, slots });
    return node;
  });
  fill(byId("figures"), ...parts);
}

function figure(key, big, unit, sub, isHot = false) {
  const { node, big: number, sub: below } = figures.get(key);
  const text = unit ? `${big} ${unit}` : String(big);
  if (number.dataset.text !== text) {
    number.dataset.text = text;
    fill(number, document.createTextNode(String(big)), unit ? el("small", {}, ` ${unit}`) : null);
  }
  setText(below, sub);
  below.title = sub;
  setData(node, "hot", isHot);
}

/** Shows the figures of a view. */
export function showFigures(view, history) {
  if (figures.size === 0) prepare();
  const { pool, breaker, retries, totals, leases } = view;
  const isFull = pool.lent + pool.returning >= pool.maximum;
  setData(document.body, "full", isFull && pool.waiting > 0);
  const parts = [`${pool.idle} idle`];
  if (pool.connecting) parts.push(`${pool.connecting} connecting`);
  if (pool.returning) parts.push(`${pool.returning} being cleaned`);
  if (leases[0]) parts.push(`oldest ${ms(leases[0].held_ms)}, ${leases[0].work}`);
  if (pool.restriction) parts.push(pool.restriction);
  figure("lent", pool.lent, `of ${pool.maximum}`, parts.join(" · "), isFull && pool.waiting > 0);
  bar(figures.get("lent").slots, pool);
  const waits = history.last("wait");
  figure("waiting", count(pool.waiting), "", waits ? `p95 wait ${ms(waits[1])}` : "no call in the last second", pool.waiting > 0 && (isFull || breaker.state !== "closed"));
  const [statements, errors, refused] = ["statements", "errors", "refused"].map((name) => history.last(name) ?? 0);
  figure("statements", rate(statements), "", `${count(totals.statements)} since the start`);
  figure("errors", rate(errors + refused), "", `${count(totals.failed)} failed, ${count(totals.refused)} refused`, errors + refused > 0.05 * (statements + refused));
  const server = history.last("server");
  const [number, unit] = server ? ms(server[1]).split(" ") : ["–", ""];
  figure("p95", number, unit, server ? `p50 ${ms(server[0])} · p99 ${ms(server[2])}` : "none in the last second");
  figure("retries", count(retries.allowed), "left", `${count(retries.retries)} made, ${count(retries.refused)} refused`, retries.allowed === 0);
  figure("breaker", breaker.state, "", `${many(breaker.trips, "trip")}, ${count(breaker.refused)} refused`, breaker.state !== "closed");
}

/** The connections that there may be, as one bar. */
function bar(node, pool) {
  const parts = [["lent", pool.lent + pool.returning], ["idle", pool.idle], ["opening", pool.connecting]];
  keyed(node, parts, ([name]) => name, ([name]) => el("span", { class: name }), (part, [, number]) => {
    const width = `${(100 * number) / Math.max(1, pool.maximum)}%`;
    if (part.style.width !== width) part.style.width = width;
  });
}
