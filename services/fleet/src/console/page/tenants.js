// The tenants, with what each of them has. Each look is on record, so it is read when it is opened and when it is asked for.

import { el, fill, setData, setText } from "../plimsoll/dom.js";
import { count, many } from "../plimsoll/format.js";
import { table } from "../plimsoll/table.js";
import { tell } from "./act.js";
import { keepPages } from "./pages.js";
import { link } from "./router.js";
import { time, when } from "./words.js";

const of = (one, name) => one.stats?.[name];

const COLUMNS = [
  { label: "Tenant", wide: true, cell(one, cell) {
    if (!cell.firstElementChild) cell.append(el("span", { class: "name" }, one.tenant_id), el("span", { class: "quiet below" }));
    setText(cell.lastElementChild, one.name);
  } },
  { label: "Status", cell: (one) => one.status.toLowerCase() },
  { label: "Devices", num: true, cell: (one) => count(of(one, "devices")) },
  { label: "Places", num: true, cell(one, cell) {
    setData(cell, "hot", of(one, "devices") > 0 && of(one, "devices_active") >= of(one, "device_limit"));
    return count(of(one, "device_limit"));
  } },
  { label: "Alerts not closed", num: true, cell: (one) => count(of(one, "alerts_open")) },
  { label: "Not taken in 24 h", num: true, cell(one, cell) {
    const number = of(one, "not_taken_24h");
    fill(cell, number > 0 ? el("a", { href: link("quarantine", "", { tenant: one.tenant_id }) }, count(number)) : count(number));
  } },
  { label: "Since", cell: (one, cell) => { fill(cell, time(one.created_at, when)); } },
];

export const tenants = {
  title: () => "Tenants",
  mount(place) {
    const [list, note] = [el("div"), el("p", { class: "quiet note" })];
    const more = el("button", { type: "button", hidden: true, onclick: () => pages.more().catch((problem) => tell("failed", String(problem))) }, "Load more");
    const again = el("button", { type: "button", class: "small", onclick: () => pages.again() }, "Read again");
    fill(place, el("section", { class: "panel", "aria-label": "Tenants" },
      el("div", { class: "panel-head" }, el("p", { class: "quiet note" }, "each reading of it is on record"), again),
      list, el("div", { class: "panel-foot" }, more, note)));
    const rows = table(list, { caption: "Tenants", columns: COLUMNS, key: (one) => one.tenant_id, empty: "There is no tenant yet. Make one with POST /operator/tenants." });
    const pages = keepPages({
      path: "operator/tenants", rows: "items", keyOf: (one) => one.tenant_id, every: null,
      show(found, hasMore) {
        rows.show(found);
        more.hidden = !hasMore;
        setText(note, found.length ? `${many(found.length, "tenant")} shown${hasMore ? ", and there are more" : ""}` : "");
      },
    });
    return { stop: pages.stop };
  },
};
