// What a device has sent: curves of its metrics over a time, and the last readings as they came.

import { choice, el, fill, keyed, setText } from "../plimsoll/dom.js";
import { table } from "../plimsoll/table.js";
import { ask, now, withQuery } from "./api.js";
import { makeChart } from "./chart.js";
import { keepFresh } from "./fresh.js";
import { ago, brief, time, when } from "./words.js";

const MINUTE = 60_000;
/** A time, the buckets in which it is asked for, and how often. */
const SPANS = {
  "1h": { label: "1 hour", span: 60 * MINUTE, bucket: "60s", every: 5_000 },
  "1d": { label: "1 day", span: 1_440 * MINUTE, bucket: "5m", every: 30_000 },
  "7d": { label: "7 days", span: 7 * 1_440 * MINUTE, bucket: "1h", every: 60_000 },
  "30d": { label: "30 days", span: 30 * 1_440 * MINUTE, bucket: "1d", every: 60_000 },
};
/** More metrics are not drawn; their values are in the table. */
const MOST = 12;

function byMetric(points) {
  const all = new Map();
  for (const { ts, metric, min, avg, max } of points) {
    if (!all.has(metric)) all.set(metric, []);
    all.get(metric).push({ at: Date.parse(ts), min, avg, max });
  }
  return [...all].sort(([one], [other]) => one.localeCompare(other));
}

/** The curves. */
export function makeCurves(device) {
  const grid = el("div", { class: "curves" });
  const note = el("p", { class: "empty" }, "Reading.");
  const buttons = el("span", { class: "choice", role: "group", "aria-label": "Time" });
  const node = el("section", { class: "panel", "aria-labelledby": "curves-title" },
    el("div", { class: "panel-head" }, el("h2", { id: "curves-title" }, "Metrics"), buttons), note, grid);
  const charts = new Map();
  let fresh = null;

  function show({ points, bucket_seconds: bucket }, { label, span }) {
    const all = byMetric(points);
    const window = [now() - span, now()];
    note.hidden = all.length > 0 && all.length <= MOST;
    setText(note, all.length > MOST ? `The first ${MOST} of ${all.length} metrics are drawn.` : `It has sent no number in the last ${label.replace(/^1 /, "")}.`);
    const drawn = all.slice(0, MOST);
    keyed(grid, drawn, ([name]) => name, ([name]) => {
      charts.set(name, makeChart(name));
      return charts.get(name).node;
    }, (_node, [name, one]) => charts.get(name).show(one, window, 2_500 * bucket));
  }

  function follow(chosen) {
    fresh?.stop();
    const { span, bucket, every } = SPANS[chosen];
    const path = `customer/devices/${encodeURIComponent(device)}/telemetry`;
    fresh = keepFresh({
      key: `${path} ${chosen}`,
      every,
      read: (signal) => ask(withQuery(path, { from: new Date(now() - span).toISOString(), to: new Date(now() + MINUTE).toISOString(), bucket }), { signal }),
      show: (answer) => show(answer, SPANS[chosen]),
      onFail(problem) {
        if (problem.isLate) return false;
        note.hidden = false;
        setText(note, String(problem));
        return true;
      },
    });
  }

  choice(buttons, Object.entries(SPANS).map(([name, { label }]) => [name, label]), "1h", follow);
  follow("1h");
  return { node, stop: () => fresh.stop() };
}

/** The last readings. */
export function makeLast(device, onFirst) {
  const place = el("div");
  const node = el("section", { class: "panel", "aria-labelledby": "last-title" },
    el("div", { class: "panel-head" }, el("h2", { id: "last-title" }, "Last readings")), place);
  const columns = [
    { label: "Time", cell: (reading, cell) => { fill(cell, time(reading.ts, when)); } },
    { label: "Sent", cell: (reading) => ago(reading.ts) },
    { label: "Number", num: true, cell: (reading) => reading.seq ?? "–" },
    { label: "Values", wide: true, cell: (reading) => brief(reading.metrics, 12) },
  ];
  const rows = table(place, { caption: "Last readings", columns, key: (reading) => `${reading.ts} ${reading.seq}`, empty: onFirst() });
  const path = `customer/devices/${encodeURIComponent(device)}/telemetry`;
  const fresh = keepFresh({
    key: `${path} last`,
    read: (signal) => ask(withQuery(path, { limit: 20 }), { signal }),
    show: (answer) => rows.show(answer.items),
    onFail: (problem) => !problem.isLate,
  });
  return { node, stop: fresh.stop };
}
