
"use strict";
{
  // Opening, closing and filtering work without this script; it adds arrow keys, and announcements for screen readers.
  document.documentElement.classList.add("with-script");
  const announcement = document.getElementById("announcement");
  const visible = (cell) => getComputedStyle(cell).visibility !== "hidden";

  const setTabStop = (table) => {
    // Each table has one tab stop: the visible cell that was focused last, else the first visible one.
    const cells = [...table.querySelectorAll(".cell")].filter(visible);
    const current = cells.find((cell) => cell.tabIndex === 0 && cell.dataset.last) || cells[0];
    for (const cell of table.querySelectorAll(".cell")) cell.tabIndex = cell === current ? 0 : -1;
  };

  const places = (table) => {
    // A row whose header is in a row above has fewer fields, so only <td> elements are counted.
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
    return rows.map((row) => [...row.querySelectorAll("td")].map((place) => {
      const cell = place.querySelector(".cell");
      return cell && visible(cell) ? cell : null;
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
    setTabStop(table);
    table.addEventListener("focusin", (event) => {
      const cell = event.target.closest(".cell");
      if (!cell) return;
      for (const other of table.querySelectorAll(".cell")) delete other.dataset.last;
      cell.dataset.last = "1";
      cell.tabIndex = 0;
      setTabStop(table);
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
    for (const table of document.querySelectorAll(".grid")) setTabStop(table);
    const results = cells.length === 1 ? "result" : "results";
    announcement.textContent = `${cells.filter(visible).length} of ${cells.length} ${results} shown`;
  });

  // Opening a cell focuses its heading. `autofocus` would do so without a script, but browsers also apply it when the
  // page loads, and log an error if the user has focused something by then.
  for (const panel of document.querySelectorAll(".panel")) {
    panel.addEventListener("toggle", (event) => {
      if (event.newState === "open") panel.querySelector("h3").focus();
    });
  }

  // A link to a cell opens it.
  const linked = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (linked && linked.matches(".panel")) linked.showPopover();
}
