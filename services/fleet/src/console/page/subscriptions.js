// Subscriptions: their terms, and how many of their places are used.

import { el, fill, setData, setText } from "../plimsoll/dom.js";
import { count } from "../plimsoll/format.js";
import { table } from "../plimsoll/table.js";
import { keepPages } from "./pages.js";
import { ahead, time, when } from "./words.js";

/** A term that ends sooner is told. */
const SOON = 30 * 86_400_000;

function name(one, cell) {
  if (!cell.firstElementChild) cell.append(el("span", { class: "mono" }, one.subscription_id), el("span", { class: "quiet below" }));
  setText(cell.lastElementChild, one.description ?? "");
}

function places(one, cell) {
  const [used, limit] = [one.active_device_count, one.device_limit];
  if (!cell.firstElementChild) cell.append(el("span"), el("meter", { min: 0, "aria-hidden": "true" }));
  setText(cell.firstElementChild, `${count(used)} of ${count(limit)}${used >= limit ? ": full" : ""}`);
  setData(cell, "hot", used >= limit);
  const meter = cell.lastElementChild;
  [meter.max, meter.value] = [Math.max(1, limit), used];
}

function term(one, cell) {
  const end = one.status === "GRACE" && one.grace_end ? one.grace_end : one.term_end;
  const isSoon = Date.parse(end) - Date.now() < SOON;
  setData(cell, "hot", isSoon);
  const words = one.status === "GRACE" ? "grace until" : "until";
  fill(cell, end ? time(end, (text) => `${words} ${when(text)}, ${ahead(text)}`) : el("span", { class: "quiet" }, "without an end"));
}

const COLUMNS = [
  { label: "Subscription", wide: true, cell: name },
  { label: "Kind", cell: (one) => one.subscription_type.toLowerCase() },
  { label: "Status", cell: (one) => one.status.toLowerCase() },
  { label: "Places used", cell: places },
  { label: "Term", cell: term },
];

export const subscriptions = {
  title: () => "Subscriptions",
  mount(place) {
    const list = el("div");
    fill(place, el("section", { class: "panel", "aria-label": "Subscriptions" }, list));
    const rows = table(list, { caption: "Subscriptions", columns: COLUMNS, key: (one) => one.subscription_id, empty: "There is no subscription, so no device can be registered. An operator makes one." });
    const pages = keepPages({ path: "customer/subscriptions", rows: "subscriptions", keyOf: (one) => one.subscription_id, size: 100, every: 30_000, show: (found) => rows.show(found) });
    return { stop: pages.stop };
  },
};
