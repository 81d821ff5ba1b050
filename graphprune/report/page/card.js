// The card beside what is pointed at: the drawing of a graph and figures.

const card = document.querySelector(".card");
const CARD_MEASURES = 12;

let held = null;

/** Show content {title, graph, figures, text, error} near a point of the window, inside of it. */
function showCard({ title, graph, figures, text, error }, x, y) {
  const list = make("dl");
  for (const [name, value] of figures) list.append(make("dt", {}, name), make("dd", {}, value));
  const parts = [make("strong", {}, title)];
  if (graph) parts.push(graphDrawing(graph, 170));
  parts.push(list);
  if (text) parts.push(make("p", { class: error ? "error" : null }, text));
  card.replaceChildren(...parts);
  card.hidden = false;
  held = null;
  placeCard(x, y);
}

function placeCard(x, y) {
  const { width, height } = card.getBoundingClientRect();
  const left = x + 16 + width > innerWidth ? x - 16 - width : x + 16;
  card.style.left = `${clip(left, 4, Math.max(4, innerWidth - width - 4))}px`;
  card.style.top = `${clip(y - height / 2, 4, Math.max(4, innerHeight - height - 4))}px`;
}

/** Show content beside an element, and keep it there while the page scrolls. */
function holdCard(content, element) {
  showCard(content, 0, 0);
  held = element;
  placeBeside(element);
}

function placeBeside(element) {
  const { right, top, height } = element.getBoundingClientRect();
  placeCard(Math.min(right, innerWidth), top + height / 2);
}

function hideCard() {
  card.hidden = true;
  held = null;
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideCard();
});
addEventListener("scroll", () => (held ? placeBeside(held) : hideCard()), { passive: true });

/** What the card shows of one run. */
function runContent(values, index) {
  const rows = Rows.of(values);
  const status = rows.value("status", index);
  const wanted = ["level", "seed", ...values.outcomes, ...values.measures, "compact_ms", "seconds"];
  const figures = wanted
    .filter((name) => name in rows.packed && rows.value(name, index) !== null)
    .slice(0, CARD_MEASURES)
    .map((name) => figureOf(values, name, rows.value(name, index)));
  const error = rows.value("error", index);
  return {
    title: `${runName(rows, index)}${status === "done" ? "" : `, ${status}`}`,
    graph: values.graphs[rows.value("graph", index)],
    figures,
    text: error ? String(error).slice(0, 300) : missingGraph(values, rows.value("graph", index)),
    error: Boolean(error),
  };
}

/** What the card shows of a mean: means with intervals, and the graph of its first run. */
function groupContent(values, at) {
  const group = values.groups[at], rows = Rows.of(values);
  const known = [...values.outcomes, ...values.measures, ...values.costs].filter(
    (name) => group.means[name],
  );
  const graph = values.graphs[rows.value("graph", group.first)];
  return {
    title: `${groupName(group)}: mean of ${group.runs} run${group.runs === 1 ? "" : "s"}`,
    graph,
    figures: known.slice(0, CARD_MEASURES).map((name) => {
      const { short, kind } = values.quantities[name], mean = group.means[name];
      const outcome = values.outcomes.includes(name);
      return [short, outcome ? shownMean(mean, kind) : shown(mean[0], kind)];
    }),
    text: graph && group.runs > 1 ? `Drawn: the graph of ${runName(rows, group.first)}.` : "",
  };
}

function figureOf(values, name, value) {
  const { short, kind } = values.quantities[name];
  return [short, shown(value, kind)];
}

function missingGraph(values, name) {
  return name && !values.graphs[name] ? "This graph is not in the page." : "";
}

function runName(rows, index) {
  const degree = rows.value("degree", index);
  const family = rows.value("family", index);
  const number = rows.value("position", index) ?? index;
  const target = rows.value("target", index) ?? null;
  const asked = target === null ? "" : `, ${shown(target, "percent")} asked`;
  return `run ${number}: ${family}${degree === null ? "" : `, degree ${degree}`}${asked}`;
}

function groupName(group) {
  const parts = [group.name ?? group.family];
  if (group.degree !== null && group.degree !== undefined) parts.push(`degree ${group.degree}`);
  if (group.level !== null && group.level !== undefined) parts.push(`level ${shown(group.level)}`);
  if (group.target !== null && group.target !== undefined) parts.push(`${shown(group.target, "percent")} asked`);
  return parts.join(", ");
}
