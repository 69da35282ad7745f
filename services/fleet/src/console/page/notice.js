// The notice at the top: that the database is slow or away, since when, and what of the page is from when; and that it is back.

import { byId, setData, setText } from "../plimsoll/dom.js";
import { clock, span } from "../plimsoll/format.js";
import { announce } from "./act.js";
import { failure, isAllSince, shownFrom } from "./fresh.js";
import { health } from "./pulse.js";

/** How long it is said that the database is back. */
const BACK = 15_000;

const AWAY = {
  away: "The database is away.",
  starting: "The service is starting and has not reached its database yet.",
  unreachable: "The service cannot be reached.",
};

/** That something is over: when it was, and the sentence. */
let back = null;

function over(was) {
  const lasted = span(was.lasted / 1e3);
  if (was.state === "slow") return `The database is as fast as before, after ${lasted}.`;
  return was.state === "unreachable" ? `The service is back, after ${lasted}.` : `It is back, after ${lasted}.`;
}

function onHealth({ detail: { state, was } }) {
  const isOver = (state === "well" || state === "slow") && was.state !== "unknown" && was.state !== "well";
  // One that comes back slowly is back all the same; one that was only slow is not over while it is away.
  back = isOver && !(state === "slow" && was.state === "well") ? { at: Date.now(), title: over(was) } : null;
  draw();
  if (back) announce(back.title);
  else if (state !== "well") announce(byId("notice-title").textContent);
}

function say(kind, title, text) {
  const notice = byId("notice");
  notice.hidden = kind === null;
  if (kind === null) return;
  setData(notice, "kind", kind);
  setText(byId("notice-title"), title);
  setText(byId("notice-text"), text);
  byId("notice-close").hidden = kind !== "back";
}

/** From when what is shown is. */
function shown() {
  const from = shownFrom();
  return from === null ? "Nothing was known before." : `What you see is of ${clock(from)}.`;
}

function draw() {
  const { state, since } = health();
  const lasted = `since ${clock(since)}, for ${span(Math.max(0, Math.floor((Date.now() - since) / 1e3)))}`.replace(".0 s", " s");
  if (AWAY[state]) {
    say("away", AWAY[state], `It has been so ${lasted}. ${shown()} Nothing can be changed until it is back; this page notices that by itself.`);
  } else if (back && Date.now() - back.at < BACK) {
    const isRead = isAllSince(back.at);
    say("back", back.title, isRead ? `Everything you see was read anew at ${clock(shownFrom() ?? Date.now())}.` : "What you see is being read anew.");
  } else if (state === "slow") {
    say("slow", "The database is slow.", `It has been so ${lasted}. What you ask for is done, and takes longer.`);
  } else if (failure()?.isLate) {
    say("slow", "An answer did not come in time.", `${failure()} ${shown()} It is asked again.`);
  } else {
    say(null);
  }
}

/** Begins to show it. */
export function follow() {
  document.addEventListener("console:health", onHealth);
  byId("notice-close").addEventListener("click", () => {
    back = null;
    draw();
    byId("content").focus();
  });
  setInterval(draw, 500);
}
