// What both consoles have around their views: who is let in, how fresh the page is, and the notice.

import { byId, setData, setText } from "../plimsoll/dom.js";
import { clock } from "../plimsoll/format.js";
import * as token from "../plimsoll/token.js";
import { announce, guard } from "./act.js";
import { ask } from "./api.js";
import { failure, forgetAll, shownFrom } from "./fresh.js";
import { follow } from "./notice.js";
import { canAsk, watch } from "./pulse.js";
import { route } from "./router.js";

let leaveViews = null;

/**
 * Begins: `views` are shown to who is let in; `first` is a path that only who may come in is answered, and `entered(answer)` is told what.
 * `open` may offer a way in without a token that is typed.
 */
export function begin({ service, views, first, entered, open }) {
  watch();
  guard();
  follow();
  setInterval(freshness, 500);

  function enter() {
    byId("token").hidden = true;
    byId("content").hidden = false;
    byId("nav").hidden = false;
    byId("leave").hidden = token.known() === null;
    leaveViews ??= route(views, service);
  }

  function turnAway(why) {
    leaveViews?.();
    leaveViews = null;
    forgetAll();
    token.forget();
    byId("nav").hidden = true;
    byId("leave").hidden = true;
    if (byId("ask").open) byId("ask").close();
    document.title = service;
    token.ask(why, come);
    open?.(come);
  }

  /** Shows the views; whether the token is one is seen by the first answer, which may take until the database is back. */
  async function come() {
    try {
      entered?.(await ask(first));
    } catch (problem) {
      if (problem.status === 401) return;
      if (problem.status === 403) {
        turnAway(String(problem));
        return;
      }
      if (!("status" in problem)) throw problem;
    }
    enter();
  }

  document.addEventListener("console:refused", ({ detail }) => {
    turnAway(token.known() ? `${detail.message} ${detail.advice}`.trim() : "");
  });
  byId("leave").addEventListener("click", () => {
    turnAway("");
    announce("You have signed out.");
  });
  return { come, turnAway };
}

/** Says from when what is shown is. */
function freshness() {
  const from = shownFrom();
  const isOld = from !== null && !canAsk();
  const state = from === null ? "connecting" : isOld ? "stale" : "live";
  setData(byId("fresh"), "state", state);
  setData(document.body, "known", isOld ? "old" : "new");
  const none = byId("content").hidden ? "not signed in" : failure() ? "no answer" : canAsk() ? "reading" : "nothing known";
  setText(byId("fresh-text"), from === null ? none : `as of ${clock(from)}`);
}
