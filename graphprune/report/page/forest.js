// Estimates with their intervals, one below the other, beside zero.

const LINE_HEIGHT = 30;

function drawForest(section) {
  const values = valuesNear(section);
  new Plot(section, (width) => forestPlot(values, width));
}

function forestPlot({ groups, x }, width) {
  const names = [...new Set(groups.flatMap((group) => group.lines.map((line) => line.name)))];
  const apart = 0.5 / groups.length;
  const traces = groups.map((group, number) => {
    const look = lookAt(number), shift = (number - (groups.length - 1) / 2) * apart;
    const middles = group.lines.map((line) => line.value);
    const ends = (end) => group.lines.map((line) => line[end]);
    return {
      type: "scatter", mode: "markers", name: plain(group.name), x: middles,
      y: group.lines.map((line) => names.indexOf(line.name) + shift), marker: marker(look, 9),
      error_x: errorBars(look, middles, ends("low"), ends("high")),
      text: group.lines.map((line) => plain(estimateText(line))),
      hovertemplate: "%{text}<extra></extra>",
    };
  });
  const several = groups.length > 1 ? groups.map((group) => group.name) : [];
  const layout = layoutFor(width, names.length * LINE_HEIGHT + 90, several);
  layout.xaxis = axis(x, "number", { zeroline: true, zerolinecolor: theme().muted, zerolinewidth: 2 });
  layout.yaxis = axis("", "number", {
    tickmode: "array", tickvals: names.map((_, at) => at), ticktext: names.map((name) => wrapped(name, width)),
    range: [names.length - 0.4, -0.6], ticklabelstandoff: 6,
  });
  layout.uirevision = "forest";
  return { traces, layout };
}

function estimateText({ name, value, low, high }) {
  const known = low !== null && high !== null;
  return `${name}: ${shown(value)}${known ? ` (${shown(low)} to ${shown(high)})` : ""}`;
}

/** A name on two lines where one would take too much of a narrow plot. */
function wrapped(name, width) {
  const middle = name.indexOf(" ", Math.floor(name.length / 2) - 2);
  if (width > 600 || name.length < 16 || middle < 0) return plain(name);
  return `${plain(name.slice(0, middle))}<br>${plain(name.slice(middle + 1))}`;
}
