// Training curves: means by family and degree, or single runs, and runs that were ticked.

function drawCurves(section) {
  const values = valuesNear(section);
  const part = section.closest(".part");
  const plot = new Plot(section, (width, fields) => curvePlot(values, width, fields));
  part.addEventListener("ticked", () => plot.draw());
}

/** Numbers of the runs that were ticked in the table. */
function tickedOf(values) {
  values.ticked ??= new Set();
  return values.ticked;
}

function curvePlot(values, width, { quantity, group, band }) {
  const { means, single } = values.curves;
  const degrees = [...new Set(means.map((mean) => mean.degree ?? Infinity))].sort((a, b) => a - b);
  const dashOf = (degree) => DASHES[degrees.indexOf(degree ?? Infinity) % DASHES.length];
  const chosen = group === undefined || group === "means" ? means : [means[Number(group)]];
  const traces = [];
  if (group !== undefined && group !== "means") {
    for (const index of runsOf(values, chosen[0])) {
      traces.push(runTrace(values, index, quantity, { width: 1, opacity: 0.55, named: false }));
    }
  }
  for (const mean of chosen) traces.push(...meanCurve(mean, quantity, dashOf(mean.degree), band));
  for (const index of tickedOf(values)) {
    if (String(index) in single) traces.push(runTrace(values, index, quantity, { width: 3, opacity: 1, named: true }));
  }
  const entries = traces.filter((trace) => trace.showlegend !== false).map((trace) => trace.name);
  const { label, kind } = values.quantities[quantity];
  const layout = layoutFor(width, 380, entries);
  const epochs = new Set(traces.flatMap((trace) => trace.x));
  layout.xaxis = axis("epoch", "number", epochs.size <= 12 ? { dtick: 1 } : {});
  layout.yaxis = axis(label, kind, { range: curveRange(traces) });
  layout.uirevision = quantity;
  return { traces, layout, note: curveNote(values, chosen[0], group) };
}

/** Range of the lines; an interval much wider than they are is cut. */
function curveRange(traces) {
  const known = (fill) => traces
    .filter((trace) => (trace.fill === "toself") === fill)
    .flatMap((trace) => trace.y.filter((value) => value !== null && value !== undefined));
  return cutRange(known(false), known(true));
}

/** Row numbers whose single curves are in the page, of one family and degree. */
function runsOf(values, { family, nodes, degree, target }) {
  const rows = Rows.of(values);
  return Object.keys(values.curves.single).map(Number).filter(
    (index) => rows.value("family", index) === family && rows.value("degree", index) === degree &&
      rows.value("nodes", index) === nodes && (rows.value("target", index) ?? null) === target,
  );
}

function meanCurve(mean, quantity, dash, withBand) {
  const look = lookOf(mean.family), found = mean.means[quantity];
  const name = plain(groupName(mean));
  const line = {
    type: "scatter", mode: mean.epoch.length <= 12 ? "lines+markers" : "lines", name,
    legendgroup: name, x: mean.epoch, y: found.map((one) => one?.[0] ?? null),
    line: { color: look.colour, width: 2.2, dash }, marker: marker(look, 7), connectgaps: true,
    hovertemplate: `${name}<br>epoch %{x}: %{y}<extra></extra>`,
  };
  const known = mean.epoch.map((epoch, at) => [epoch, found[at]]).filter(([, one]) => one && one[1] !== null);
  if (!withBand || known.length < 2) return [line];
  const back = [...known].reverse();
  const band = {
    type: "scatter", mode: "lines", legendgroup: name, showlegend: false, hoverinfo: "skip",
    x: [...known.map(([epoch]) => epoch), ...back.map(([epoch]) => epoch)],
    y: [...known.map(([, one]) => one[1]), ...back.map(([, one]) => one[2])],
    fill: "toself", fillcolor: faint(look.colour, 0.13), line: { width: 0 },
  };
  return [band, line];
}

function runTrace(values, index, quantity, { width, opacity, named }) {
  const rows = Rows.of(values), curve = values.curves.single[index];
  const look = lookOf(rows.value("family", index));
  const name = plain(runName(rows, index));
  return {
    type: "scatter", mode: "lines", name, showlegend: named, opacity, connectgaps: true,
    x: curve.epoch, y: curve[quantity], line: { color: look.colour, width },
    hovertemplate: `${name}<br>epoch %{x}: %{y}<extra></extra>`,
  };
}

function curveNote(values, chosen, group) {
  if (group === undefined || group === "means") return "";
  const drawn = runsOf(values, chosen).length;
  return drawn < chosen.runs ? `${drawn} of ${chosen.runs} runs have their single curve in this page.` : "";
}
