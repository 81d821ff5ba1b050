// Which rows of a table are shown, and in which order.

const COMPARISON = /^([a-z_]+)(<=|>=|=|<|>)(.+)$/i;
const COMPARE = {
  "<": (one, other) => one < other,
  ">": (one, other) => one > other,
  "<=": (one, other) => one <= other,
  ">=": (one, other) => one >= other,
  "=": (one, other) => one === other,
};

/** A test of a row number from words and comparisons, each of which must hold. */
function rowTest(rows, words, exact) {
  const tests = words.toLowerCase().split(/\s+/).filter(Boolean).map((word) => wordTest(rows, word));
  for (const [name, value] of Object.entries(exact)) {
    if (!value) continue;
    const column = rows.column(name);
    tests.push((index) => String(column[index]) === value);
  }
  return (index) => tests.every((test) => test(index));
}

function wordTest(rows, word) {
  const found = COMPARISON.exec(word);
  const name = found?.[1];
  if (!found || !(name in rows.packed)) return (index) => rowText(rows, index).includes(word);
  const column = rows.column(name), wanted = Number(found[3]);
  if (Number.isNaN(wanted)) return (index) => String(column[index]).toLowerCase() === found[3];
  return (index) => typeof column[index] === "number" && COMPARE[found[2]](column[index], wanted);
}

/** The words of a row, made when they are first asked for. */
function rowText(rows, index) {
  rows.texts ??= [];
  rows.texts[index] ??= rows.names
    .map((name) => rows.column(name)[index])
    .filter((value) => typeof value === "string")
    .join(" ")
    .toLowerCase();
  return rows.texts[index];
}

/** Row numbers by a column: numbers by size, others as text, missing ones last either way. */
function ordered(rows, indices, name, ascending) {
  const column = rows.column(name), sign = ascending ? 1 : -1;
  const collator = new Intl.Collator("en", { numeric: true });
  const compare = (one, other) => {
    const a = column[one] ?? null, b = column[other] ?? null;
    if (a === null || b === null) return (a === null) - (b === null) || one - other;
    const numbers = typeof a === "number" && typeof b === "number";
    const found = numbers ? a - b : collator.compare(String(a), String(b));
    return sign * found || one - other;
  };
  return [...indices].sort(compare);
}
