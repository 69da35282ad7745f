// What is wrong, and what is done about it: an alert is acknowledged, silenced for a time, or closed.

import { choice, el, fill, setData, setText } from "../plimsoll/dom.js";
import { many } from "../plimsoll/format.js";
import { table } from "../plimsoll/table.js";
import { ask as dialog, button, press, tell } from "./act.js";
import { ask } from "./api.js";
import { keepPages } from "./pages.js";
import { keepQuery, link } from "./router.js";
import { ago, severityOf, time, when } from "./words.js";

const STATES = { OPEN: "open", ACKNOWLEDGED: "acknowledged", CLOSED: "closed" };
const NONE = {
  OPEN: "No alert is open. What a rule or a silent device opens is shown here at once.",
  ACKNOWLEDGED: "No alert is acknowledged and waits to be closed.",
  CLOSED: "No alert was closed yet.",
};
const MINUTES = [[15, "15 minutes"], [60, "1 hour"], [240, "4 hours"], [1_440, "1 day"], [10_080, "7 days"]];

function about(alert, cell) {
  if (!cell.firstElementChild) cell.append(el("span", { class: "summary" }), el("span", { class: "quiet below" }));
  setText(cell.firstElementChild, alert.summary);
  const words = [alert.alert_type.toLowerCase().replaceAll("_", " "), alert.trigger_count > 1 ? `came ${alert.trigger_count} times` : ""];
  setText(cell.lastElementChild, words.filter(Boolean).join(", "));
}

function where(alert, cell) {
  fill(cell, alert.device_id ? el("a", { href: link("devices", alert.device_id) }, alert.device_id) : el("span", {}, alert.site_id ?? "–"));
}

/** What happens to it next, or what was done about it. */
function next(alert) {
  if (alert.status === "CLOSED") return `closed ${ago(alert.closed_at)}`;
  const told = [];
  if (alert.silenced_until && Date.parse(alert.silenced_until) > Date.now()) told.push(`silent until ${when(alert.silenced_until)}`);
  if (alert.acknowledged_by) told.push(`${alert.acknowledged_by} has it`);
  else if (alert.next_escalation_at) told.push(`level ${alert.escalation_level + 1} is told at ${when(alert.next_escalation_at)}`);
  else if (alert.escalation_level > 0) told.push(`level ${alert.escalation_level} was told`);
  return told.join("; ") || "no one is told";
}

function silencing(alert) {
  const minutes = el("select", { id: "minutes" }, ...MINUTES.map(([value, label]) => el("option", { value }, label)));
  minutes.value = "60";
  return dialog({
    title: "Silence this alert?",
    text: `${alert.summary}: no one is told of it for this time. It stays open.`,
    verb: "Silence",
    fields: [el("label", { for: "minutes" }, "For"), minutes],
    work: () => ask(`customer/alerts/${alert.alert_id}/silence`, { method: "PATCH", body: { minutes: Number(minutes.value) } }),
  });
}

function closing(alert) {
  return dialog({
    title: "Close this alert?",
    text: `${alert.summary}: it is over, and cannot be opened again. If its cause comes again, that is a new alert.`,
    verb: "Close it",
    work: () => ask(`customer/alerts/${alert.alert_id}/close`, { method: "PATCH" }),
  });
}

/** The buttons of an alert. `changed(alert)` is told what became of it. */
function acts(alert, changed) {
  const named = (label) => ({ class: "small", "aria-label": `${label} alert ${alert.alert_id}: ${alert.summary}` });
  const acknowledge = button("Acknowledge", { ...named("Acknowledge"), "data-act": "acknowledge" }, async () => {
    let after = null;
    const done = await press(acknowledge, async () => { after = await ask(`customer/alerts/${alert.alert_id}/acknowledge`, { method: "PATCH" }); },
      () => `Alert ${alert.alert_id} is acknowledged: it is escalated no further.`);
    if (done) changed(after);
  });
  const asked = (label, name, question, told) => button(label, { ...named(label), "data-act": name }, async () => {
    const after = await question(alert);
    if (!after) return;
    tell("done", told(after));
    changed(after);
  });
  return [
    alert.status === "OPEN" ? acknowledge : null,
    asked("Silence", "silence", silencing, (after) => `Alert ${alert.alert_id} is silent until ${when(after.silenced_until)}.`),
    asked("Close", "close", closing, () => `Alert ${alert.alert_id} is closed.`),
  ];
}

function columns(changed) {
  return [
    { label: "Severity", cell: (alert, cell) => { fill(cell, severityOf(alert.severity_name)); } },
    { label: "What", wide: true, cell: about },
    { label: "Where", cell: where },
    { label: "Since", cell: (alert, cell) => { fill(cell, time(alert.created_at, ago)); } },
    { label: "Next", cell: next },
    { label: "Actions", cell(alert, cell) {
      setData(cell, "acts", true);
      // A button that has the focus stays the same one for as long as it does the same.
      if (cell.dataset.of === alert.status) return;
      setData(cell, "of", alert.status);
      fill(cell, ...(alert.status === "CLOSED" ? [] : acts(alert, changed)));
    } },
  ];
}

export const alerts = {
  title: () => "Alerts",
  mount(place, { query }) {
    const buttons = el("span", { class: "choice", role: "group", "aria-label": "State" });
    const [list, empty, note] = [el("div"), el("p"), el("p", { class: "quiet note" })];
    const more = el("button", { type: "button", hidden: true, onclick: () => pages.more().catch((problem) => tell("failed", String(problem))) }, "Load more");
    fill(place, el("div", { class: "filter" }, buttons),
      el("section", { class: "panel", "aria-label": "Alerts" }, list, el("div", { class: "panel-foot" }, more, note)));
    let chosen = STATES[query.state] ? query.state : "OPEN";
    let pages = null;
    const rows = table(list, { caption: "Alerts", columns: columns(changed), key: (alert) => alert.alert_id, empty, rowClass: (alert) => (alert.severity >= 4 && alert.status === "OPEN" ? "bad" : "") });

    /** An alert that is in this list no more leaves it, and the focus goes on to the one behind it. */
    function changed(alert) {
      const row = list.querySelector(`tr[data-key="${alert.alert_id}"]`);
      const other = row?.nextElementSibling ?? row?.previousElementSibling;
      const stays = alert.status === chosen;
      pages.change(alert.alert_id, stays ? alert : null);
      if (!stays) (other?.querySelector("[data-act]") ?? buttons.querySelector("button[aria-pressed=true]")).focus();
      pages.again();
    }

    function show(found, hasMore) {
      rows.show(found);
      more.hidden = !hasMore;
      setText(note, found.length === 0 ? "" : `${many(found.length, "alert")} shown, the newest first${hasMore ? ", and there are more" : ""}`);
    }

    function follow() {
      pages?.stop();
      setText(empty, NONE[chosen]);
      pages = keepPages({ path: "customer/alerts", query: { status: chosen }, rows: "alerts", keyOf: (alert) => alert.alert_id, show });
    }

    choice(buttons, Object.entries(STATES), chosen, (state) => {
      chosen = state;
      keepQuery("alerts", { state: state === "OPEN" ? "" : state });
      follow();
    });
    follow();
    return { stop: () => pages.stop() };
  },
};
