// Times and values as a person reads them, beyond the dashboard's.

import { clock, span } from "../plimsoll/format.js";
import { el } from "../plimsoll/dom.js";
import { now } from "./api.js";

const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const DATE = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/** `14:02:31` today, or `14:02` where that is exact; `Mon 30 Nov, 14:02` on days around, `30 Nov 2031` further away. A time that no clock can show stays as it is. */
export function when(text) {
  const at = Date.parse(text ?? "");
  if (Number.isNaN(at)) return text ?? "–";
  const away = Math.abs(at - now());
  if (new Date(at).toDateString() === new Date(now()).toDateString()) return clock(at).replace(/:00$/, "");
  return away < 300 * 86_400_000 ? DAY.format(at) : DATE.format(at);
}

/** `4 s ago`, `never`. */
export function ago(text) {
  if (!text) return "never";
  const at = Date.parse(text);
  if (Number.isNaN(at)) return text;
  const seconds = (now() - at) / 1e3;
  return seconds < 1 ? "now" : `${span(Math.floor(seconds)).replace(".0 ", " ")} ago`;
}

/** `in 3 h`, `12 days ago`. */
export function ahead(text) {
  const at = Date.parse(text ?? "");
  if (Number.isNaN(at)) return text ?? "";
  const seconds = (at - now()) / 1e3;
  const length = Math.abs(seconds) > 2 * 365 * 86_400 ? `${Math.floor(Math.abs(seconds) / 365 / 86_400)} years` : span(Math.abs(seconds));
  return seconds >= 0 ? `in ${length}` : `${length} ago`;
}

/** A value that a device has sent, with so many digits. */
export function value(one, digits = 6) {
  if (one === true) return "yes";
  if (one === false) return "no";
  if (typeof one !== "number") return String(one ?? "–");
  return Number.isInteger(one) ? String(one) : String(Number(one.toPrecision(digits)));
}

/** `temperature 21.5, humidity 40`: at most so many of them. */
export function brief(metrics, most = 3) {
  const all = Object.entries(metrics ?? {});
  const told = all.slice(0, most).map(([name, one]) => `${name} ${value(one)}`).join(", ");
  return all.length > most ? `${told}, and ${all.length - most} more` : told || "–";
}

const STATES = { ONLINE: "online", STALE: "stale", OFFLINE: "offline" };

/** Whether a device is heard of: a sign and a word, so that it does not depend on seeing colours. */
export function stateOf(state) {
  return el("span", { class: "state", "data-state": state ?? "" }, el("span", { class: "sign", "aria-hidden": "true" }), STATES[state] ?? (state ?? "–").toLowerCase());
}

/** How bad an alert is, as a sign and a word. */
export function severityOf(name) {
  return el("span", { class: "severity", "data-severity": name }, el("span", { class: "sign", "aria-hidden": "true" }), name);
}

/** A time in words, and exactly where one points at it. */
export function time(text, words = when) {
  if (!text) return el("span", { class: "quiet" }, words(text));
  return el("time", { datetime: text, title: text }, words(text));
}

/** The command that sends a reading. */
export function curl(tenant, device = "d1") {
  const origin = new URL("..", import.meta.url).href.replace(/\/$/, "");
  return `curl -i -H "X-Provision-Token: $DEVICE_KEY" -d '{"temperature": 21.5}' ${origin}/ingest/v1/tenant/${tenant}/device/${device}/telemetry`;
}

/** What is said where there is no device yet, and what to do. */
export function firstReading(tenant) {
  return el("div", { class: "empty" },
    el("p", {}, "No device has sent anything yet. Send a first reading, with the provisioning key of your tenant; its device appears here at once:"),
    el("pre", { class: "command", tabindex: "0" }, curl(tenant)));
}
