// How the service is: each of its parts, and what its pools hold.

import { el, fill, keyed, setData, setText } from "../plimsoll/dom.js";
import { count } from "../plimsoll/format.js";
import { table } from "../plimsoll/table.js";
import { ask } from "./api.js";
import { keepFresh } from "./fresh.js";

const POOLS = [
  { label: "Pool", wide: true, cell: (one) => one.name },
  { label: "Lent", num: true, cell: (one) => count(one.checked_out) },
  { label: "Idle", num: true, cell: (one) => count(one.checked_in) },
  { label: "At most", num: true, cell: (one) => count(one.max) },
  { label: "Waiting", num: true, cell(one, cell) {
    setData(cell, "hot", one.waiting > 0);
    return count(one.waiting);
  } },
];

/** A part that is down is an answer too, and has the same body. */
async function read(signal) {
  try {
    return await ask("operator/system/health", { signal });
  } catch (problem) {
    if (problem.told?.components) return problem.told;
    throw problem;
  }
}

function details(part) {
  const told = [part.error, ...(part.reasons ?? [])].filter(Boolean);
  const numbers = Object.entries(part).filter(([name, value]) => typeof value === "number" && name !== "latency_ms" && (value > 0 || name === "waiting"));
  if (part.latency_ms !== null && part.latency_ms !== undefined) told.push(`answers in ${part.latency_ms} ms`);
  told.push(...numbers.map(([name, value]) => `${name.replaceAll("_", " ")} ${count(value)}`));
  return told.join("; ");
}

function showParts(list, components) {
  const all = Object.entries(components).map(([name, part]) => ({ name, part }));
  keyed(list, all, (one) => one.name, (one) => el("div", {}, el("dt", {}, el("b", {}, one.name), " ", el("span")), el("dd")), (node, { part }) => {
    setText(node.firstChild.lastChild, part.status);
    setData(node, "hot", part.status === "down");
    node.firstChild.lastChild.className = part.status === "healthy" ? "quiet" : "hot";
    setText(node.lastChild, details(part));
  });
}

export const health = {
  title: () => "Health",
  mount(place) {
    const [parts, pools, word] = [el("dl", { class: "parts" }), el("div"), el("p", { class: "quiet note" })];
    fill(place,
      el("section", { class: "panel", "aria-labelledby": "parts-title" }, el("div", { class: "panel-head" }, el("h2", { id: "parts-title" }, "Parts"), word), parts),
      el("section", { class: "panel", "aria-labelledby": "pools-title" },
        el("div", { class: "panel-head" }, el("h2", { id: "pools-title" }, "Pools"), el("p", { class: "quiet note" }, "connections of this instance; the dashboard has more")), pools));
    const rows = table(pools, { caption: "Pools", columns: POOLS, key: (one) => one.name, empty: "No pool is open yet." });
    const fresh = keepFresh({
      key: "operator/system/health",
      isKnown: true,
      read,
      show(told) {
        setText(word, `all in all ${told.status}`);
        showParts(parts, told.components);
        rows.show(Object.entries(told.pools).map(([name, pool]) => ({ name, ...pool })));
      },
    });
    return { stop: fresh.stop };
  },
};
