// What is looked at first: how many devices are heard of, what is wrong, and who is on call.

import { byId, el, fill, keyed, setData, setText } from "../plimsoll/dom.js";
import { count } from "../plimsoll/format.js";
import { ask } from "./api.js";
import { keepFresh } from "./fresh.js";
import { link } from "./router.js";
import { ago, ahead, firstReading, severityOf, time, when } from "./words.js";

const SEVERITIES = ["critical", "high", "medium", "low", "info"];
const DEVICES = [["ONLINE", "Online"], ["STALE", "Stale"], ["OFFLINE", "Offline"]];

function figure(label, address) {
  const number = el("a", { href: address, "aria-label": label }, "–");
  const sub = el("dd", { class: "sub" });
  return { number, sub, node: el("div", {}, el("dt", {}, label), el("dd", { class: "big" }, number), sub) };
}

function makeFigures() {
  const states = DEVICES.map(([state, label]) => [state, figure(label, link("devices", "", { state }))]);
  const open = figure("Open alerts", link("alerts"));
  const node = el("dl", { class: "figures four" }, ...states.map(([, one]) => one.node), open.node);
  return { states: new Map(states), open, node };
}

function put(one, number, sub, isHot = false) {
  setText(one.number, count(number));
  one.number.setAttribute("aria-label", `${one.node.firstChild.textContent}: ${count(number)}`);
  setText(one.sub, sub);
  setData(one.node, "hot", isHot);
}

function showDevices(figures, empty, summary) {
  const of = (state) => `${summary.total ? Math.round((100 * summary[state]) / summary.total) : 0} % of ${count(summary.total)}`;
  for (const [state, one] of figures.states) put(one, summary[state], of(state));
  const isEmpty = summary.total === 0;
  if (empty.hidden !== !isEmpty) {
    empty.hidden = !isEmpty;
    fill(empty, isEmpty ? firstReading(byId("tenant").textContent) : null);
  }
}

/** The worst alerts that are open, each with the device that it is about. */
function showWorst(list, worst) {
  const make = (alert) => el("li", {}, severityOf(alert.severity_name), el("a", { href: link("alerts") }), el("span", { class: "quiet" }));
  keyed(list, worst, (alert) => `${alert.alert_id} ${alert.severity_name}`, make, (node, alert) => {
    setText(node.children[1], alert.device_id ? `${alert.device_id}: ${alert.summary}` : alert.summary);
    setText(node.children[2], ago(alert.created_at));
  });
}

function showAlerts(figures, list, none, { open, acknowledged }) {
  const all = SEVERITIES.map((name) => ({ name, number: open[name] ?? 0 }));
  const total = all.reduce((sum, one) => sum + one.number, 0);
  put(figures.open, total, `${count(acknowledged)} acknowledged and not closed`, total > 0);
  none.hidden = total > 0;
  list.hidden = total === 0;
  const make = ({ name }) => el("li", {}, el("a", { href: link("alerts") }, severityOf(name)), el("b"));
  keyed(list, all.filter((one) => one.number > 0), (one) => one.name, make, (node, one) => setText(node.lastChild, count(one.number)));
}

function showOnCall(list, none, board) {
  none.hidden = board.length > 0;
  list.hidden = board.length === 0;
  const make = () => el("li", {}, el("b"), el("span", { class: "quiet" }), el("span", { class: "quiet until" }));
  keyed(list, board, (one) => one.schedule_id, make, (node, one) => {
    const [who, where, until] = node.children;
    setText(who, one.responder ?? "no one");
    setData(node, "none", one.responder === null);
    setText(where, one.name);
    fill(until, one.until ? time(one.until, (text) => `until ${when(text)}, ${ahead(text)}`) : null);
  });
}

function panel(id, title, ...children) {
  return el("section", { class: "panel", "aria-labelledby": id }, el("div", { class: "panel-head" }, el("h2", { id }, title)), ...children);
}

export const overview = {
  title: () => "Overview",
  mount(place) {
    const figures = makeFigures();
    const empty = el("section", { class: "panel", "aria-label": "The first reading", hidden: true });
    const [worst, list] = [el("ul", { class: "worst" }), el("ul", { class: "counts", hidden: true })];
    const none = el("p", { class: "empty", hidden: true }, "No alert is open. What a rule or a silent device opens is shown here.");
    const board = el("ul", { class: "board", hidden: true });
    const nobody = el("p", { class: "empty", hidden: true }, "There is no schedule yet. Make one with POST /customer/oncall/schedules, so that alerts find someone.");
    fill(place, figures.node, empty, el("div", { class: "halves" },
      panel("alerts-title", "What is wrong", none, list, worst),
      panel("oncall-title", "On call now", nobody, board)));
    const devices = keepFresh({
      key: "customer/devices/summary",
      read: (signal) => ask("customer/devices/summary", { signal }),
      show: (summary) => showDevices(figures, empty, summary),
    });
    const rest = keepFresh({
      key: "customer/overview",
      read: (signal) => ask("customer/overview", { signal }),
      show(answer) {
        setText(byId("tenant"), answer.tenant);
        showAlerts(figures, list, none, answer.alerts);
        showWorst(worst, answer.alerts.worst);
        showOnCall(board, nobody, answer.oncall);
      },
    });
    return { stop() { devices.stop(); rest.stop(); } };
  },
};
