// What stands in a panel: means with intervals, single runs, bands across.

function meanTrace(values, family, groups, x, y) {
  const look = lookOf(family);
  const ordered = [...groups].sort((a, b) => middle(values, a, x) - middle(values, b, x));
  const ends = ordered.map((at) => values.groups[at].means[y]);
  const middles = ends.map(([mean]) => mean);
  return {
    type: "scatter",
    mode: ordered.length > 1 ? "lines+markers" : "markers",
    name: plain(family),
    legendgroup: family,
    legendrank: rankOf(family),
    x: ordered.map((at) => middle(values, at, x)),
    y: middles,
    error_y: errorBars(look, middles, ends.map((end) => end[1]), ends.map((end) => end[2])),
    line: { color: look.colour, width: 1.4 },
    marker: marker(look, 11),
    customdata: ordered.map((at) => ({ group: at })),
    hoverinfo: "none",
  };
}

function middle(values, at, name) {
  return values.groups[at].means[name][0];
}

function singleTrace(values, family, runs, x, y) {
  const look = lookOf(family), rows = Rows.of(values);
  return {
    type: "scatter",
    mode: "markers",
    name: plain(family),
    legendgroup: family,
    showlegend: false,
    x: runs.map((index) => rows.value(x, index)),
    y: runs.map((index) => rows.value(y, index)),
    marker: { color: look.colour, symbol: look.mark, size: 6, opacity: 0.45 },
    customdata: runs.map((index) => ({ run: index })),
    hoverinfo: "none",
  };
}

/** A mean that holds all across, with its interval as a band. */
function bandTraces(values, at, outcome, [left, right]) {
  const group = values.groups[at], look = lookOf(group.family);
  const [mean, low, high] = group.means[outcome];
  const x = Array.from({ length: BAND_POINTS }, (_, step) =>
    left + ((right - left) * step) / (BAND_POINTS - 1),
  );
  const dense = group.family === "dense", name = plain(group.family);
  const labelled = dense ? BAND_POINTS - 1 : 0;
  const line = {
    type: "scatter", mode: "lines+text", name, legendgroup: group.family,
    legendrank: rankOf(group.family), x, y: x.map(() => mean),
    line: { color: look.colour, width: 2, dash: dense ? "dash" : "dot" },
    text: x.map((_, step) => (step === labelled ? name : "")),
    textposition: dense ? "top left" : "top right", textfont: { size: 11, color: theme().ink },
    customdata: x.map(() => ({ group: at })), hoverinfo: "none",
  };
  if (low === null) return [line];
  const band = {
    type: "scatter", mode: "lines", legendgroup: group.family, showlegend: false,
    x: [left, right, right, left], y: [low, low, high, high], fill: "toself",
    fillcolor: faint(look.colour, 0.14), line: { width: 0 }, hoverinfo: "skip",
  };
  return [band, line];
}

/** Range of an axis for outcomes: an interval much wider than all else is cut. */
function outcomeRange(values, groups, outcome, singles) {
  const found = groups.map((at) => values.groups[at].means[outcome]).filter(Boolean);
  const ends = found.flatMap(([, least, most]) => (least === null ? [] : [least, most]));
  return cutRange([...singles, ...found.map(([mean]) => mean)], ends);
}

/** Range that holds all of the middles, and the ends of intervals that are not far off. */
function cutRange(middles, ends) {
  if (!middles.length) return [0, 1];
  const [low, high] = lowAndHigh(middles), reach = 0.35 * (high - low || Math.abs(high) || 1);
  return padded([...middles, ...ends.map((end) => clip(end, low - reach, high + reach))]);
}

function lowAndHigh(numbers) {
  return numbers.reduce(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [Infinity, -Infinity]);
}

/** Range of an axis with room at both ends. */
function padded(numbers) {
  if (!numbers.length) return [0, 1];
  const [low, high] = lowAndHigh(numbers);
  const room = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
  return [low - room, high + room];
}

/** Where a panel lies, in shares of the plot. */
function panelPlace(at, columns, rows) {
  const column = at % columns, row = Math.floor(at / columns);
  const gapX = columns > 1 ? 0.05 : 0, gapY = rows > 1 ? 0.24 / rows : 0;
  const wide = (1 - gapX * (columns - 1)) / columns, tall = (1 - gapY * (rows - 1)) / rows;
  const left = column * (wide + gapX), top = 1 - row * (tall + gapY);
  return { x: [left, left + wide], y: [Math.max(0, top - tall), top], first: column === 0 };
}

function panelAxes(values, place, at, ranges, { measure, outcome }) {
  const number = at === 0 ? "" : at + 1;
  const x = values.quantities[measure], y = values.quantities[outcome];
  return {
    [`xaxis${number}`]: axis(x.label, x.kind, {
      domain: place.x, anchor: `y${number}`, range: ranges.x,
    }),
    [`yaxis${number}`]: axis(place.first ? y.label : "", y.kind, {
      domain: place.y, anchor: `x${number}`, matches: at === 0 ? undefined : "y",
      showticklabels: place.first, range: ranges.y,
    }),
  };
}

function panelTitle(panel, place, empty) {
  return {
    text: empty ? `${panel.title}: no finished run has this outcome` : panel.title,
    x: (place.x[0] + place.x[1]) / 2, y: place.y[1], xref: "paper", yref: "paper",
    yanchor: "bottom", showarrow: false, font: { size: 13 },
  };
}

/** A trace on the axes of its panel; a family is named once in the legend. */
function placed(trace, at, named) {
  const number = at === 0 ? "" : at + 1;
  const first = trace.showlegend !== false && !named.has(trace.name);
  if (first) named.add(trace.name);
  return { ...trace, xaxis: `x${number}`, yaxis: `y${number}`, showlegend: first };
}
