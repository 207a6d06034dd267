"use strict";
(() => {
  const root = document.documentElement;
  const all = (where, what) => Array.from(where.querySelectorAll(what));

  // light or dark: as the system says until a person chooses
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  for (const button of all(document, "button.theme")) {
    const say = () => { button.textContent = dark() ? "Light colours" : "Dark colours"; };
    button.hidden = false;
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; say(); });
    say();
  }

  // what a mark of a chart shows: under the pointer, or with the arrow keys
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  const show = (mark, x, y) => {
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(x + 12, innerWidth - width - 4)) + "px";
    tip.style.top = (y + 16 + height > innerHeight ? y - height - 10 : y + 16) + "px";
  };
  const hide = () => { tip.hidden = true; };
  for (const chart of all(document, ".chart")) {
    const marks = all(chart, ".mark");
    if (!marks.length) continue;
    for (const mark of marks) {
      for (const title of all(mark, "title")) title.remove();
      mark.addEventListener("pointermove", (event) => show(mark, event.clientX, event.clientY));
      mark.addEventListener("pointerleave", hide);
    }
    const said = document.createElement("p");
    said.className = "unseen";
    said.setAttribute("aria-live", "polite");
    chart.append(said);
    chart.tabIndex = 0;
    chart.setAttribute("role", "group");
    chart.setAttribute("aria-label", chart.dataset.label + "; the arrow keys tell its values one by one");
    let at = -1;
    const leave = () => { if (at >= 0) marks[at].classList.remove("on"); hide(); };
    chart.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") leave();
      if (!step) return;
      event.preventDefault();
      leave();
      at = at < 0 && step < 0 ? marks.length - 1 : (at + step + marks.length) % marks.length;
      marks[at].classList.add("on");
      const box = marks[at].getBoundingClientRect();
      show(marks[at], box.left + box.width / 2, box.top + Math.min(box.height / 2, 40));
      said.textContent = marks[at].dataset.tip;
    });
    chart.addEventListener("blur", () => { leave(); at = -1; });
  }

  // a table that fits needs no scrolling, so no key to reach it
  const fit = () => {
    for (const place of all(document, ".scroll")) {
      if (place.scrollWidth > place.clientWidth + 1) place.tabIndex = 0;
      else place.removeAttribute("tabindex");
    }
  };
  addEventListener("resize", fit);
  for (const details of all(document, "details")) details.addEventListener("toggle", fit);
  fit();

  // tables: sorted by a column, filtered by words
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = (cell.dataset.value ?? cell.textContent).trim();
    const number = Number(text);
    return text === "" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
  };
  const order = (a, b, sign) => {
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  };
  for (const table of all(document, "table.sorts")) {
    const heads = all(table.tHead, "th");
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        for (const body of table.tBodies) {
          body.append(...Array.from(body.rows).map((row) => [key(row, column), row])
            .sort((a, b) => order(a[0], b[0], sign)).map((pair) => pair[1]));
        }
      });
    });
  }
  for (const filter of all(document, ".filter")) {
    const table = document.getElementById(filter.dataset.table);
    const input = filter.querySelector("input");
    const told = filter.querySelector("output");
    const rows = all(table, "tbody tr");
    filter.hidden = false;
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        left += row.hidden ? 0 : 1;
      }
      told.textContent = words.length ? `${left} of ${rows.length} rows` : "";
    });
  }

  // text to take along
  for (const button of all(document, "button.copy")) {
    const source = document.getElementById(button.dataset.source);
    button.hidden = false;
    button.addEventListener("click", () => {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = document.execCommand("copy") ? "Copied" : "Selected: copy it with the keyboard";
    });
  }
})();
