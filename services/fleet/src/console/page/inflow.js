// What comes in: readings a second, what waits, and what was not taken in the last day, by reason.

import { el, fill, keyed, setData, setText } from "../plimsoll/dom.js";
import { count, ms, rate } from "../plimsoll/format.js";
import { ask } from "./api.js";
import { keepFresh } from "./fresh.js";
import { link } from "./router.js";

/** A rate is that of so long a time, in milliseconds. */
const WINDOW = 6_000;
const FIGURES = [["rate", "Acknowledged a second"], ["total", "Acknowledged"], ["waiting", "Waiting to be written"], ["strangers", "From strangers"]];

function makeFigures() {
  const parts = FIGURES.map(([name, label]) => {
    const [big, sub] = [el("dd", { class: "big" }, "–"), el("dd", { class: "sub" })];
    return [name, { big, sub, node: el("div", { "data-figure": name }, el("dt", {}, label), big, sub) }];
  });
  const of = new Map(parts);
  const node = el("dl", { class: "figures four" }, ...parts.map(([, part]) => part.node));
  const seen = [];

  function rateOf(total, at) {
    seen.push({ total, at });
    while (seen.length > 2 && at - seen[1].at >= WINDOW) seen.shift();
    const [first] = seen;
    return at > first.at && total >= first.total ? ((total - first.total) * 1e3) / (at - first.at) : null;
  }

  return {
    node,
    show(told, at) {
      const put = (name, big, sub) => {
        setText(of.get(name).big, big);
        setText(of.get(name).sub, sub);
      };
      const now = rateOf(told.acknowledged, at);
      put("rate", rate(now), now ? `the newest took ${ms(told.newest_took_ms)}` : "of the last seconds");
      put("total", count(told.acknowledged), "by this instance since its start, each after its commit");
      put("waiting", count(told.waiting), "readings without an answer yet");
      put("strangers", count(told.strangers), "messages that named no tenant that there is");
    },
  };
}

const WORDS = { tenants: "Tenants", devices: "Devices", subscriptions: "Subscriptions", alerts: "Alerts not closed" };

function showTotals(list, totals) {
  const known = Object.entries(WORDS).map(([name, label]) => ({ name, label, states: Object.entries(totals[name] ?? {}) }));
  keyed(list, known, (one) => one.name, (one) => el("div", {}, el("dt", {}, one.label), el("dd")), (node, one) => {
    const told = one.states.map(([state, number]) => `${count(number)} ${state.toLowerCase()}`);
    setText(node.lastChild, told.join(", ") || "none");
  });
}

function showReasons(bars, none, reasons) {
  const all = Object.entries(reasons).sort(([, one], [, other]) => other - one);
  const most = Math.max(1, ...all.map(([, number]) => number));
  none.hidden = all.length > 0;
  bars.hidden = all.length === 0;
  const make = ([reason]) => el("div", {}, el("a", { href: link("quarantine", "", { reason }) }, reason), el("b"), el("i"));
  keyed(bars, all, ([reason]) => reason, make, (node, [, number]) => {
    setText(node.children[1], count(number));
    node.children[2].style.width = `${(100 * number) / most}%`;
  });
}

export const inflow = {
  title: () => "Ingest",
  mount(place) {
    const figures = makeFigures();
    const [bars, totals] = [el("div", { class: "bars" }), el("dl", { class: "details" })];
    const none = el("p", { class: "empty" }, "Not read yet.");
    const again = el("button", { type: "button", class: "small", id: "again", onclick: () => rest.again() }, "Read again");
    const panel = (id, title, note, ...children) => el("section", { class: "panel", "aria-labelledby": id },
      el("div", { class: "panel-head" }, el("h2", { id }, title), el("p", { class: "quiet note" }, note), id === "reasons-title" ? again : null), ...children);
    fill(place, figures.node,
      panel("reasons-title", "Not taken, by reason", "of the last 24 hours, of all tenants; each reading of it is on record", none, bars),
      panel("totals-title", "All tenants together", "", totals));
    const fresh = keepFresh({
      key: "operator/system/ingest",
      every: 2_000,
      isKnown: true,
      read: (signal) => ask("operator/system/ingest", { signal }),
      show: figures.show,
    });
    const rest = keepFresh({
      key: "operator/system/aggregates",
      every: null,
      read: (signal) => ask("operator/system/aggregates", { signal }),
      show(told) {
        setText(none, "Everything that came in the last 24 hours was taken.");
        showReasons(bars, none, told.not_taken_24h);
        showTotals(totals, told);
        setData(totals, "known", true);
      },
    });
    return { stop() { fresh.stop(); rest.stop(); } };
  },
};
