// The curves over the last minutes, with one cursor and one time axis.

import { byId, choice, el, fill, setText } from "./dom.js";
import { count, ms, rate } from "./format.js";

const HEIGHT = 150;
const GUTTER = 44;
const sync = uPlot.sync("time");

let known = null;
document.addEventListener("plimsoll:theme", () => { known = null; });

/** The colours of the theme as it is now; a canvas knows no variables. They are asked for once, since asking lays the page out. */
export function colours() {
  known ??= read();
  return known;
}

function read() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ink: of("ink"), quiet: of("quiet"), grid: of("grid"), line: of("line"), accent: of("accent"), well: of("well"),
    paper: of("paper"), slate1: of("slate-1"), slate2: of("slate-2"), slate3: of("slate-3") };
}

/** Sums from below, so that areas lie on each other; a second of which nothing is known is a hole. */
function stacked(...layers) {
  const isHole = (index) => layers.every((layer) => layer[index] === null);
  let below = layers[0].map(() => 0);
  return layers.map((layer) => {
    below = layer.map((value, index) => (isHole(index) ? null : (below[index] ?? 0) + (value ?? 0)));
    return below;
  });
}

const CHARTS = [
  {
    id: "pool",
    unit: count,
    least: 4,
    series: [
      { label: "idle", key: "key-3", stroke: "slate3", fill: "slate3" },
      { label: "lent", key: "key-1", stroke: "slate1", fill: "slate1" },
      { label: "at most", key: "key-2 line", stroke: "quiet", dash: [3, 3] },
    ],
    data(history) {
      const { lent, idle, maximum } = history.columns;
      const [one, two] = stacked(lent, idle);
      return { drawn: [two, one, maximum], told: [idle, lent, maximum] };
    },
  },
  {
    id: "queue",
    unit: count,
    least: 4,
    series: [{ label: "waiting", key: "key-2", stroke: "slate2", fill: "slate2", alpha: "55", width: 1.5 }],
    data(history) {
      return { drawn: [history.columns.waiting], told: [history.columns.waiting] };
    },
  },
  {
    id: "time",
    unit: ms,
    least: 1,
    series: [
      { label: "wait", key: "key-3", stroke: "slate3", fill: "slate3" },
      { label: "connect", key: "key-2", stroke: "slate2", fill: "slate2" },
      { label: "server", key: "key-1", stroke: "slate1", fill: "slate1" },
    ],
    data(history, share) {
      const { wait, connect, server } = history.parts(share);
      const [one, two, three] = stacked(server, connect, wait);
      return { drawn: [three, two, one], told: [wait, connect, server] };
    },
  },
  {
    id: "load",
    unit: rate,
    least: 5,
    series: [
      { label: "statements", key: "key-1 line", stroke: "slate1", width: 1.5 },
      { label: "errors", key: "key-hot line", stroke: "accent", fill: "accent", alpha: "30", width: 1.5 },
      { label: "refused", key: "key-hot line", stroke: "accent", dash: [4, 3], width: 1.5 },
    ],
    data(history) {
      const { statements, errors, refused } = history.columns;
      return { drawn: [statements, errors, refused], told: [statements, errors, refused] };
    },
  },
];

/**
 * Gives a function that tells the charts what to draw, and gives the steps in which they are drawn: one chart at a time, since each
 * takes a few milliseconds, and more when it is made.
 */
export function makeCharts() {
  let share = 1;
  let latest = null;
  const made = CHARTS.map(() => null);
  const steps = CHARTS.map((chart, index) => () => {
    made[index] ??= make(chart, () => latest);
    made[index].draw(latest.history, share);
  });
  choice(byId("share"), [[0, "p50"], [1, "p95"], [2, "p99"]], share, (value) => {
    share = value;
    if (latest) steps.forEach((step) => step());
  });
  new ResizeObserver(() => made.forEach((chart) => chart?.resize())).observe(document.querySelector(".charts"));
  document.addEventListener("plimsoll:theme", () => made.forEach((chart) => chart?.plot.redraw(false)));
  return (history, marks) => {
    latest = { history, marks };
    return steps;
  };
}

function make(chart, latest) {
  const node = byId(`${chart.id}-chart`);
  const values = chart.series.map((series) => {
    const value = el("b");
    return { value, node: el("span", {}, el("span", { class: `key ${series.key}`, "aria-hidden": "true" }), `${series.label} `, value) };
  });
  fill(byId(`${chart.id}-legend`), ...values.map((one) => one.node));
  let told = [];
  const tell = (index) => values.forEach(({ value }, place) => {
    const column = told[place] ?? [];
    setText(value, column.length ? chart.unit(column[index ?? column.length - 1]) : "–");
  });
  const colour = (series, name, alpha = "") => () => colours()[series[name]] + alpha;
  const axis = { stroke: () => colours().quiet, grid: { stroke: () => colours().grid, width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const plot = new uPlot({
    width: Math.max(200, node.clientWidth),
    height: HEIGHT,
    padding: [6, 14, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: sync.key, setSeries: false }, drag: { x: false, y: false }, points: { show: false }, y: false },
    scales: {
      x: { range: () => latest()?.history.range() ?? [0, 1] },
      y: { range: (_plot, _least, most) => [0, Math.max(chart.least, (most ?? 0) * 1.1)] },
    },
    axes: [
      { ...axis, size: 22, space: 70, values: (_plot, splits) => splits.map((at) => new Date(at * 1e3).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).replace(/:00$/, "")) },
      { ...axis, size: GUTTER, space: 34, gap: 4, values: (_plot, splits) => splits.map((value) => chart.unit(value).replace(/(\.\d*?)0+(?= |$)/, "$1").replace(/\.(?= |$)/, "")) },
    ],
    series: [{}, ...chart.series.map((series) => ({
      label: series.label,
      stroke: colour(series, "stroke"),
      fill: series.fill ? colour(series, "fill", series.alpha) : undefined,
      width: series.width ?? 1,
      dash: series.dash,
      points: { show: false },
    }))],
    hooks: {
      setCursor: [(plot) => tell(plot.cursor.idx)],
      draw: [(plot) => drawMarks(plot, latest()?.marks ?? [])],
    },
  }, [[], ...chart.series.map(() => [])], node);
  return {
    plot,
    draw(history, share) {
      const data = chart.data(history, share);
      told = data.told;
      plot.setData([history.times(), ...data.drawn]);
      tell(plot.cursor.idx);
    },
    resize() {
      const width = node.clientWidth;
      if (width > 0 && width !== plot.width) plot.setSize({ width, height: HEIGHT });
    },
  };
}

/** A line through the curve for each thing that happened. */
function drawMarks(plot, marks) {
  const ink = colours();
  const { left, top, width, height } = plot.bbox;
  const paint = plot.ctx;
  paint.save();
  paint.lineWidth = devicePixelRatio;
  paint.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const mark of marks) {
    if (mark.kind === "note") continue;
    const x = Math.round(plot.valToPos(mark.at / 1e3, "x", true)) + 0.5;
    if (x < left || x > left + width) continue;
    paint.strokeStyle = mark.kind === "fault" ? ink.accent : ink.quiet;
    paint.beginPath();
    paint.moveTo(x, top);
    paint.lineTo(x, top + height);
    paint.stroke();
  }
  paint.restore();
}
