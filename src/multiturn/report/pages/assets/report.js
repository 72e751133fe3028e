"use strict";
// The page is complete without this script; it adds sorting, the filter of failures, and the theme.
(() => {
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const numeric = head.classList.contains("number");
        const key = (row) => {
          const cell = row.cells[column];
          if (!numeric) return cell.textContent;
          return cell.dataset.value === "" ? NaN : Number(cell.dataset.value);
        };
        const rows = [...body.rows].map((row) => [key(row), row]);
        rows.sort(([a], [b]) => {
          if (!numeric) return (down ? -1 : 1) * a.localeCompare(b, "en", { numeric: true });
          if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b); // undefined last
          return down ? b - a : a - b;
        });
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  const form = document.getElementById("filter");
  if (form) {
    const failures = [...document.querySelectorAll("details.failure")];
    const shown = document.getElementById("shown");
    const apply = () => {
      const text = form.elements.text.value.toLowerCase();
      let count = 0;
      for (const each of failures) {
        const match =
          (!form.elements.kind.value || each.dataset.kind === form.elements.kind.value) &&
          (!form.elements.run.value || each.dataset.run === form.elements.run.value) &&
          (!text || each.textContent.toLowerCase().includes(text));
        each.hidden = !match;
        count += match;
      }
      shown.textContent = `${count} shown`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    apply();
  }

  const theme = document.getElementById("theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
})();
