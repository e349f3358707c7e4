// A table of which only the rows on the screen exist, so that a thousand are as
// quick as ten. All rows have one height, and the page scrolls as a whole.

import { h, setAttribute } from "./dom.js";

const BEYOND = 12;
const REORDER_MS = 3_000;

/// `columns`: `title`, `by` (what it is sorted by), `cell` (given a cell, makes
/// a function that shows an item in it), and how it looks: `class`, `right`,
/// `label` (on a phone), `wide`. `key` tells items apart.
export class LongList {
  #columns;
  #key;
  #sort;
  #rows = new Map();
  #order = [];
  #items = new Map();
  #orderedAt = 0;
  #height = 56;
  #headers = [];

  constructor({ caption, columns, key, sort, signal }) {
    this.#columns = columns;
    this.#key = key;
    this.#sort = sort;
    this.body = h("tbody", {});
    this.above = this.#room();
    this.below = this.#room();
    this.body.append(this.above.row, this.below.row);
    this.table = h("table", { class: "long folding" }, h("caption", { class: "hidden" }, caption), this.#head(), this.body);
    this.element = h("div", { class: "table-box" }, this.table);
    let isDue = false;
    const soon = () => {
      if (!isDue) {
        isDue = true;
        requestAnimationFrame(() => {
          isDue = false;
          this.#draw();
        });
      }
    };
    addEventListener("scroll", soon, { passive: true, signal });
    addEventListener("resize", soon, { passive: true, signal });
  }

  /// Shows these items. The order is that of the column that was chosen; it
  /// changes by itself every few seconds, and never under the pointer.
  show(items) {
    const known = this.#items;
    this.#items = new Map(items.map((item) => [this.#key(item), item]));
    const isOther = known.size !== this.#items.size || [...this.#items.keys()].some((id) => !known.has(id));
    const isOld = REORDER_MS < performance.now() - this.#orderedAt;
    if (isOther || (isOld && !this.body.matches(":hover, :focus-within"))) {
      this.#arrange();
    }
    this.#draw();
  }

  #room() {
    const cell = h("td", { colspan: this.#columns.length });
    return { cell, row: h("tr", { class: "room", "aria-hidden": "true" }, cell) };
  }

  #head() {
    this.#headers = this.#columns.map((column) => {
      const choose = () => {
        const isSame = this.#sort.column === column;
        this.#sort = { column, isDown: isSame ? !this.#sort.isDown : Boolean(column.right) };
        this.#arrange();
        this.#draw();
      };
      const title = column.by ? h("button", { type: "button", onclick: choose }, column.title) : column.title;
      const look = [column.class, column.right && "right"].filter(Boolean).join(" ");
      return h("th", { scope: "col", class: look || null }, title);
    });
    this.#sort = { column: this.#columns.find((column) => column.title === this.#sort), isDown: false };
    return h("thead", {}, h("tr", {}, this.#headers));
  }

  #arrange() {
    this.#orderedAt = performance.now();
    const { column, isDown } = this.#sort;
    const turn = isDown ? -1 : 1;
    const by = column?.by ?? this.#key;
    const items = [...this.#items].map(([id, item]) => ({ id, value: by(item) }));
    items.sort((a, b) => turn * compare(a.value, b.value) || compare(a.id, b.id));
    this.#order = items.map((item) => item.id);
    this.#columns.forEach((one, at) => {
      const direction = isDown ? "descending" : "ascending";
      setAttribute(this.#headers[at], "aria-sort", one === column ? direction : null);
    });
  }

  #draw() {
    const top = this.above.row.getBoundingClientRect().top;
    const count = this.#order.length;
    const first = Math.min(count, Math.max(0, Math.floor(-top / this.#height) - BEYOND));
    const last = Math.min(count, Math.max(first, Math.ceil((innerHeight - top) / this.#height) + BEYOND));
    const shown = this.#order.slice(first, last);
    const wanted = new Set(shown);
    for (const [id, row] of this.#rows) {
      if (!wanted.has(id)) {
        row.element.remove();
        this.#rows.delete(id);
      }
    }
    let place = this.above.row.nextSibling;
    shown.forEach((id, at) => {
      const row = this.#row(id);
      const item = this.#items.get(id);
      row.shows.forEach((show) => show(item));
      setAttribute(row.element, "aria-rowindex", first + at + 2);
      if (row.element === place) {
        place = place.nextSibling;
      } else {
        this.body.insertBefore(row.element, place);
      }
    });
    setAttribute(this.table, "aria-rowcount", count + 1);
    this.above.cell.style.height = `${first * this.#height}px`;
    this.below.cell.style.height = `${(count - last) * this.#height}px`;
    this.#measure(shown);
  }

  #row(id) {
    let row = this.#rows.get(id);
    if (!row) {
      const cells = this.#columns.map((column) => {
        const look = [column.class, column.right && "right", column.wide && "wide"].filter(Boolean).join(" ");
        return h("td", { class: look || null, "data-label": column.label });
      });
      const shows = this.#columns.map((column, at) => column.cell(cells[at]));
      row = { element: h("tr", {}, cells), shows };
      this.#rows.set(id, row);
    }
    return row;
  }

  /// The height of a row depends on the width of the page.
  #measure([first]) {
    const height = first === undefined ? 0 : this.#rows.get(first).element.getBoundingClientRect().height;
    if (0 < height && 0.5 < Math.abs(height - this.#height)) {
      this.#height = height;
      requestAnimationFrame(() => this.#draw());
    }
  }
}

function compare(a, b) {
  if (typeof a === "string" || typeof b === "string") {
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }
  return (a ?? -1) - (b ?? -1);
}
