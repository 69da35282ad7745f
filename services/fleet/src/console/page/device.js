// One device: how it is, what it sends, and its tokens.

import { byId, el, fill, setText } from "../plimsoll/dom.js";
import { table } from "../plimsoll/table.js";
import { ask as dialog, button, tell } from "./act.js";
import { ask } from "./api.js";
import { keepFresh } from "./fresh.js";
import { makeCurves, makeLast } from "./readings.js";
import { ago, brief, curl, stateOf, time, when } from "./words.js";

const DETAILS = [
  ["Name", (device) => device.name],
  ["Site", (device) => device.site_id],
  ["Type", (device) => device.device_type],
  ["Model", (device) => [device.manufacturer, device.model].filter(Boolean).join(" ")],
  ["Serial", (device) => device.serial],
  ["In the registry", (device) => device.status?.toLowerCase()],
  ["Subscription", (device) => device.subscription_id],
  ["Registered", (device) => time(device.created_at, when)],
  ["Notes", (device) => device.notes],
];

function figure(label) {
  const [big, sub] = [el("dd", { class: "big" }), el("dd", { class: "sub" })];
  return { big, sub, node: el("div", {}, el("dt", {}, label), big, sub) };
}

function makeHead() {
  const [state, last] = [figure("State"), figure("Last reading")];
  const tags = el("p", { class: "tags" });
  const details = el("dl", { class: "details" });
  return {
    nodes: [el("dl", { class: "figures two" }, state.node, last.node),
      el("section", { class: "panel", "aria-labelledby": "details-title" },
        el("div", { class: "panel-head" }, el("h2", { id: "details-title" }, "Details"), tags), details)],
    show(device) {
      fill(state.big, stateOf(device.state));
      setText(state.sub, device.last_seen_at ? `seen ${ago(device.last_seen_at)}` : "never heard of");
      setText(last.big, brief(device.last_reading?.metrics));
      setText(last.sub, device.last_reading ? `sent ${ago(device.last_reading.ts)}` : "");
      fill(tags, ...(device.tags ?? []).map((tag) => el("span", { class: "tag" }, tag)));
      const known = DETAILS.map(([label, of]) => [label, of(device)]).filter(([, value]) => value);
      fill(details, ...known.map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))));
    },
  };
}

/** Shows a secret that is told this once, with a way to copy it. */
function showSecret(place, { client_id: client, provision_token: secret }) {
  const copy = el("button", { type: "button", class: "small", onclick: async () => {
    try {
      await navigator.clipboard.writeText(secret);
      setText(copy, "Copied");
    } catch {
      getSelection().selectAllChildren(code);
      setText(copy, "Selected");
    }
  } }, "Copy");
  const code = el("code", { id: "secret", tabindex: "0" }, secret);
  const done = el("button", { type: "button", class: "small", onclick: () => {
    fill(place);
    byId("rotate").focus();
  } }, "I have kept it");
  fill(place, el("div", { class: "secret", role: "group", "aria-label": "The new token" },
    el("p", {}, `This is the new token of ${client}. It is shown this once and is stored nowhere: keep it now.`),
    el("p", {}, code, " ", copy, " ", done)));
  code.focus();
}

function makeTokens(id) {
  const path = `customer/devices/${encodeURIComponent(id)}/tokens`;
  const [place, secret] = [el("div"), el("div")];
  const rotate = button("Rotate", { id: "rotate" }, async () => {
    const made = await dialog({
      title: "Rotate the token of this device?",
      text: "A new token is made. Those before stop to count at once: until the device has the new one, what it sends is refused.",
      verb: "Rotate",
      work: () => ask(`${path}/rotate`, { method: "POST" }),
    });
    if (!made) return;
    tell("done", "The token was rotated.");
    showSecret(secret, made);
    fresh.again();
  });
  const columns = [
    { label: "Token", wide: true, cell: (token) => token.label ?? token.client_id },
    { label: "Made", cell: (token, cell) => { fill(cell, time(token.created_at, when)); } },
    { label: "Counts", cell: (token) => (token.revoked_at ? `until ${when(token.revoked_at)}` : "yes") },
    { label: "Actions", cell(token, cell) {
      fill(cell, token.revoked_at ? null : button("Revoke", { class: "small", "aria-label": `Revoke ${token.label ?? token.client_id}` }, () => revoke(token)));
    } },
  ];

  async function revoke(token) {
    const done = await dialog({
      title: "Revoke this token?",
      text: `${token.client_id} stops to count at once. A device that shows it is refused, and nothing brings it back.`,
      verb: "Revoke",
      work: async () => {
        await ask(`${path}/${encodeURIComponent(token.token_id)}`, { method: "DELETE" });
        return true;
      },
    });
    if (!done) return;
    tell("done", "The token was revoked.");
    rotate.focus();
    fresh.again();
  }

  const rows = table(place, { caption: "Tokens", columns, key: (token) => `${token.token_id} ${token.revoked_at ?? ""}`, empty: "It has no token of its own." });
  const fresh = keepFresh({
    key: path,
    every: 30_000,
    read: (signal) => ask(path, { signal }),
    show: (answer) => rows.show(answer.tokens),
    onFail: (problem) => !problem.isLate,
  });
  const node = el("section", { class: "panel", "aria-labelledby": "tokens-title" },
    el("div", { class: "panel-head" }, el("h2", { id: "tokens-title" }, "Tokens"), rotate), secret, place);
  return { node, stop: fresh.stop };
}

export const device = {
  title: ({ id }) => id,
  mount(place, { id }) {
    const head = makeHead();
    const first = () => el("div", {}, el("p", {}, "It has sent nothing yet. Send a reading for it:"),
      el("pre", { class: "command", tabindex: "0" }, curl(byId("tenant").textContent || "TENANT", id)));
    const parts = [makeCurves(id), makeLast(id, first), makeTokens(id)];
    fill(place, ...head.nodes, ...parts.map((part) => part.node));
    const fresh = keepFresh({
      key: `customer/devices/${id}`,
      read: (signal) => ask(`customer/devices/${encodeURIComponent(id)}`, { signal }),
      show: head.show,
      onFail(problem) {
        if (problem.status !== 404) return false;
        parts.forEach((part) => part.stop());
        fill(place, el("p", { class: "empty" }, "There is no such device. ", el("a", { href: "#/devices" }, "All devices")));
        return true;
      },
    });
    return { stop() { parts.forEach((part) => part.stop()); fresh.stop(); } };
  },
};
