// Which view is shown: by what stands behind `#` in the address, which never leaves the browser. So the way back works, and a
// filter can be kept as a bookmark.

import { byId, el } from "../plimsoll/dom.js";
import { silence } from "./act.js";

let shown = null;

/** `#/devices/d1?tag=roof` as its parts. */
export function parse(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split("?");
  const [name = "", ...rest] = path.split("/");
  let id = rest.join("/");
  try { id = decodeURIComponent(id); } catch { /* then it names nothing that there is */ }
  return { name, id, query: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

/** The address of a view. */
export function link(name, id = "", query = {}) {
  const said = Object.entries(query).filter(([, value]) => value);
  const path = id ? `#/${name}/${encodeURIComponent(id)}` : `#/${name}`;
  return said.length ? `${path}?${new URLSearchParams(said)}` : path;
}

/** Changes the address to that of the same view with another query. */
export function keepQuery(name, query) {
  history.replaceState(null, "", link(name, "", query));
}

function show(views, service, isFirst) {
  const asked = parse(location.hash);
  const view = views[asked.id ? `${asked.name}/` : asked.name] ?? views[""];
  shown?.stop();
  silence();
  const place = byId("view");
  const title = el("h1", { tabindex: "-1" }, view.title(asked));
  const body = el("div");
  place.replaceChildren(title, body);
  document.title = `${view.title(asked)} · ${service}`;
  for (const tab of byId("nav").querySelectorAll("a:not(.out)")) {
    if (parse(tab.hash).name === asked.name) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  shown = view.mount(body, asked);
  if (isFirst) return;
  // The next key and the next word are those of the new view.
  title.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/**
 * Shows the view that the address names, and follows it. `views` has by name what has a `title(asked)` and a `mount(place, asked)`, which
 * gives what is stopped when it is left.
 */
export function route(views, service) {
  const follow = () => {
    // The link that skips to the content names no view.
    if (location.hash === "" || location.hash.startsWith("#/")) show(views, service, false);
  };
  addEventListener("hashchange", follow);
  show(views, service, true);
  return () => {
    removeEventListener("hashchange", follow);
    shown?.stop();
    shown = null;
    byId("view").replaceChildren();
  };
}
