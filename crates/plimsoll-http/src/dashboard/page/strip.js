// The strip above the curves: the breaker over time, and what happened as signs on the same time axis.

import { byId, el, fill } from "./dom.js";
import { clock } from "./format.js";

const HEIGHT = 48;
/** Where the strip lies, and how high it is; the signs are above it. */
const TOP = 20;
const BAR = 10;
const STATES = ["closed", "half-open", "open", "isolated"];

/** A canvas as wide as the curves' time axis. Gives a function that draws it. */
export function makeStrip(colours) {
  const canvas = el("canvas", { role: "img" });
  const parent = byId("strip");
  fill(parent, canvas);

  return (history, marks) => {
    const width = parent.clientWidth;
    const scale = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(HEIGHT * scale);
    }
    const [from, to] = history.range();
    const x = (seconds) => ((seconds - from) / (to - from)) * width;
    const ink = colours();
    const paint = canvas.getContext("2d");
    paint.setTransform(scale, 0, 0, scale, 0, 0);
    paint.clearRect(0, 0, width, HEIGHT);
    paint.fillStyle = ink.grid;
    paint.fillRect(0, TOP, width, BAR);
    const { at, breaker } = history.columns;
    for (let index = 0; index < at.length; index += 1) {
      const end = at[index] / 1e3;
      const begin = Math.max(index > 0 ? at[index - 1] / 1e3 : end - 1, end - 2);
      const state = breaker[index];
      paint.fillStyle = state === 0 ? ink.slate3 : ink.accent;
      paint.globalAlpha = state === 1 ? 0.45 : 1;
      paint.fillRect(x(begin), TOP, Math.max(0.7, x(end) - x(begin) + 0.3), BAR);
    }
    paint.globalAlpha = 1;
    ticks(paint, x, from, to, ink);
    for (const mark of marks) if (mark.at / 1e3 >= from) sign(paint, x(mark.at / 1e3), mark.kind, ink);
    tell(canvas, history, marks, from);
  };
}

/** A line at each whole minute, with the time below the strip. */
function ticks(paint, x, from, to, ink) {
  paint.font = "11px system-ui";
  paint.fillStyle = ink.quiet;
  paint.textAlign = "center";
  const step = [15, 30, 60, 120, 300].find((seconds) => x(from + seconds) > 76) ?? 300;
  for (let at = Math.ceil(from / step) * step; at < to; at += step) {
    if (x(at) < 76 || x(at) > x(to) - 24) continue;
    paint.globalAlpha = 0.35;
    paint.fillRect(x(at), TOP, 1, BAR);
    paint.globalAlpha = 1;
    paint.fillText(clock(at * 1e3), x(at), TOP + BAR + 13);
  }
  paint.textAlign = "left";
  paint.fillText("breaker", 0, TOP + BAR + 13);
}

function sign(paint, x, kind, ink) {
  paint.fillStyle = kind === "fault" ? ink.accent : kind === "healed" ? ink.well : ink.ink;
  paint.beginPath();
  if (kind === "fault") paint.rect(x - 4, 6, 8, 8);
  else if (kind === "healed") paint.arc(x, 10, 4, 0, 2 * Math.PI);
  else if (kind === "deploy") { paint.moveTo(x, 5); paint.lineTo(x + 5, 14); paint.lineTo(x - 5, 14); }
  else if (kind === "action") { paint.moveTo(x, 5); paint.lineTo(x + 5, 10); paint.lineTo(x, 15); paint.lineTo(x - 5, 10); }
  else paint.arc(x, 10, 2, 0, 2 * Math.PI);
  paint.fill();
}

/** The same in words. */
function tell(canvas, history, marks, from) {
  const state = STATES[history.last("breaker") ?? 0];
  const recent = marks.filter((mark) => mark.at / 1e3 >= from).map((mark) => `${clock(mark.at)} ${mark.text}`);
  const text = `The breaker is ${state}. ${recent.slice(-5).join("; ")}`;
  if (canvas.getAttribute("aria-label") !== text) canvas.setAttribute("aria-label", text);
}
