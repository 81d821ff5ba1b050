// One plot: drawn anew whenever its fields, its width, the theme or the medium change.

const CONFIG = {
  displaylogo: false,
  showLink: false,
  showSendToCloud: false,
  plotlyServerURL: "",
  responsive: false,
  displayModeBar: "hover",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  toImageButtonOptions: { format: "svg", filename: "plot" },
};
const plots = [];

/**
 * A plot in a section.
 *
 * `draw(width, fields)` gives `traces`, `layout` and a `note` in words; `pointed(point)` gives
 * what the card shows of a point, or nothing.
 */
class Plot {
  constructor(section, draw, pointed = () => null) {
    this.section = section;
    this.place = section.querySelector(".plot");
    this.make = draw;
    this.pointed = pointed;
    this.width = 0;
    this.started = false;
    section.querySelector(".controls")?.addEventListener("change", () => this.draw());
    plots.push(this);
    this.draw();
  }

  get fields() {
    const found = this.section.querySelectorAll(".controls [name]");
    const value = (field) => (field.type === "checkbox" ? field.checked : field.value);
    return Object.fromEntries([...found].map((field) => [field.name, value(field)]));
  }

  draw() {
    this.width = printing ? PAPER_WIDTH : Math.max(240, this.place.clientWidth);
    const { traces, layout, note } = this.make(this.width, this.fields);
    const told = this.section.querySelector(".note");
    told.textContent = note ?? "";
    told.hidden = !note;
    Plotly.react(this.place, traces, layout, CONFIG);
    if (!this.started) this.listen();
  }

  listen() {
    this.started = true;
    this.place.on("plotly_hover", ({ points, event }) => {
      const content = this.pointed(points[0]);
      if (content) showCard(content, event.clientX, event.clientY);
    });
    this.place.on("plotly_unhover", hideCard);
  }
}

/** Draw every plot again; only those whose width changed, if `resized`. */
function drawAll(resized = false) {
  for (const plot of plots) {
    if (!resized || plot.place.clientWidth !== plot.width) plot.draw();
  }
}

let waiting = 0;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => drawAll(true), 150);
});
dark.addEventListener("change", () => drawAll());
