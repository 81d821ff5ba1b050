// Outcome against cost: means with intervals, and the line of those that no other beats.

function drawFront(section) {
  const values = valuesNear(section);
  const plot = (width, fields) => frontPlot(values, width, fields);
  new Plot(section, plot, ({ customdata }) => contentOf(values, customdata));
}

function frontPlot(values, width, { cost, outcome, single }) {
  const known = values.groups.flatMap((group, at) =>
    group.means[cost] && group.means[outcome] ? [at] : [],
  );
  const rows = Rows.of(values);
  const runs = single ? sampledRuns(values, cost, outcome) : { chosen: [] };
  const byFamily = families(known, (at) => values.groups[at].family);
  const traces = families(runs.chosen, (index) => rows.value("family", index)).map(
    ([family, found]) => singleTrace(values, family, found, cost, outcome),
  );
  traces.push(frontTrace(values, cost, outcome));
  for (const [family, found] of byFamily) traces.push(costTrace(values, family, found, cost, outcome));
  const x = values.quantities[cost], y = values.quantities[outcome];
  const layout = layoutFor(width, 400, ["no other is better", ...byFamily.map(([name]) => name)]);
  layout.xaxis = axis(x.label, x.kind);
  const singles = runs.chosen.map((index) => rows.value(outcome, index));
  layout.yaxis = axis(y.label, y.kind, { range: outcomeRange(values, known, outcome, singles) });
  layout.uirevision = `${cost} ${outcome}`;
  return { traces, layout, note: unplaced(values, known, x.label) };
}

function frontTrace(values, cost, outcome) {
  const front = values.fronts[cost]?.[outcome] ?? [];
  return {
    type: "scatter", mode: "lines", name: "no other is better", hoverinfo: "skip",
    x: front.map((at) => middle(values, at, cost)),
    y: front.map((at) => middle(values, at, outcome)),
    line: { color: theme().muted, width: 2, dash: "dash", shape: "hv" },
  };
}

function costTrace(values, family, groups, cost, outcome) {
  const trace = meanTrace(values, family, groups, cost, outcome);
  const named = sharesNamed(values, cost, outcome);
  const [low, high] = lowAndHigh(values.groups.flatMap((group) => group.means[cost]?.slice(0, 1) ?? []));
  return {
    ...trace,
    mode: "markers+text",
    text: trace.customdata.map(({ group }) => named.get(group) ?? ""),
    textposition: trace.x.map((x) => (x > (low + high) / 2 ? "top left" : "top right")),
    textfont: { size: 11, color: theme().ink },
  };
}

/** Pruned share beside the best point of the front that has it, by group. */
function sharesNamed(values, cost, outcome) {
  const best = new Map();
  for (const at of values.fronts[cost]?.[outcome] ?? []) {
    const density = values.groups[at].means.density?.[0];
    if (density !== undefined) best.set(`${(100 * (1 - density)).toFixed(0)} % pruned`, at);
  }
  return new Map([...best].map(([text, at]) => [at, text]));
}

/** Families without a value across, in words. */
function unplaced(values, known, label) {
  const placed = new Set(known.map((at) => values.groups[at].family));
  const missing = [...new Set(values.groups.map((group) => group.family))].filter(
    (family) => !placed.has(family),
  );
  return missing.length ? `Not drawn, for nobody measured their ${label}: ${missing.join(", ")}.` : "";
}
