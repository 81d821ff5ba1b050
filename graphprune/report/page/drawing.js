// A graph on a circle: nodes clockwise from the top, edges bent towards the centre.

const SVG = "http://www.w3.org/2000/svg";
const PULL = 0.35;
const MOST_LABELS = 40;

function svg(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** The drawing of a graph {nodes, ends} as an SVG element. */
function graphDrawing({ nodes, ends }, size) {
  const places = Array.from({ length: nodes }, (_, node) => {
    const angle = (2 * Math.PI * node) / nodes;
    return [Math.sin(angle), -Math.cos(angle)];
  });
  const count = ends.length / 2;
  const name = `graph of ${nodes} nodes and ${count} edges`;
  const crowd = Math.sqrt(Math.max(1, count));
  const edges = svg("path", {
    d: paths(places, ends), class: "edges",
    "stroke-width": clip(0.14 / crowd, 0.004, 0.016), "stroke-opacity": clip(9 / crowd, 0.2, 0.85),
  });
  const radius = clip(0.9 / nodes, 0.012, 0.045);
  const dots = places.map(([x, y]) => svg("circle", { cx: fix(x), cy: fix(y), r: radius }));
  const drawn = svg(
    "svg", { viewBox: "-1.2 -1.2 2.4 2.4", width: size, height: size, role: "img", class: "graph" },
    svg("title", {}, name), edges, svg("g", { class: "nodes" }, ...dots),
  );
  if (size >= 240 && nodes <= MOST_LABELS) drawn.append(labels(places));
  return drawn;
}

function paths(places, ends) {
  const lines = [];
  for (let at = 0; at + 1 < ends.length; at += 2) {
    const [x, y] = places[ends[at]], [u, v] = places[ends[at + 1]];
    const bend = (1 - PULL) / 2;
    const middle = `${fix(bend * (x + u))} ${fix(bend * (y + v))}`;
    lines.push(`M${fix(x)} ${fix(y)}Q${middle} ${fix(u)} ${fix(v)}`);
  }
  return lines.join("");
}

function labels(places) {
  const texts = places.map(([x, y], node) =>
    svg("text", { x: fix(1.11 * x), y: fix(1.11 * y + 0.025) }, String(node)),
  );
  return svg("g", { class: "labels" }, ...texts);
}

function fix(number) {
  return number.toFixed(3);
}

function clip(number, low, high) {
  return Math.min(high, Math.max(low, number));
}

/** The graph of a record, beside its measures. */
function drawGraph(element) {
  element.querySelector(".drawing").append(graphDrawing(valuesNear(element), 320));
}
