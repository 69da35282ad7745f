// The console of operators: what comes in, whose it is, what was not taken and why, and how the service is.

import { begin } from "./frame.js";
import { health } from "./health.js";
import { inflow } from "./inflow.js";
import { quarantine } from "./quarantine.js";
import { tenants } from "./tenants.js";

const { come } = begin({
  service: "fleet for operators",
  views: { "": inflow, tenants, quarantine, health },
  first: "operator/system/ingest",
});

// On a development machine no token is needed, so one is asked for only when the service asks for it.
come();
