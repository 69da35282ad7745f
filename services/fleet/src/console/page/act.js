// What a person can do. What changes something waits for the database: while that is away its button stays where it is and can be
// reached, and says why it does nothing. What cannot be taken back asks first.

import { byId, el, fill, setData, setText } from "../plimsoll/dom.js";
import { canAsk, health } from "./pulse.js";

const WHY = {
  away: "This waits until the database is back.",
  starting: "This waits until the service has reached its database.",
  unreachable: "This waits until the service can be reached again.",
};

/** Says it to a screen reader. */
export function announce(text) {
  const live = byId("live");
  // The same sentence again is news too.
  live.textContent = "";
  live.textContent = text;
}

/** What was done is told for so long; what was not stays. */
const DONE = 20_000;
let fading = 0;

/** Says what came of something, where it is seen however far the page is scrolled: `kind` is `done` or `failed`. */
export function tell(kind, text) {
  const told = byId("told");
  setData(told, "kind", kind);
  told.hidden = false;
  setText(told, text);
  clearTimeout(fading);
  if (kind === "done") fading = setTimeout(silence, DONE);
}

/** Takes that away. */
export function silence() {
  byId("told").hidden = true;
}

/** A button that changes something. */
export function button(label, properties = {}, onclick) {
  const node = el("button", { type: "button", "data-needs": true, onclick, ...properties }, label);
  mark(node);
  return node;
}

function mark(node) {
  const why = canAsk() ? null : WHY[health().state];
  if (why) {
    node.setAttribute("aria-disabled", "true");
    node.title = why;
  } else if (node.hasAttribute("aria-disabled")) {
    node.removeAttribute("aria-disabled");
    node.removeAttribute("title");
  }
}

/** Holds back what changes something while the database is away. Called once. */
export function guard() {
  const hold = (event) => {
    if (canAsk()) return;
    const held = event.type === "submit" ? event.target.querySelector("[data-needs]") : event.target.closest?.("[data-needs]");
    if (!held) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    announce(WHY[health().state]);
    tell("failed", WHY[health().state]);
  };
  addEventListener("click", hold, true);
  addEventListener("submit", hold, true);
  document.addEventListener("console:health", () => {
    document.querySelectorAll("[data-needs]").forEach(mark);
  });
}

/** Does what a button is for, and says what came of it. Gives whether it was done. */
export async function press(node, work, done) {
  if (node.getAttribute("aria-busy") === "true") return false;
  node.setAttribute("aria-busy", "true");
  try {
    const answer = await work();
    tell("done", done(answer));
    return true;
  } catch (problem) {
    if (!("status" in problem)) throw problem;
    tell("failed", sentence(problem));
    return false;
  } finally {
    node.removeAttribute("aria-busy");
  }
}

/** Why something was not done, and what to do. */
export function sentence(problem) {
  return problem.isUnknown ? `${problem} It is not known whether it was done: look before you do it again.` : `Not done. ${problem}`;
}

/**
 * Asks in a dialog before something is done: `fields` are put into it, and `work()` does it when the person says so. Gives what `work` gave,
 * or null if it was left. What goes wrong is said in the dialog, so that it can be tried again.
 */
export function ask({ title, text, verb, fields = [], work }) {
  const [dialog, form, yes, no, outcome] = ["ask", "ask-form", "ask-yes", "ask-no", "ask-outcome"].map(byId);
  setText(byId("ask-title"), title);
  setText(byId("ask-text"), text);
  fill(byId("ask-fields"), ...fields);
  setText(outcome, "");
  setText(yes, verb);
  mark(yes);
  const before = document.activeElement;
  return new Promise((resolve) => {
    let given = null;
    form.onsubmit = async (event) => {
      event.preventDefault();
      if (yes.getAttribute("aria-busy") === "true") return;
      yes.setAttribute("aria-busy", "true");
      setText(outcome, "");
      try {
        given = await work();
        dialog.close();
      } catch (problem) {
        if (!("status" in problem)) throw problem;
        setText(outcome, sentence(problem));
      } finally {
        yes.removeAttribute("aria-busy");
      }
    };
    no.onclick = () => dialog.close();
    dialog.onclose = () => {
      before?.focus?.();
      resolve(given);
    };
    dialog.showModal();
    (fields.length ? byId("ask-fields").querySelector("input, select") : no)?.focus();
  });
}
