// The medium: paper shows all, on white, in one width.

let printing = false;
const onPrinting = [];

/** Call something whenever paper comes or goes. */
function whenPrinting(act) {
  onPrinting.push(act);
}

function setPrinting(on) {
  if (printing === on) return;
  printing = on;
  for (const details of document.querySelectorAll("details:not(.chooser)")) openFor(details, on);
  hideCard();
  drawAll();
  for (const act of onPrinting) act();
}

/** Open a part for paper, and close it afterwards if it was closed. */
function openFor(details, paper) {
  if (paper) {
    details.dataset.open = details.open;
    details.open = true;
  } else {
    details.open = details.dataset.open === "true";
  }
}
