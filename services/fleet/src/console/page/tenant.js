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

/** In development the first tenant is one click away. */
async function offerFirst(come) {
  const answer = await fetch(new URL("first-tenant", import.meta.url), { cache: "no-store", credentials: "omit" }).catch(() => null);
  if (!answer?.ok) return;
  const first = await answer.json();
  byId("first").hidden = !first.token;
  if (!first.token) return;
  setText(byId("first-enter"), `Enter as ${first.tenant}`);
  byId("first-enter").onclick = () => {
    token.keep(first.token);
    come();
  };
}

const { come, turnAway } = begin({
  service: "fleet",
  views: VIEWS,
  first: "customer/overview",
  entered: (answer) => setText(byId("tenant"), answer.tenant),
  open: offerFirst,
});

if (token.known()) come();
else turnAway("");
