// The operator's token: asked for where it is needed, kept until the tab is closed, and sent in a header only.

import { byId, setText } from "./dom.js";

const KEY = "plimsoll.token";

export function known() {
  try { return sessionStorage.getItem(KEY); } catch { return null; }
}

function keep(token) {
  try { sessionStorage.setItem(KEY, token); } catch { /* then it is asked for again after a reload */ }
}

export function forget() {
  try { sessionStorage.removeItem(KEY); } catch { /* nothing was kept */ }
}

/** Asks for a token, and says why: `onToken` gets it. */
export function ask(why, onToken) {
  const [section, form, field] = [byId("token"), byId("token-form"), byId("token-field")];
  byId("content").hidden = true;
  section.hidden = false;
  setText(byId("token-error"), why ?? "");
  field.value = "";
  field.focus();
  form.onsubmit = (event) => {
    event.preventDefault();
    const token = field.value.trim();
    field.value = "";
    keep(token);
    section.hidden = true;
    onToken(token);
  };
}
