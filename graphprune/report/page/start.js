// Everything is there: draw.

const DRAW = {
  measure: drawMeasure,
  front: drawFront,
  curves: drawCurves,
  lines: drawLines,
  forest: drawForest,
  graph: drawGraph,
  runs: drawRuns,
};

for (const controls of document.querySelectorAll(".controls")) controls.hidden = false;
for (const element of document.querySelectorAll("[data-draw]")) DRAW[element.dataset.draw](element);

const paper = matchMedia("print");
paper.addEventListener("change", () => setPrinting(paper.matches));
addEventListener("beforeprint", () => setPrinting(true));
addEventListener("afterprint", () => setPrinting(false));
if (paper.matches) setPrinting(true);
