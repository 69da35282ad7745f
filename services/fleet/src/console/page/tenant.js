// The console of a tenant's people.

import { byId, setText } from "../plimsoll/dom.js";
import * as token from "../plimsoll/token.js";
import { alerts } from "./alerts.js";
import { device } from "./device.js";
import { devices } from "./devices.js";
import { begin } from "./frame.js";
import { oncall } from "./oncall.js";
import { overview } from "./overview.js";
import { subscriptions } from "./subscriptions.js";

const VIEWS = { "": overview, devices, "devices/": device, alerts, oncall, subscriptions };

/** In development its tenants are one click away, the one with devices first. */
async function offerOpen(come) {
  const answer = await fetch(new URL("open-tenants", import.meta.url), { cache: "no-store", credentials: "omit" }).catch(() => null);
  if (!answer?.ok) return;
  const { tenants } = await answer.json();
  byId("open").hidden = tenants.length === 0;
  byId("open-tenants").replaceChildren(...tenants.map((one) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: `Enter as ${one.tenant}` });
    button.dataset.tenant = one.tenant;
    button.onclick = () => {
      token.keep(one.token);
      come();
    };
    const about = Object.assign(document.createElement("span"), { className: "quiet", textContent: one.about });
    const item = document.createElement("li");
    item.append(button, " ", about);
    return item;
  }));
}

const { come, turnAway } = begin({
  service: "fleet",
  views: VIEWS,
  first: "customer/overview",
  entered: (answer) => setText(byId("tenant"), answer.tenant),
  open: offerOpen,
});

if (token.known()) come();
else turnAway("");
