// A curve of one metric, drawn as SVG: the average as a line, and from the least to the most as a band behind it.

import { el, setText } from "../plimsoll/dom.js";
import { value } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [480, 150];
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 8, 8, 20];

function draw(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, one] of Object.entries(attributes)) node.setAttribute(name, one);
  node.append(...children);
  return node;
}

/** Steps of 1, 2 or 5 and zeros, of which about three lie between these. */
export function steps(least, most) {
  const span = most - least;
  const power = 10 ** Math.floor(Math.log10(span / 3));
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => span / one <= 4) ?? span;
  const first = Math.ceil(least / step);
  return Array.from({ length: Math.floor(most / step) - first + 1 }, (_, index) => (first + index) * step);
}

/** The range of what is drawn, with some room; a line that is flat lies in the middle. */
function rangeOf(points) {
  let [least, most] = [Infinity, -Infinity];
  for (const point of points) [least, most] = [Math.min(least, point.min), Math.max(most, point.max)];
  const room = most > least ? 0.08 * (most - least) : Math.max(1, Math.abs(most) * 0.05);
  return [least - room, most + room];
}

/** Where nothing was sent for longer than this many buckets, the line has a hole. */
function pieces(points, gap) {
  const all = [];
  for (const point of points) {
    const last = all.at(-1);
    if (last && point.at - last.at(-1).at <= gap) last.push(point);
    else all.push([point]);
  }
  return all;
}

function timeOf(at, span) {
  const options = span > 36 * 3_600_000 ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit", ...(span < 300_000 ? { second: "2-digit" } : {}) };
  return new Date(at).toLocaleString("en-GB", options);
}

function axes(x, y, [from, to], range) {
  const lines = steps(...range).flatMap((one) => [
    draw("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(one), y2: y(one) }),
    draw("text", { x: LEFT - 6, y: y(one) + 4, "text-anchor": "end" }, value(one)),
  ]);
  const ticks = [0.08, 0.5, 0.92].map((part) => {
    const at = from + part * (to - from);
    return draw("text", { x: x(at), y: HEIGHT - 4, "text-anchor": "middle" }, timeOf(at, to - from));
  });
  return [...lines, ...ticks];
}

function curve(piece, x, y) {
  const forth = piece.map((point) => `${x(point.at).toFixed(1)} ${y(point.max).toFixed(1)}`);
  const back = [...piece].reverse().map((point) => `${x(point.at).toFixed(1)} ${y(point.min).toFixed(1)}`);
  const line = piece.map((point) => `${x(point.at).toFixed(1)} ${y(point.avg).toFixed(1)}`).join(" L");
  const parts = [draw("path", { class: "band", d: `M${[...forth, ...back].join(" L")} Z` })];
  if (piece.length > 1) parts.push(draw("path", { class: "line", d: `M${line}` }));
  else parts.push(draw("circle", { class: "point", cx: x(piece[0].at), cy: y(piece[0].avg), r: 2.5 }));
  return parts;
}

/** A chart of one metric; `show(points, window, gap)` draws it. A point is {at, min, avg, max}, times in milliseconds. */
export function makeChart(name) {
  const told = el("p", { class: "legend" });
  const plot = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", preserveAspectRatio: "none" });
  const cursor = draw("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  const node = el("figure", { class: "chart" }, el("figcaption", {}, el("h3", {}, name), told), plot);
  let shown = { points: [], window: [0, 1] };

  const x = (at) => LEFT + ((at - shown.window[0]) / (shown.window[1] - shown.window[0])) * (WIDTH - LEFT - RIGHT);
  const tell = (point) => setText(told, point
    ? `${new Date(point.at).toLocaleTimeString("en-GB")}: ${value(point.avg, 4)}${point.max > point.min ? ` (${value(point.min, 4)} to ${value(point.max, 4)})` : ""}`
    : "nothing in this time");

  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const nearest = shown.points.reduce((best, point) => (!best || Math.abs(x(point.at) - at) < Math.abs(x(best.at) - at) ? point : best), null);
    if (!nearest) return;
    tell(nearest);
    cursor.setAttribute("x1", x(nearest.at));
    cursor.setAttribute("x2", x(nearest.at));
    cursor.setAttribute("visibility", "visible");
  });
  plot.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    tell(shown.points.at(-1));
  });

  return {
    node,
    show(points, window, gap) {
      shown = { points, window };
      tell(points.at(-1));
      if (points.length === 0) {
        plot.replaceChildren();
        return;
      }
      const range = rangeOf(points);
      const y = (one) => TOP + ((range[1] - one) / (range[1] - range[0])) * (HEIGHT - TOP - BOTTOM);
      plot.replaceChildren(...axes(x, y, window, range), ...pieces(points, gap).flatMap((piece) => curve(piece, x, y)), cursor);
      const [least, most] = [Math.min(...points.map((point) => point.min)), Math.max(...points.map((point) => point.max))];
      plot.setAttribute("aria-label", `${name}: at last ${value(points.at(-1).avg, 4)}, between ${value(least, 4)} and ${value(most, 4)} from ${timeOf(window[0], 0)} to ${timeOf(window[1], 0)}`);
    },
  };
}
