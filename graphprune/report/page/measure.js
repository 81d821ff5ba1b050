// An outcome against a measure of the graph: a panel for each degree.

const MOST_SINGLE = 3000;
const PANEL_HEIGHT = 360;
const BAND_POINTS = 25;

function drawMeasure(section) {
  const values = valuesNear(section);
  const panels = panelsOf(values.groups);
  const plot = (width, fields) => measurePlot(values, panels, width, fields);
  new Plot(section, plot, ({ customdata }) => contentOf(values, customdata));
}

/** What a point stands for: {run} or {group}. */
function contentOf(values, data) {
  if (data?.run !== undefined) return runContent(values, data.run);
  return data?.group === undefined ? null : groupContent(values, data.group);
}

/** Sizes and degrees, each with the numbers of its groups; dense networks stand in all. */
function panelsOf(groups) {
  const found = new Map();
  groups.forEach((group, at) => {
    if (group.degree === null) return;
    const key = `${group.nodes},${group.degree}`;
    if (!found.has(key)) found.set(key, { nodes: group.nodes, degree: group.degree, groups: [] });
    found.get(key).groups.push(at);
  });
  const everywhere = groups.flatMap((group, at) => (group.degree === null ? [at] : []));
  const panels = [...found.values()];
  if (!panels.length) panels.push({ nodes: null, degree: null, groups: [] });
  const sizes = new Set(panels.map((panel) => panel.nodes));
  for (const panel of panels) {
    panel.groups.push(...everywhere);
    const nodes = sizes.size > 1 ? `, ${panel.nodes} nodes` : "";
    panel.title = panel.degree === null ? "" : `degree ${panel.degree}${nodes}`;
  }
  return panels;
}

function measurePlot(values, panels, width, { measure, outcome, single }) {
  const most = width > 900 ? 3 : width > 560 ? 2 : 1;
  const columns = Math.min(most, panels.length), rows = Math.ceil(panels.length / columns);
  const runs = single ? sampledRuns(values, measure, outcome) : { chosen: [], total: 0 };
  const named = new Set(), traces = [];
  const layout = {}, annotations = [];
  const singles = runs.chosen.map((index) => Rows.of(values).value(outcome, index));
  const y = outcomeRange(values, values.groups.map((_, at) => at), outcome, singles);
  panels.forEach((panel, at) => {
    const place = panelPlace(at, columns, rows);
    const found = panelTraces(values, panel, runs.chosen, { measure, outcome });
    for (const trace of found.traces) traces.push(placed(trace, at, named));
    Object.assign(layout, panelAxes(values, place, at, { x: found.range, y }, { measure, outcome }));
    annotations.push(panelTitle(panel, place, found.empty));
  });
  const base = layoutFor(width, rows * PANEL_HEIGHT + 30, [...named]);
  const note = runs.chosen.length < runs.total
    ? `${runs.chosen.length.toLocaleString("en")} of ${runs.total.toLocaleString("en")} finished ` +
      "runs are drawn as single points, chosen evenly; means and intervals are of all."
    : "";
  return {
    traces, note,
    layout: { ...base, ...layout, annotations, uirevision: `${measure} ${outcome} ${columns}` },
  };
}

/** Finished runs with both values; evenly fewer where they are too many to draw. */
function sampledRuns(values, ...names) {
  const rows = Rows.of(values), columns = names.map((name) => rows.column(name));
  const status = rows.column("status"), all = [];
  for (let index = 0; index < rows.count; index += 1) {
    const known = columns.every((column) => (column[index] ?? null) !== null);
    if (status[index] === "done" && known) all.push(index);
  }
  const share = MOST_SINGLE / all.length;
  const chosen = share >= 1
    ? all
    : all.filter((index) => (Math.imul(index + 1, 2654435761) >>> 0) / 2 ** 32 < share);
  return { chosen, total: all.length };
}

function panelTraces(values, panel, chosen, { measure, outcome }) {
  const rows = Rows.of(values);
  const inside = chosen.filter(
    (index) => rows.value("degree", index) === panel.degree &&
      rows.value("nodes", index) === panel.nodes && panel.degree !== null,
  );
  const known = panel.groups.filter((at) => values.groups[at].means[outcome]);
  const hasPlace = (at) => values.groups[at].degree !== null && values.groups[at].means[measure];
  const marked = known.filter(hasPlace), across = known.filter((at) => !hasPlace(at));
  const all = [
    ...marked.map((at) => values.groups[at].means[measure][0]),
    ...inside.map((index) => rows.value(measure, index)),
  ];
  const range = padded(all);
  const traces = [
    ...across.flatMap((at) => bandTraces(values, at, outcome, range)),
    ...families(inside, (index) => rows.value("family", index)).map(([family, found]) =>
      singleTrace(values, family, found, measure, outcome),
    ),
    ...families(marked, (at) => values.groups[at].family).map(([family, found]) =>
      meanTrace(values, family, found, measure, outcome),
    ),
  ];
  return { traces, range, empty: known.length === 0 };
}

/** Items by family, in the order of the families' names. */
function families(items, familyOf) {
  return [...grouped(items, familyOf)].sort(([one], [other]) => (one < other ? -1 : 1));
}

function grouped(items, keyOf) {
  const found = new Map();
  for (const item of items) {
    const key = keyOf(item);
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(item);
  }
  return found;
}
