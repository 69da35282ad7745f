// The devices: found by their state, site, tag or a part of their name, and read page by page.

import { byId, el, fill, setText } from "../plimsoll/dom.js";
import { many } from "../plimsoll/format.js";
import { table } from "../plimsoll/table.js";
import { ask, withQuery } from "./api.js";
import { keepPages } from "./pages.js";
import { keepQuery, link } from "./router.js";
import { ago, brief, firstReading, stateOf, time } from "./words.js";

/** What is typed is asked for after it has rested for so long. */
const REST = 300;
const STATES = [["", "any"], ["ONLINE", "online"], ["STALE", "stale"], ["OFFLINE", "offline"]];

function nameOf(device, cell) {
  let name = cell.firstElementChild;
  if (!name) {
    name = el("a", { class: "name", href: link("devices", device.device_id) }, device.device_id);
    cell.append(name, el("span", { class: "quiet below" }));
  }
  setText(cell.lastElementChild, device.name ?? "");
}

function tagsOf(device, cell) {
  const tags = device.tags ?? [];
  const text = tags.join("\n");
  if (cell.dataset.tags === text) return;
  cell.dataset.tags = text;
  fill(cell, ...tags.map((tag) => el("span", { class: "tag" }, tag)));
}

function timeOf(cell, text) {
  fill(cell, time(text, ago));
}

const COLUMNS = [
  { label: "Device", wide: true, cell: nameOf },
  { label: "State", cell: (device, cell) => { fill(cell, stateOf(device.state)); } },
  { label: "Last seen", cell: (device, cell) => timeOf(cell, device.last_seen_at) },
  { label: "Last reading", cell: (device) => brief(device.last_reading?.metrics) },
  { label: "Site", cell: (device) => device.site_id },
  { label: "Tags", cell: tagsOf },
];

function field(id, label, input) {
  return el("div", {}, el("label", { for: id }, label), input);
}

/** The fields by which devices are looked for. `onChange(query)` is told of each change. */
function makeFilter(query, onChange) {
  const search = el("input", { id: "search", type: "search", autocomplete: "off", spellcheck: "false", placeholder: "part of an id or a name" });
  const state = el("select", { id: "state" }, ...STATES.map(([value, label]) => el("option", { value }, label)));
  const site = el("input", { id: "site", type: "text", autocomplete: "off", spellcheck: "false", list: "sites" });
  const tag = el("input", { id: "tag", type: "text", autocomplete: "off", spellcheck: "false", list: "tags" });
  [search.value, state.value, site.value, tag.value] = [query.search ?? "", query.state ?? "", query.site ?? "", query.tag ?? ""];
  const lists = { sites: el("datalist", { id: "sites" }), tags: el("datalist", { id: "tags" }) };
  const said = () => ({ search: search.value.trim(), state: state.value, site: site.value.trim(), tag: tag.value.trim() });
  let timer = 0;
  const form = el("form", { class: "filter", role: "search", "aria-label": "Devices", onsubmit: (event) => event.preventDefault(), oninput: () => {
    clearTimeout(timer);
    timer = setTimeout(() => onChange(said()), REST);
  } }, field("search", "Search", search), field("state", "State", state), field("site", "Site", site), field("tag", "Tag", tag), lists.sites, lists.tags);
  return {
    node: form,
    said,
    clear() {
      form.reset();
      [search.value, state.value, site.value, tag.value] = ["", "", "", ""];
      onChange(said());
      search.focus();
    },
    /** Offers the sites and tags that are on the page. */
    offer(devices) {
      offer(lists.sites, new Set(devices.map((device) => device.site_id)));
      offer(lists.tags, new Set(devices.flatMap((device) => device.tags ?? [])));
    },
    stop: () => clearTimeout(timer),
  };
}

function offer(list, words) {
  const sorted = [...words].sort().slice(0, 200);
  if (sorted.join("\n") === list.dataset.words) return;
  list.dataset.words = sorted.join("\n");
  fill(list, ...sorted.map((word) => el("option", { value: word })));
}

/** So many devices can be asked about at once, and of more the newest readings are not asked for. */
const [AT_ONCE, MOST_READINGS] = [50, 200];

/** Puts the newest reading of each device to it. Long names make a long address, which a proxy may refuse: fewer at once then. */
async function withReadings(answer, signal) {
  const ids = answer.devices.slice(0, MOST_READINGS).map((device) => device.device_id);
  const known = new Map();
  while (ids.length > 0) {
    const some = ids.splice(0, 1);
    while (ids.length > 0 && some.length < AT_ONCE && some.join().length + ids[0].length < 3_000) some.push(ids.shift());
    const { readings } = await ask(withQuery("customer/last-readings", { devices: some.join() }), { signal });
    for (const reading of readings) known.set(reading.device_id, reading);
  }
  for (const device of answer.devices) device.last_reading = known.get(device.device_id) ?? null;
  return answer;
}

export const devices = {
  title: () => "Devices",
  mount(place, { query }) {
    const empty = el("div");
    const note = el("p", { class: "quiet note", role: "status" });
    const list = el("div");
    const more = el("button", { type: "button", id: "more", hidden: true }, "Load more");
    const problem = el("p", { class: "error", role: "alert" });
    let pages = null;
    const filter = makeFilter(query, (said) => {
      keepQuery("devices", said);
      follow();
    });
    fill(place, filter.node, problem, el("section", { class: "panel", "aria-label": "Devices" },
      list, el("div", { class: "panel-foot" }, more, note)));
    const rows = table(list, { caption: "Devices", columns: COLUMNS, key: (device) => device.device_id, empty });

    function show(found, hasMore) {
      const isFiltered = Object.values(filter.said()).some(Boolean);
      if (found.length === 0) {
        fill(empty, isFiltered
          ? el("p", {}, "No device is like that. ", el("button", { type: "button", onclick: filter.clear }, "Show all"))
          : firstReading(byId("tenant").textContent));
      }
      rows.show(found);
      filter.offer(found);
      more.hidden = !hasMore;
      setText(problem, "");
      setText(note, found.length === 0 ? "" : `${many(found.length, "device")} shown${hasMore ? ", and there are more" : ""}`);
    }

    function follow() {
      pages?.stop();
      const { search, state, site, tag } = filter.said();
      pages = keepPages({
        path: "customer/devices", rows: "devices", every: 5_000, most: 500, show,
        query: { search, state, site_id: site, tag }, more: withReadings,
        keyOf: (device) => device.device_id,
        onFail(why) {
          if (why.isLate) return false;
          setText(problem, String(why));
          return true;
        },
      });
    }

    more.addEventListener("click", async () => {
      more.setAttribute("aria-busy", "true");
      try {
        await pages.more();
      } catch (why) {
        setText(problem, String(why));
      } finally {
        more.removeAttribute("aria-busy");
      }
    });
    follow();
    return { stop() { filter.stop(); pages.stop(); } };
  },
};
