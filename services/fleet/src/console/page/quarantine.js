// The messages that were not taken, the newest first, with the reason and what was sent. Each look is on record.

import { el, fill, setText } from "../plimsoll/dom.js";
import { many } from "../plimsoll/format.js";
import { table } from "../plimsoll/table.js";
import { tell } from "./act.js";
import { keepPages } from "./pages.js";
import { keepQuery } from "./router.js";
import { ago, time } from "./words.js";

const COLUMNS = [
  { label: "When", cell: (one, cell) => { fill(cell, time(one.ingested_at, ago)); } },
  { label: "Reason", cell: (one) => one.reason },
  { label: "Tenant", cell: (one) => one.tenant_id },
  { label: "Device", cell: (one) => one.device_id ?? "–" },
  { label: "What was sent", wide: true, cell(one, cell) {
    if (!cell.firstElementChild) cell.append(el("pre", { class: "payload mono", tabindex: "0" }), el("span", { class: "quiet below" }));
    setText(cell.firstElementChild, one.payload);
    setText(cell.lastElementChild, one.is_cut ? `the beginning of ${one.payload_length} characters` : "");
  } },
];

/** The fields by which messages are looked for. */
function makeFilter(query, onChange) {
  const names = [["tenant", "Tenant"], ["reason", "Reason"], ["device", "Device"]];
  const inputs = new Map(names.map(([name]) => [name, el("input", { id: name, type: "text", autocomplete: "off", spellcheck: "false" })]));
  for (const [name, input] of inputs) input.value = query[name] ?? "";
  const said = () => Object.fromEntries([...inputs].map(([name, input]) => [name, input.value.trim()]));
  const node = el("form", { class: "filter", role: "search", "aria-label": "Messages that were not taken", onsubmit: (event) => {
    event.preventDefault();
    onChange(said());
  } }, ...names.map(([name, label]) => el("div", {}, el("label", { for: name }, label), inputs.get(name))),
  el("div", { class: "go" }, el("button", { type: "submit" }, "Read")));
  return { node, said };
}

export const quarantine = {
  title: () => "Quarantine",
  mount(place, { query }) {
    const [list, note] = [el("div"), el("p", { class: "quiet note" })];
    const more = el("button", { type: "button", hidden: true, onclick: () => pages.more().catch((problem) => tell("failed", String(problem))) }, "Load more");
    let pages = null;
    const filter = makeFilter(query, (said) => {
      keepQuery("quarantine", said);
      follow();
    });
    fill(place, filter.node, el("section", { class: "panel", "aria-label": "Messages that were not taken" }, list, el("div", { class: "panel-foot" }, more, note)));
    const rows = table(list, { caption: "Messages that were not taken", columns: COLUMNS, key: (one) => one.event_id, empty: "No message is kept that was not taken. What is refused is always counted; the message itself is kept only if STORE_REJECTS is on." });

    function follow() {
      pages?.stop();
      const { tenant, reason, device } = filter.said();
      pages = keepPages({
        path: "operator/quarantine", rows: "items", keyOf: (one) => one.event_id, every: null,
        query: { tenant_id: tenant, reason, device_id: device },
        show(found, hasMore) {
          rows.show(found);
          more.hidden = !hasMore;
          setText(note, found.length ? `${many(found.length, "message")} shown, the newest first${hasMore ? ", and there are more" : ""}` : "");
        },
        onFail(problem) {
          if (problem.isLate) return false;
          tell("failed", String(problem));
          return true;
        },
      });
    }

    follow();
    return { stop: () => pages.stop() };
  },
};
