// Lines of records of benchmarks.

function drawLines(section) {
  const values = valuesNear(section);
  new Plot(section, (width) => linePlot(values, width));
}

function linePlot({ series, x, y, level }, width) {
  const traces = series.map((one, number) => {
    const look = lookAt(number);
    return {
      type: "scatter", mode: "lines+markers", name: plain(one.name), x: one.x, y: one.y,
      line: { color: look.colour, width: 2, dash: look.dash }, marker: marker(look, 8),
      error_y: one.low ? errorBars(look, one.y, one.low, one.high) : undefined,
      hovertemplate: `${plain(one.name)}<br>%{x}: %{y}<extra></extra>`,
    };
  });
  const entries = series.map((one) => one.name);
  if (level) {
    const all = series.flatMap((one) => one.x);
    traces.push({
      type: "scatter", mode: "lines", name: level[0], hoverinfo: "skip",
      x: [Math.min(...all), Math.max(...all)], y: [level[1], level[1]],
      line: { color: theme().muted, width: 1.5, dash: "dot" },
    });
    entries.push(level[0]);
  }
  const layout = layoutFor(width, 400, entries);
  const places = [...new Set(series.flatMap((one) => one.x))];
  const few = x.kind === "log" && places.length <= 6;
  layout.xaxis = axis(x.label, x.kind, few ? { tickmode: "array", tickvals: places } : {});
  layout.yaxis = axis(y.label, y.kind, { range: lineRange(series, level) });
  layout.uirevision = "lines";
  return { traces, layout };
}

/** Range of the points; an interval much wider than all else is cut. */
function lineRange(series, level) {
  const known = (values) => (values ?? []).filter((value) => value !== null);
  const middles = series.flatMap((one) => known(one.y));
  const ends = series.flatMap((one) => [...known(one.low), ...known(one.high)]);
  return cutRange(level ? [...middles, level[1]] : middles, ends);
}
