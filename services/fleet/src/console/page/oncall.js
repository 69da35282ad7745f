// Who is on call, now and next, and who is told of an alert, and who next.

import { el, fill, setText } from "../plimsoll/dom.js";
import { many } from "../plimsoll/format.js";
import { table } from "../plimsoll/table.js";
import { ask } from "./api.js";
import { keepFresh } from "./fresh.js";
import { keepPages } from "./pages.js";
import { ahead, time, when } from "./words.js";

/** So many turns are told. */
const TURNS = 8;

function turnsOf(turns) {
  const list = el("ol", { class: "turns" });
  fill(list, ...turns.slice(0, TURNS).map((turn) => el("li", {}, el("b", {}, turn.responder), " ",
    el("span", { class: "quiet" }, `from ${when(turn.from)} to ${turn.until ? when(turn.until) : "the end"}${turn.override_id ? ", standing in" : ""}`))));
  return turns.length ? list : el("p", { class: "quiet" }, "No one is, in the next 14 days.");
}

/** The next turns of a schedule, asked for when they are looked at. */
function nextTurns(schedule) {
  const place = el("div");
  const node = el("details", { ontoggle: async () => {
    if (!node.open) return;
    try {
      const { turns } = await ask(`customer/oncall/schedules/${schedule}/timeline?days=14`);
      fill(place, turnsOf(turns));
    } catch (problem) {
      fill(place, el("p", { class: "error" }, String(problem)));
    }
  } }, el("summary", {}, "Next turns"), place);
  return node;
}

const BOARD = [
  { label: "Schedule", wide: true, cell(one, cell) {
    if (!cell.firstElementChild) cell.append(el("span"), el("span", { class: "quiet below" }), nextTurns(one.schedule_id));
    setText(cell.children[0], one.name);
    setText(cell.children[1], one.timezone);
  } },
  { label: "On call now", cell: (one, cell) => { fill(cell, one.responder ? el("b", {}, one.responder) : el("b", { class: "hot" }, "no one")); } },
  { label: "Until", cell: (one, cell) => { fill(cell, one.until ? time(one.until, (text) => `${when(text)}, ${ahead(text)}`) : el("span", { class: "quiet" }, "–")); } },
];

function told(level, names) {
  const who = [level.notify_email, level.notify_webhook, level.oncall_schedule_id && `the person on call by ${names.get(level.oncall_schedule_id) ?? `schedule ${level.oncall_schedule_id}`}`];
  return who.filter(Boolean).join(", ") || "no one";
}

/** The levels of a policy as sentences. */
function levelsOf(policy, names) {
  const levels = policy.levels.map((level) => el("li", {}, `tells ${told(level, names)}, and waits ${many(level.delay_minutes, "minute")} for an answer`));
  return levels.length ? el("ol", { class: "turns" }, ...levels) : el("p", { class: "quiet" }, "It has no levels, so no one is told.");
}

function policyColumns(names) {
  return [{ label: "Policy", wide: true, cell(policy, cell) {
    fill(cell, el("b", {}, policy.name), " ", policy.is_default ? el("span", { class: "tag" }, "default") : null, el("span", { class: "quiet below" }, policy.description ?? ""), levelsOf(policy, names));
  } }];
}

function panel(id, title, note, ...children) {
  return el("section", { class: "panel", "aria-labelledby": id },
    el("div", { class: "panel-head" }, el("h2", { id }, title), el("p", { class: "quiet note" }, note)), ...children);
}

export const oncall = {
  title: () => "On call",
  mount(place) {
    const [board, policies] = [el("div"), el("div")];
    const names = new Map();
    fill(place, panel("board-title", "Schedules", "times are those of this browser", board),
      panel("policies-title", "Escalation", "an alert without a policy of its own follows the default", policies));
    const schedules = table(board, { caption: "Schedules", columns: BOARD, key: (one) => one.schedule_id, empty: "There is no schedule yet. Make one with POST /customer/oncall/schedules, so that alerts find someone." });
    const rows = table(policies, { caption: "Escalation policies", columns: policyColumns(names), key: (one) => one.policy_id, empty: "There is no policy yet, so alerts are shown here and no one is told. Make one with POST /customer/escalation-policies." });
    const one = keepFresh({
      key: "customer/overview",
      every: 15_000,
      read: (signal) => ask("customer/overview", { signal }),
      show(answer) {
        for (const schedule of answer.oncall) names.set(schedule.schedule_id, schedule.name);
        schedules.show(answer.oncall);
      },
    });
    const other = keepPages({ path: "customer/escalation-policies", rows: "policies", keyOf: (policy) => policy.policy_id, every: 30_000, show: (found) => rows.show(found) });
    return { stop() { one.stop(); other.stop(); } };
  },
};
