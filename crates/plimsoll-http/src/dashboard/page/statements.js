// The kinds of statements: by total, by mean, by errors, and those that were slow.

import { byId, choice, el, fill, setText } from "./dom.js";
import { count, ms, total } from "./format.js";
import { table } from "./table.js";

const LISTS = [["total", "by total time"], ["mean", "by mean"], ["errors", "by errors"], ["slow", "slow log"]];
/** So many are shown; by another column there are others. */
const SHOWN = 50;
const SORTED = { total: "Total", mean: "Mean", errors: "Errors", slow: "Mean" };

export function makeStatements() {
  let lists = { statements: [], slow: [] };
  let chosen = "total";
  let all = 1;
  const text = (kind, cell) => {
    if (!cell.firstChild) fill(cell, el("code"));
    setText(cell.firstChild, kind.query_template);
    if (cell.title !== kind.query_template) cell.title = kind.query_template;
  };
  const share = (kind, cell) => {
    if (!cell.firstChild) fill(cell, el("span"), el("span", { class: "share", "aria-hidden": "true" }));
    setText(cell.firstChild, total(kind.total_duration_ms));
    cell.lastChild.style.width = `${Math.max(1, (100 * kind.total_duration_ms) / all)}%`;
  };
  const shown = table(byId("statements"), {
    caption: "Statements",
    columns: [
      { label: "Statement", cell: text, wide: true },
      { label: "Calls", num: true, cell: (kind) => count(kind.execution_count), sort: (kind) => kind.execution_count },
      { label: "Total", num: true, cell: share, sort: (kind) => kind.total_duration_ms, first: true },
      { label: "Mean", num: true, cell: (kind) => ms(kind.avg_duration_ms), sort: (kind) => kind.avg_duration_ms },
      { label: "Longest", num: true, cell: (kind) => ms(kind.max_duration_ms), sort: (kind) => kind.max_duration_ms },
      { label: "Errors", num: true, cell: (kind) => count(kind.error_count), sort: (kind) => kind.error_count },
      { label: "Slow", num: true, cell: (kind) => count(kind.slow_count), sort: (kind) => kind.slow_count },
      { label: "Rows", num: true, cell: (kind) => count(kind.rows), sort: (kind) => kind.rows },
    ],
    key: (kind) => kind.query_hash,
    empty: "No statement has ended yet; of those that were slow or failed, none.",
  });
  const draw = () => {
    const from = chosen === "slow" ? lists.slow : lists.statements;
    all = Math.max(1e-3, ...from.map((kind) => kind.total_duration_ms));
    const isShown = chosen === "errors" ? (kind) => kind.error_count > 0 : () => true;
    shown.show(from.filter(isShown), SHOWN);
  };
  choice(byId("lists"), LISTS, chosen, (value) => {
    chosen = value;
    shown.sortBy(SORTED[value]);
    draw();
  });
  return (next) => {
    lists = next;
    draw();
  };
}
