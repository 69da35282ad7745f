// The leases, with who holds them and what they do, and those that are leaks.

import { byId, el, fill, setText } from "./dom.js";
import { ms, many } from "./format.js";
import { table } from "./table.js";

/** A name of work with its place: `"nightly report" (report.rs:88)`. */
function work(cell, lease) {
  if (!cell.firstChild) fill(cell, el("div", { class: "work" }), el("code"));
  setText(cell.firstChild, lease.request_id ? `${lease.work} · request ${lease.request_id}` : lease.work);
  setText(cell.lastChild, lease.statement ?? "");
}

export function makeLeases(onCancel) {
  const column = (label, cell, more = {}) => ({ label, cell, ...more });
  const cancel = (lease, cell) => {
    if (!cell.firstChild) {
      fill(cell, el("button", { type: "button", class: "small" }, "Cancel"));
      cell.firstChild.addEventListener("click", () => onCancel(cell.lease));
    }
    // A click acts on what was on the page when it was made.
    cell.lease = lease;
    cell.firstChild.hidden = lease.state !== "active" || !onCancel.isAllowed();
    cell.firstChild.setAttribute("aria-label", `Cancel the statement of ${lease.work}`);
  };
  const columns = [
    column("Held", (lease) => ms(lease.held_ms), { num: true, sort: (lease) => lease.held_ms, first: true }),
    column("Work", (lease, cell) => work(cell, lease), { wide: true }),
    column("State", (lease) => lease.state, { sort: (lease) => lease.state }),
    column("Silent", (lease) => ms(lease.silent_ms), { num: true, sort: (lease) => lease.silent_ms }),
    column("Backend", (lease) => lease.pid ?? "", { num: true }),
  ];
  const leases = table(byId("leases"), {
    caption: "Leases",
    columns: [...columns, column("", cancel)],
    // Without the count of answers: a lease is the same while it runs one statement after another.
    key: (lease) => lease.running.split("-").slice(0, 2).join("-"),
    empty: "No connection is lent at this moment.",
    rowClass: (lease) => (lease.is_leak ? "hot" : ""),
  });
  const leaks = table(byId("leaks"), {
    caption: "Leaks",
    columns: [columns[0], columns[1], column("Looks like", (lease) => lease.hold), columns[4]],
    key: (lease) => lease.running,
    empty: "None: every lease that is held for long is used.",
    rowClass: () => "hot",
  });
  return (view) => {
    leases.show(view.leases);
    leaks.show(view.leases.filter((lease) => lease.is_leak));
    const hidden = view.lease_count - view.leases.length;
    setText(byId("leases-note"), hidden > 0 ? `and ${many(hidden, "younger lease")}` : "");
  };
}
