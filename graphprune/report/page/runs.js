// The table of all runs: sorted, filtered, a page at a time; on paper as many as fit.

const PAGE = 50;
const MOST_PRINTED = 1000;
const HIDDEN_AT_FIRST = ["key", "graph", "worker", "started", "ended", "attempts", "role", "nodes", "ratio"];

const PAPER_COLUMNS = [
  "position", "status", "family", "degree", "level", "seed", "accuracy", "held_out_accuracy",
  "aspl", "clustering", "spectral_gap", "compact_ms", "seconds",
];

/** Fill the place of the table and serve its fields. */
function drawRuns(section) {
  new RunTable(section, valuesNear(section));
}

class RunTable {
  constructor(section, values) {
    this.section = section;
    this.values = values;
    this.rows = Rows.of(values);
    this.sort = { name: "position", ascending: true };
    this.page = 0;
    this.columns = this.rows.names.filter((name) => this.isTelling(name));
    this.build();
    this.refresh();
    whenPrinting(() => this.show());
  }

  /** Whether a column is shown at first: not where all values are missing. */
  isTelling(name) {
    const packed = this.rows.packed[name];
    return !HIDDEN_AT_FIRST.includes(name) && !("all" in packed && packed.all === null);
  }

  get hasCurves() {
    return Object.keys(this.values.curves.single).length > 0;
  }

  build() {
    this.head = make("tr");
    this.body = make("tbody");
    const caption = make("caption", {}, "All runs");
    const table = make("table", {}, caption, make("thead", {}, this.head), this.body);
    const scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "All runs" }, table);
    this.told = make("span", { class: "told", "aria-live": "polite" });
    const turn = (step, text) => {
      const button = make("button", { type: "button" }, text);
      button.addEventListener("click", () => this.turn(step));
      return button;
    };
    this.back = turn(-1, "Previous");
    this.on = turn(1, "Next");
    const pager = make("div", { class: "pager" }, this.back, this.on, this.told);
    this.section.querySelector(".runs").append(this.chooser(), pager, scroll);
    this.section.querySelector(".controls").addEventListener("input", () => this.refresh());
    this.listen();
  }

  /** Boxes that show and hide columns. */
  chooser() {
    const boxes = this.rows.names.map((name) => {
      const box = make("input", { type: "checkbox", checked: this.columns.includes(name) });
      box.addEventListener("change", () => {
        this.columns = this.rows.names.filter((one) => (one === name ? box.checked : this.columns.includes(one)));
        this.show();
      });
      return make("label", {}, box, ` ${this.quantity(name).short}`);
    });
    return make("details", { class: "chooser" }, make("summary", {}, "Columns"), ...boxes);
  }

  quantity(name) {
    return this.values.quantities[name] ?? { short: name, label: name, kind: "number" };
  }

  /** Columns that are shown now: on paper only as many as fit across. */
  get shownColumns() {
    return printing ? this.columns.filter((name) => PAPER_COLUMNS.includes(name)) : this.columns;
  }

  /** Filter and sort anew, from the first page. */
  refresh() {
    const field = (name) => this.section.querySelector(`.controls [name=${name}]`).value;
    const test = rowTest(this.rows, field("words"), { status: field("status"), family: field("family") });
    const all = Array.from({ length: this.rows.count }, (_, index) => index).filter(test);
    this.found = ordered(this.rows, all, this.sort.name, this.sort.ascending);
    this.page = 0;
    this.show();
  }

  turn(step) {
    this.page += step;
    this.show();
  }

  show() {
    const pages = Math.max(1, Math.ceil(this.found.length / PAGE));
    this.page = clip(this.page, 0, pages - 1);
    const from = printing ? 0 : this.page * PAGE;
    const shownRows = this.found.slice(from, printing ? MOST_PRINTED : from + PAGE);
    this.showHead();
    this.body.replaceChildren(...shownRows.map((index) => this.row(index)));
    this.back.disabled = this.page === 0;
    this.on.disabled = this.page === pages - 1;
    this.told.textContent = this.tell(from, shownRows.length);
  }

  tell(from, count) {
    const number = (value) => value.toLocaleString("en");
    if (!count) return `None of ${number(this.rows.count)} runs fits the filter.`;
    const found = this.found.length;
    const of = found === this.rows.count ? `${number(found)} runs` : `${number(found)} runs that fit the filter, of ${number(this.rows.count)}`;
    const all = this.columns.length, columns = this.shownColumns.length;
    const left = columns < all ? ` ${columns} of ${all} columns.` : "";
    return `Runs ${number(from + 1)} to ${number(from + count)} of ${of}.${left}`;
  }

  showHead() {
    const heads = this.shownColumns.map((name) => {
      const sorted = this.sort.name === name;
      const button = make("button", { type: "button", title: this.quantity(name).label }, this.quantity(name).short);
      button.addEventListener("click", () => this.sortBy(name));
      const way = sorted ? (this.sort.ascending ? "ascending" : "descending") : "none";
      return make("th", { scope: "col", "aria-sort": way, "data-name": name }, button);
    });
    const focused = document.activeElement?.closest?.("th")?.dataset.name;
    const curve = this.hasCurves && !printing ? [make("th", { scope: "col" }, "curve")] : [];
    this.head.replaceChildren(...curve, ...heads);
    if (focused) this.head.querySelector(`[data-name="${CSS.escape(focused)}"] button`)?.focus();
  }

  sortBy(name) {
    const same = this.sort.name === name;
    this.sort = { name, ascending: same ? !this.sort.ascending : true };
    this.refresh();
  }

  row(index) {
    const status = this.rows.value("status", index);
    const cells = this.shownColumns.map((name) => {
      const value = this.rows.value(name, index), { kind } = this.quantity(name);
      const number = typeof value === "number" || value === null;
      return make("td", { class: name === "error" ? "error" : number ? "number" : null }, shown(value, kind));
    });
    if (this.hasCurves && !printing) cells.unshift(make("td", {}, this.tick(index)));
    return make("tr", { tabindex: "0", "data-run": index, class: `status-${status}` }, ...cells);
  }

  /** A box that adds the run's curve to the training curves. */
  tick(index) {
    if (!(String(index) in this.values.curves.single)) return MISSING;
    const ticked = tickedOf(this.values);
    const name = `curve of run ${this.rows.value("position", index)}`;
    const box = make("input", { type: "checkbox", tabindex: "-1", "aria-label": name, checked: ticked.has(index) });
    box.addEventListener("change", () => {
      if (box.checked) ticked.add(index);
      else ticked.delete(index);
      this.section.closest(".part").dispatchEvent(new Event("ticked"));
    });
    return box;
  }

  /** The card of the row that has the focus; arrows go on, Enter ticks the row's curve. */
  listen() {
    this.body.addEventListener("focusin", ({ target }) => {
      const row = target.closest("tr");
      holdCard(runContent(this.values, Number(row.dataset.run)), row);
    });
    this.body.addEventListener("focusout", hideCard);
    this.body.addEventListener("keydown", (event) => {
      const row = event.target.closest("tr");
      const next = { ArrowDown: row.nextSibling, ArrowUp: row.previousSibling }[event.key];
      if (next) {
        event.preventDefault();
        next.focus();
      } else if (event.key === "Enter") {
        row.querySelector("input")?.click();
      }
    });
  }
}
