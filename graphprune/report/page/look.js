// Colours, marks and the parts of a layout that all plots share.

const BLUE = "#0072B2", RED = "#D55E00", GREEN = "#009E73", ORANGE = "#E69F00";
const PURPLE = "#CC79A7", SKY = "#56B4E9", GREY = "#808080";
const KNOWN = {
  searched: { colour: BLUE, mark: "circle" },
  "small-world": { colour: ORANGE, mark: "triangle-up" },
  "random-regular": { colour: RED, mark: "square" },
  ring: { colour: GREEN, mark: "diamond" },
  unstructured: { colour: PURPLE, mark: "x" },
  dense: { colour: null, mark: "star" },
};
const RANKS = Object.keys(KNOWN);
const COLOURS = [BLUE, RED, GREEN, ORANGE, PURPLE, SKY, null, GREY];
const MARKS = ["circle", "square", "diamond", "triangle-up", "x", "star", "cross", "hexagon"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const PAPER_WIDTH = 680;

const dark = matchMedia("screen and (prefers-color-scheme: dark)");
const LIGHT_THEME = { ink: "#1b1b1b", muted: "#555555", grid: "#e3e3e3", paper: "#ffffff" };
const DARK_THEME = { ink: "#ececec", muted: "#b4b4b4", grid: "#3a3a3a", paper: "#17191c" };

function theme() {
  return dark.matches && !printing ? DARK_THEME : LIGHT_THEME;
}

/** Colour and mark of a family; others get the next free ones, but not the ink of dense. */
const others = [];
function lookOf(family) {
  if (family in KNOWN) return { ...KNOWN[family], colour: KNOWN[family].colour ?? theme().ink };
  if (!others.includes(family)) others.push(family);
  const look = lookAt(others.indexOf(family) + 5), hues = COLOURS.filter((colour) => colour !== null);
  return { ...look, colour: hues[(others.indexOf(family) + 5) % hues.length] };
}

/** Colour, mark and dash of the line with this number. */
function lookAt(number) {
  const turn = Math.floor(number / COLOURS.length);
  return {
    colour: COLOURS[number % COLOURS.length] ?? theme().ink,
    mark: MARKS[(number + turn) % MARKS.length],
    dash: DASHES[(number + turn) % DASHES.length],
  };
}

/** Place of a family in legends. */
function rankOf(family) {
  const rank = RANKS.indexOf(family);
  return 1 + (rank < 0 ? RANKS.length : rank);
}

/** Text that a plot shows as it is: Plotly would take tags and entities in it for markup. */
function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A colour with an opacity. */
function faint(colour, opacity) {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return `rgba(${parts.join(",")},${opacity})`;
}

function axis(title, kind, extra = {}) {
  const { ink, muted, grid } = theme();
  if (kind === "percent" && extra.range) {
    extra.range = [Math.max(-0.03, extra.range[0]), Math.min(1.03, extra.range[1])];
  }
  return {
    title: { text: plain(title), font: { size: 13, color: ink }, standoff: 8 },
    tickfont: { size: 11, color: muted },
    tickformat: kind === "percent" ? ".3~p" : undefined,
    type: kind === "log" ? "log" : kind === "category" ? "category" : "linear",
    gridcolor: grid,
    linecolor: muted,
    zeroline: false,
    showline: true,
    automargin: true,
    ...extra,
  };
}

/** Layout that all plots share; `entries` names in the legend need room below. */
function layoutFor(width, height, entries) {
  const { ink, paper } = theme();
  const letters = Math.max(0, ...entries.map((name) => name.length));
  const room = Math.max(1, Math.floor((width - 20) / (68 + 6.5 * letters)));
  const legend = entries.length ? 22 * Math.ceil(entries.length / room) + 12 : 0;
  return {
    width,
    height: height + legend,
    margin: { l: 64, r: 18, t: 30, b: 52 + legend },
    paper_bgcolor: paper,
    plot_bgcolor: paper,
    font: { family: "system-ui, sans-serif", size: 12, color: ink },
    hovermode: "closest",
    dragmode: "zoom",
    showlegend: entries.length > 0,
    legend: {
      orientation: "h", x: 0, xref: "container", y: 0, yref: "container", yanchor: "bottom",
      font: { size: 12, color: ink }, bgcolor: "rgba(0,0,0,0)", itemsizing: "constant", itemwidth: 40,
      maxheight: 1,
    },
  };
}

/** Marks with a thin rim, so that pale colours stand out too. */
function marker(look, size) {
  return { color: look.colour, symbol: look.mark, size, line: { width: 1, color: theme().ink } };
}

/** Ends of intervals as error bars. */
function errorBars(look, middles, lows, highs) {
  return {
    type: "data", symmetric: false, color: look.colour, thickness: 1.6, width: 4,
    array: middles.map((middle, at) => (highs[at] === null ? NaN : highs[at] - middle)),
    arrayminus: middles.map((middle, at) => (lows[at] === null ? NaN : middle - lows[at])),
  };
}
