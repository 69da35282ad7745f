// The token: asked for where it is needed, kept until the tab is closed, and sent in a header only. On these pages it is an
// operator's; a page of another service that asks for another one says under which name that is kept.

import { byId, setText } from "./dom.js";

const KEY = document.body.dataset.tokenKey ?? "plimsoll.token";

export function known() {
  try { return sessionStorage.getItem(KEY); } catch { return null; }
}

/** Keeps it, in this tab. */
export function keep(token) {
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
