// Rows a second over the time of the run, as an area with three lines to measure it by.

import { byId, drawing, write } from "./dom.js";
import { compact, duration } from "./format.js";

const HEIGHT = 180;
const LEFT = 44;
const RIGHT = 4;
const BOTTOM = 20;
const TOP = 8;

let shown = "";

/** Draws it. It is there during a run, and stays where there was something to draw. */
export function show(model) {
  const chart = byId("chart");
  const stretches = model.pace.stretches(model.isRunning ? model.now() : null);
  const width = chart.clientWidth || 600;
  const signature = JSON.stringify([model.run?.id, stretches.length, stretches.at(-1), model.isRunning, width]);
  const rate = model.isRunning ? model.pace.rate(model.now()) : null;
  write(byId("chart-now"), rate === null ? "" : `${compact(rate)} rows/s now`);
  if (signature === shown) return;
  shown = signature;
  chart.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  const peak = Math.max(0, ...stretches.map((stretch) => stretch.rate));
  byId("chart-panel").hidden = peak === 0 && !model.isRunning;
  if (peak === 0) {
    chart.setAttribute("aria-label", "no rows were counted yet");
    chart.replaceChildren(text("no rows were counted yet", { x: width / 2, y: HEIGHT / 2, class: "none" }));
    return;
  }
  draw(chart, stretches, peak, width);
}

function draw(chart, stretches, peak, width) {
  const top = niceCeiling(peak);
  const [begin, end] = [stretches[0].from, stretches.at(-1).to];
  const x = (at) => (LEFT + ((width - LEFT - RIGHT) * (at - begin)) / (end - begin)).toFixed(1);
  const y = (value) => (TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)).toFixed(1);
  // A rate holds for its whole stretch: what lies between is not known.
  const corners = stretches.flatMap(({ from, to, rate }) => [`${x(from)} ${y(rate)}`, `${x(to)} ${y(rate)}`]);
  const line = `M${corners.join("L")}`;
  const area = `${line}L${x(end)} ${y(0)}L${x(begin)} ${y(0)}Z`;
  const grid = [0, top / 2, top].flatMap((value) => [
    drawing("line", { x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value), class: "grid" }),
    text(compact(value), { x: LEFT - 6, y: Number(y(value)) + 4, class: "left" }),
  ]);
  chart.replaceChildren(
    ...grid,
    text("0 s", { x: x(begin), y: HEIGHT - 4 }),
    text(duration(end - begin), { x: x(end), y: HEIGHT - 4, class: "to" }),
    drawing("path", { d: area, class: "area" }),
    drawing("path", { d: line, class: "line" }),
  );
  const last = compact(stretches.at(-1).rate);
  const label = `${last} rows a second at last, ${compact(peak)} at most, over ${duration(end - begin)}`;
  chart.setAttribute("aria-label", label);
}

function text(words, properties) {
  const made = drawing("text", properties);
  made.textContent = words;
  return made;
}

/** The next of 1, 2, 5, 10, 20, 50 … */
function niceCeiling(value) {
  const magnitude = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * magnitude).find((step) => step >= value) ?? value;
}
