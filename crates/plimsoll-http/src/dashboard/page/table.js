// A table with sortable columns. A row is kept for as long as its item is there, so that a selection or a focus in it stays.

import { el, fill, keyed, setText } from "./dom.js";

/**
 * `columns`: a list of {label, num, wide, sort(item), cell(td, item)}; `key(item)` names a row; `empty` is said where there is
 * none. Gives a function that shows items.
 */
export function table(parent, { caption, columns, key, empty, rowClass }) {
  let sorted = columns.findIndex((column) => column.first);
  let isDescending = true;
  let items = [];
  let most = Infinity;
  const none = el("p", { class: "empty" }, empty);
  const body = el("tbody");
  const heads = columns.map((column, index) => {
    const label = column.sort
      ? el("button", { type: "button", onclick: () => sortBy(index) }, column.label)
      : column.label;
    return el("th", { scope: "col", class: column.num ? "num" : undefined }, label);
  });
  const frame = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("thead", {}, el("tr", {}, ...heads)), body));
  fill(parent, none, frame);

  function sortBy(index) {
    isDescending = index === sorted ? !isDescending : true;
    sorted = index;
    draw();
  }

  function draw() {
    none.hidden = items.length > 0;
    frame.hidden = items.length === 0;
    const by = columns[sorted]?.sort;
    let shown = items;
    if (by) {
      const sign = isDescending ? -1 : 1;
      shown = [...items].sort((one, other) => {
        const [a, b] = [by(one), by(other)];
        return sign * (typeof a === "string" ? a.localeCompare(b) : a - b);
      });
    }
    heads.forEach((head, index) => {
      if (index === sorted && columns[index].sort) head.setAttribute("aria-sort", isDescending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    keyed(body, shown.slice(0, most), key, make, update);
  }

  function make() {
    return el("tr", {}, ...columns.map((column) =>
      el("td", { class: column.num ? "num" : column.wide ? "wide" : undefined, "data-label": column.label || undefined })));
  }

  function update(row, item) {
    const name = rowClass?.(item) ?? "";
    if (row.className !== name) row.className = name;
    columns.forEach((column, index) => {
      const cell = row.children[index];
      const value = column.cell(item, cell);
      if (value !== undefined) setText(cell, value);
    });
  }

  return {
    /** Shows these, the first `limit` of them. */
    show(next, limit = Infinity) {
      items = next;
      most = limit;
      draw();
    },
    /** Sorts by the column of this label, the largest first. */
    sortBy(label) {
      sorted = columns.findIndex((column) => column.label === label);
      isDescending = true;
      draw();
    },
  };
}
