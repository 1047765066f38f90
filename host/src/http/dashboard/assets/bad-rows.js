// The rows that transformations have set aside: what each was, and why it was rejected.

import { get } from "./api.js";
import { byId, element, replace, write } from "./dom.js";
import { save } from "./export.js";
import { label, plural } from "./format.js";
import * as table from "./table.js";

/** How many are shown; the export has all of them. */
const MOST = 50;

/** How many are asked for at a time. */
const PAGE = 1000;

let shown = "";
let names = new Map();

export function start() {
  byId("bad-rows-export").addEventListener("click", exportAll);
}

/** Shows the panel where there are any, and asks for them when their number has changed. */
export function show(model) {
  const { steps } = model.overview;
  const count = steps.reduce((sum, step) => sum + (step.bad_rows ?? 0), 0);
  byId("bad-rows-panel").hidden = count === 0;
  const signature = JSON.stringify(steps.map((step) => step.bad_rows));
  if (count === 0 || signature === shown) return;
  shown = signature;
  names = new Map(steps.map((step) => [step.index, label(step)]));
  const more = count > MOST ? `, the first ${MOST} are shown` : "";
  write(byId("bad-rows-count"), `${plural(count, "row", "rows")}${more}`);
  load().catch(() => {
    // Asked for again with the next look.
    shown = "";
  });
}

async function load() {
  const rows = await get(`bad-rows?most=${MOST}`);
  replace(byId("bad-rows"), rows.map(row));
}

function row({ index, key, input, message }) {
  return element(
    "tr",
    { role: "row" },
    element("th", { role: "rowheader" }, names.get(index) ?? String(index)),
    table.cell("Key", element("code", {}, key)),
    table.cell("Row", element("code", { class: "long" }, input)),
    table.cell("Why", message),
  );
}

async function exportAll() {
  const all = [];
  let after = "";
  for (;;) {
    const rows = await get(`bad-rows?most=${PAGE}${after}`);
    all.push(...rows.map((row) => ({ step: names.get(row.index), ...row })));
    if (rows.length < PAGE) break;
    const { index, key } = rows.at(-1);
    after = `&after_step=${BigInt(index)}&after_key=${encodeURIComponent(key)}`;
  }
  save("bad-rows.json", all);
}
