// A click on a heading sorts its table: numbers from the largest, words from A.
for (const table of document.querySelectorAll("main table")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const rows = [...body.rows];
      const by = (row) => row.cells[place]?.dataset.by;
      const isNumber = rows.some((row) => by(row) !== undefined);
      const was = head.getAttribute("aria-sort");
      const down = was ? was === "ascending" : isNumber;
      const value = isNumber ? (row) => Number(by(row) ?? -Infinity) : (row) => row.cells[place]?.textContent ?? "";
      const order = (a, b) => (isNumber ? value(a) - value(b) || 0 : value(a).localeCompare(value(b)));
      rows.sort((a, b) => (down ? order(b, a) : order(a, b)));
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...rows);
    });
  });
}
