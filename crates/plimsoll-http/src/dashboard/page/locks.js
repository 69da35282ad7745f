// Who blocks whom, what sessions wait for, and what happened: three lists of the past and the present.

import { byId, el, fill, keyed, setData, setText } from "./dom.js";
import { clock, many, span } from "./format.js";

/** The episodes, the last first; those that go on are in the accent. */
export function showLocks(episodes) {
  const node = byId("locks");
  if (episodes.length === 0) {
    fill(node, el("p", { class: "empty" }, "No session has waited for a lock for longer than a tenth of a second."));
    return;
  }
  if (!node.querySelector(".scrollable")) fill(node, el("div", { class: "scrollable", tabindex: "0" }));
  keyed(node.firstChild, episodes, (episode) => episode.began, makePile, updatePile);
}

function makePile() {
  return el("div", { class: "pile" }, el("div", { class: "when" }), el("div"), el("div"));
}

function updatePile(node, episode) {
  node.className = episode.is_over ? "pile" : "pile open";
  const [when, waiting, blocking] = node.children;
  const lasted = span(episode.lasted_seconds);
  fill(when, el("div", {}, clock(Date.parse(episode.began))), el("div", {}, episode.is_over ? lasted : `${lasted}, now`));
  const lock = episode.object ?? episode.lock_type ?? "a lock";
  const names = episode.waiting.map((one) => `${one.most} × ${one.name || "a session without a name"}`);
  fill(waiting, el("div", { class: "work" }, `${many(episode.most_waiting, "session")} for ${lock}`),
    el("div", { class: "quiet" }, names.join(", ")));
  const blockers = episode.blockers.map((blocker) => {
    const name = blocker.work ?? (blocker.application_name || blocker.user || "a session without a name");
    const state = blocker.state ? `${blocker.state}${blocker.state_seconds ? ` for ${span(blocker.state_seconds)}` : ""}` : "";
    const who = [`pid ${blocker.pid}`, state, blocker.request_id && `request ${blocker.request_id}`, blocker.client].filter(Boolean);
    return [el("div", { class: "work" }, name), el("div", { class: "quiet" }, who.join(" · ")), el("code", {}, blocker.last_statement ?? "")];
  });
  fill(blocking, ...(blockers.length ? blockers.flat() : [el("div", {}, "each waits for another in a circle")]));
}

const HOT = new Set(["Lock", "LWLock"]);

/** What active sessions wait for, by number. */
export function showWaits(told, now) {
  const node = byId("waits");
  if (!told || told.events.length === 0) {
    fill(node, el("p", { class: "empty" }, told ? "No session is at work at this moment." : "The server was not asked yet."));
    setText(byId("waits-note"), "");
    return;
  }
  if (!node.querySelector(".bars")) fill(node, el("div", { class: "bars" }));
  const most = Math.max(...told.events.map((one) => one.sessions));
  const name = (one) => (one.event ? `${one.kind}: ${one.event}` : "nothing: at work");
  const make = () => el("div", {}, el("span"), el("b"), el("i"));
  keyed(node.firstChild, told.events, name, make, (row, one) => {
    setText(row.children[0], name(one));
    setText(row.children[1], one.sessions);
    row.children[2].style.width = `${(100 * one.sessions) / most}%`;
    setData(row, "hot", HOT.has(one.kind));
  });
  const age = (now - Date.parse(told.at)) / 1e3;
  setText(byId("waits-note"), age > 3 ? `as of ${span(age)} ago` : "of this database, by number");
}

const GLYPHS = { fault: "■", healed: "●", deploy: "▲", action: "◆", note: "·" };
const KINDS = { fault: "Fault", healed: "Over", deploy: "Deploy", action: "Action", note: "Note" };

/** What happened, the last first. */
export function showMarks(marks) {
  const node = byId("marks");
  if (marks.length === 0) {
    fill(node, el("p", { class: "empty" }, "Nothing yet."));
    return;
  }
  const rows = [...marks].reverse().slice(0, 50).map((mark) =>
    el("div", {}, el("span", { class: "glyph", "data-kind": mark.kind, role: "img", "aria-label": KINDS[mark.kind] }, GLYPHS[mark.kind] ?? "·"),
      el("time", { datetime: new Date(mark.at).toISOString() }, clock(mark.at)), el("p", {}, mark.text)));
  fill(node, el("div", { class: "list", tabindex: "0" }, ...rows));
}
