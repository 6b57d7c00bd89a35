
"use strict";
{
  // Without this script cells open, close and are filtered all the same; it adds the arrow keys and what is told.
  document.documentElement.classList.add("with-script");
  const told = document.getElementById("told");
  const seen = (cell) => getComputedStyle(cell).visibility !== "hidden";

  const stop = (table) => {
    // One tab stop a table: the cell that had the focus last, if it is shown, else the first that is.
    const cells = [...table.querySelectorAll(".cell")].filter(seen);
    const current = cells.find((cell) => cell.tabIndex === 0 && cell.dataset.last) || cells[0];
    for (const cell of table.querySelectorAll(".cell")) cell.tabIndex = cell === current ? 0 : -1;
  };

  const places = (table) => {
    // Rows whose header stands in a row above are shorter: so a cell's column is counted from the right.
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
    return rows.map((row) => [...row.querySelectorAll("td")].map((place) => {
      const cell = place.querySelector(".cell");
      return cell && seen(cell) ? cell : null;
    }));
  };

  const target = (grid, row, column, key) => {
    const line = grid[row];
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[key];
    if (key === "Home") return line.find(Boolean);
    if (key === "End") return line.findLast(Boolean);
    if (!step) return null;
    for (let r = row + step[0], c = column + step[1]; grid[r] && c >= 0 && c < line.length; r += step[0], c += step[1]) {
      if (grid[r][c]) return grid[r][c];
    }
    return null;
  };

  for (const table of document.querySelectorAll(".grid")) {
    stop(table);
    table.addEventListener("focusin", (event) => {
      const cell = event.target.closest(".cell");
      if (!cell) return;
      for (const other of table.querySelectorAll(".cell")) delete other.dataset.last;
      cell.dataset.last = "1";
      cell.tabIndex = 0;
      stop(table);
    });
    table.addEventListener("keydown", (event) => {
      const cell = event.target.closest(".cell");
      if (!cell || event.ctrlKey || event.altKey || event.metaKey) return;
      const grid = places(table);
      const row = grid.findIndex((line) => line.includes(cell));
      const next = row < 0 ? null : target(grid, row, grid[row].indexOf(cell), event.key);
      if (next) {
        event.preventDefault();
        next.focus();
      }
    });
  }

  const filter = document.querySelector(".filter");
  filter.addEventListener("change", () => {
    const cells = [...document.querySelectorAll(".cell")];
    for (const table of document.querySelectorAll(".grid")) stop(table);
    told.textContent = `${cells.filter(seen).length} of ${cells.length} results shown`;
  });

  // Who opens a cell begins at its heading. The attribute `autofocus` would do that without a script, but a browser
  // takes it for the page's own first focus too, and complains of a reader who was quicker.
  for (const panel of document.querySelectorAll(".panel")) {
    panel.addEventListener("toggle", (event) => {
      if (event.newState === "open") panel.querySelector("h3").focus();
    });
  }

  // A link to a cell opens it.
  const linked = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (linked && linked.matches(".panel")) linked.showPopover();
}
