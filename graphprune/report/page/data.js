// Values that stand in the page: packed columns, and numbers as people read them.

const MISSING = "\u2013";
const parsed = new WeakMap();

/** The values nearest to an element, parsed once. */
function valuesNear(element) {
  const script = element.closest(".with-values, .part").querySelector(":scope > script.values");
  if (!parsed.has(script)) parsed.set(script, JSON.parse(script.textContent));
  return parsed.get(script);
}

/** Columns of runs; each is unpacked when it is first asked for. */
class Rows {
  constructor(packed) {
    this.count = packed.count;
    this.packed = packed.columns;
    this.unpacked = new Map();
  }

  static of(values) {
    values.unpackedRows ??= new Rows(values.rows);
    return values.unpackedRows;
  }

  get names() {
    return Object.keys(this.packed);
  }

  column(name) {
    if (!this.unpacked.has(name)) this.unpacked.set(name, this.unpack(this.packed[name]));
    return this.unpacked.get(name);
  }

  unpack(column) {
    if (column === undefined) return Array(this.count).fill(null);
    if ("all" in column) return Array(this.count).fill(column.all);
    return "words" in column ? column.at.map((at) => column.words[at]) : column.list;
  }

  value(name, index) {
    return this.column(name)[index] ?? null;
  }
}

/** A value as people read it; see `quantities.shown` for the same in tables without script. */
function shown(value, kind) {
  if (value === null || value === undefined) return MISSING;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "number") return String(value);
  if (kind === "percent") return `${(100 * value).toFixed(2)} %`;
  if (kind === "count") {
    const whole = Number.isInteger(value) || Math.abs(value) >= 1000;
    return value.toLocaleString("en", digits(whole ? 0 : 2));
  }
  if (kind === "seconds") return value.toLocaleString("en", digits(1));
  if (Math.abs(value) >= 1000) return value.toLocaleString("en", digits(0));
  if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(3);
  return value.toPrecision(4);
}

function digits(count) {
  return { minimumFractionDigits: count, maximumFractionDigits: count };
}

/** A mean (value, low, high, count) with its interval. */
function shownMean([value, low, high], kind) {
  if (low === null) return shown(value, kind);
  const [from, to] = [low, high].map((end) => shown(end, kind).replace(" %", ""));
  return `${shown(value, kind)} (${from} to ${to})`;
}

/** An element with text and children. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(key, "");
    else if (value !== null && value !== false) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}
