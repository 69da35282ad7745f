// What an operator can do. Each action asks first, in a dialog of the page's own that says what will happen.

import { byId, setText } from "./dom.js";

const TOLD = {
  pause: ["Pause this database?", "No connection is lent until it is resumed. Callers wait within their limits; what is lent already goes on.", "Pause"],
  isolate: ["Isolate this database?", "Every call is refused at once, as if the server were away, until it is resumed. What is lent already goes on.", "Isolate"],
  resume: ["Resume this database?", "Calls go through again, first those that wait.", "Resume"],
  cancel: ["Cancel this statement?", "It is stopped on the server and its caller gets an error. If it has ended by then, nothing is cancelled.", "Cancel the statement"],
};

/** Asks, and then does it. `what` is told below the question, as it is. */
export function ask(action, database, token, running, what) {
  const [title, text, verb] = TOLD[action];
  const [dialog, yes, no, outcome] = [byId("ask"), byId("ask-yes"), byId("ask-no"), byId("ask-outcome")];
  setText(byId("ask-title"), title);
  setText(byId("ask-text"), text);
  setText(byId("ask-detail"), what ?? "");
  setText(outcome, "");
  setText(yes, verb);
  setText(no, "Leave it");
  yes.hidden = false;
  yes.disabled = false;
  yes.onclick = async () => {
    yes.disabled = true;
    setText(outcome, await act(action, database, token, running));
    yes.hidden = true;
    setText(no, "Close");
    no.focus();
  };
  no.onclick = () => dialog.close();
  dialog.showModal();
  no.focus();
}

/** Sends the request; gives what came of it, in a sentence. */
async function act(action, database, token, running) {
  const headers = { "Content-Type": "application/json", "X-Plimsoll-Action": action };
  if (token) headers.Authorization = `Bearer ${token}`;
  const body = JSON.stringify(running ? { database, running } : { database });
  try {
    const answer = await fetch(`actions/${action}`, { method: "POST", headers, body, credentials: "omit" });
    const told = await answer.json();
    return answer.ok ? `Done: ${told.outcome}.` : `Refused: ${told.title} ${told.advice ?? ""}`;
  } catch {
    return "The service gave no answer, so it is not known whether it was done. Look at the page.";
  }
}
