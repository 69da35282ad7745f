// Only in development: the buttons that break the database, and the account of what was sent meanwhile.

import { el, setData, setText } from "/plimsoll/dom.js";
import { count, span } from "/plimsoll/format.js";

const FAULTS = [
  ["freeze", "Freeze", "every process of it stands still, for 8 s"],
  ["slow", "Slow", "each message takes 0.15 s longer, for 12 s"],
  ["kill", "Kill", "SIGKILL, and a start 4 s later"],
  ["cut", "Cut", "every wire to it is cut, for 6 s"],
];

const FIGURES = [
  ["acknowledged", "Acknowledged"],
  ["stored", "Stored"],
  ["lost", "Lost"],
  ["doubled", "Doubled"],
];

/** Puts the panel into a place; `show` then draws what is told of it. */
export function makePlay(place, token) {
  const buttons = new Map(FAULTS.map(([name, title, text]) => {
    const label = el("b", {}, title);
    const about = el("span", {}, text);
    const left = el("progress", { max: "1", value: "0", hidden: true, "aria-hidden": "true" });
    const button = el("button", { type: "button", "data-fault": name }, label, about, left);
    button.addEventListener("click", () => press(button.dataset.on === "true" ? "end" : name));
    return [name, { button, label, about, left, title, text }];
  }));
  const figures = new Map(FIGURES.map(([name, label]) => {
    const number = el("dd", { id: name }, "–");
    return [name, { number, node: el("div", {}, el("dt", {}, label), number) }];
  }));
  const checked = el("p", { class: "checked quiet" });
  const problem = el("p", { class: "error", role: "alert", hidden: true });
  place.replaceChildren(el("section", { class: "panel play", "aria-labelledby": "play-title" },
    el("div", { class: "panel-head" }, el("h2", { id: "play-title" }, "Break the database, and look what it costs")),
    el("p", { class: "about quiet" }, "Twelve made-up devices send twenty readings a second in all while this page is open, over HTTP and, where there is a broker, over MQTT. Each keeps a reading until it is acknowledged, and sends it again until then. Each button breaks the service's own PostgreSQL for some seconds; pressed again, it ends that."),
    el("div", { class: "faults" }, ...[...buttons.values()].map(({ button }) => button)),
    problem,
    el("dl", { class: "account" }, ...[...figures.values()].map(({ node }) => node)),
    checked));

  async function press(action) {
    const headers = { "X-Plimsoll-Action": action };
    if (token()) headers.Authorization = `Bearer ${token()}`;
    let said = "";
    try {
      const answer = await fetch(`/faults/${action}`, { method: "POST", headers, credentials: "omit" });
      if (!answer.ok) {
        const told = await answer.json();
        said = `${told.title} ${told.advice ?? ""}`.trim();
      }
    } catch {
      said = "The service gave no answer.";
    }
    setText(problem, said);
    problem.hidden = said === "";
  }

  function show(told) {
    const on = told.breakage;
    for (const [name, { button, label, about, left, title, text }] of buttons) {
      const isOn = on?.name === name;
      setData(button, "on", isOn);
      button.disabled = Boolean(on) && !isOn;
      left.hidden = !isOn;
      if (isOn) left.value = on.left_ms / on.span_ms;
      setText(label, isOn && on.left_ms > 0 ? `${title} · ${span(on.left_ms / 1e3)}` : title);
      setText(about, isOn ? (on.left_ms > 0 ? "press to end it now" : "it is coming back") : text);
    }
    for (const [name, { number, node }] of figures) {
      setText(number, told.checked_ms === null ? "–" : count(told[name]));
      const isGood = name === "lost" || name === "doubled";
      setData(node, "kind", isGood && told.checked_ms !== null ? (told[name] === 0 ? "good" : "bad") : "plain");
    }
    const again = told.sending_again;
    const waiting = again === 0 ? "" : ` ${again === 1 ? "One device was" : `${again} devices were`} not acknowledged and ${again === 1 ? "sends" : "send"} again.`;
    setText(checked, told.checked_ms === null ? "The table was not asked yet."
      : `Counted in the table itself, past the service, ${span(told.checked_ms / 1e3)} ago.${waiting}`);
  }

  return { show };
}
