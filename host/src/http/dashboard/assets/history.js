// Earlier runs: when, where, how they ended, and what they did with each step.

import { get, runPages } from "./api.js";
import { byId, element, replace } from "./dom.js";
import { save } from "./export.js";
import { dateAndTime, duration, label } from "./format.js";
import * as table from "./table.js";

/** How many runs are asked for at a time. */
const PAGE = 20;

/** How commands come, in words. */
const VIA = {
  "command-line": "the command line",
  api: "the API",
  dashboard: "the dashboard",
  openslides: "the route of OpenSlides",
  migrator: "migrator's API",
};

const open = new Set();
let older = [];
/** A run that the address names, from before all those. */
let named = null;
let hasMore = false;
let shown = [];
let model;
let showOutput;

/** `known` is the page's model; `show` shows the output of a run. */
export function start(known, show) {
  [model, showOutput] = [known, show];
  byId("history-more").addEventListener("click", more);
  byId("history-export").addEventListener("click", exportAll);
}

/** Asks for the newest runs. */
export async function load() {
  const runs = await get(`runs?most=${PAGE}`);
  if (older.length === 0) hasMore = runs.length === PAGE;
  model.history(runs);
}

/** Goes to the run that the address names, such as `#/runs/12`: its details, and its output. */
export async function follow() {
  const address = /^#\/runs\/(\d+)$/.exec(location.hash);
  if (!address) return;
  const id = Number(address[1]);
  if (!all().some((run) => run.id === id)) {
    // Far back in the history: the runs between are not asked for.
    named = await get(`runs/${id}`);
  }
  open.add(id);
  show();
  showOutput(id);
}

export function show() {
  // Runs may have a thousand steps each: what they are made of is compared, not what they say.
  const facts = [model.runs, older.length, named, [...open].join(), model.isRunning];
  if (facts.every((fact, place) => fact === shown[place])) return;
  shown = facts;
  const runs = all();
  replace(byId("history"), runs.flatMap(rows));
  byId("history-table").hidden = runs.length === 0;
  byId("history-export").hidden = runs.length === 0;
  byId("history-empty").hidden = runs.length > 0;
  byId("history-more").hidden = !hasMore;
}

function all() {
  const runs = gapless();
  return named && named.id < (runs.at(-1)?.id ?? Infinity) ? [...runs, named] : runs;
}

/** The runs from the newest one back, without those that are left out. */
function gapless() {
  const last = model.runs.at(-1)?.id ?? Infinity;
  return [...model.runs, ...older.filter((run) => run.id < last)];
}

async function more() {
  const runs = await get(`runs?most=${PAGE}&before=${gapless().at(-1).id}`);
  hasMore = runs.length === PAGE;
  older.push(...runs);
  show();
}

function rows(run) {
  const isOpen = open.has(run.id);
  const toggle = () => {
    if (!open.delete(run.id)) open.add(run.id);
    show();
  };
  const outcome = run.outcome ?? (run.id === model.run?.id && model.isRunning ? "running" : "interrupted");
  const output = { class: "plain", "data-key": `output-${run.id}`, "aria-label": `Output of run ${run.id}` };
  const row = table.row(
    { key: `run-${run.id}`, name: `${run.id} ${run.command}`, isOpen, onclick: toggle },
    table.cell("Outcome", element("span", { class: `tag ${outcome}` }, outcome)),
    table.cell("Began", dateAndTime(run.started_at)),
    table.cell("Took", run.ended_at ? duration(run.ended_at - run.started_at) : "–"),
    table.cell("Host", run.host),
    table.cell(null, element("button", { ...output, onclick: () => showRun(run.id) }, "Output")),
  );
  return isOpen ? [row, table.details(6, ...details(run))] : [row];
}

/** Shows the output of a run, and names the run in the address, to be passed on. */
function showRun(id) {
  window.history.replaceState(null, "", `#/runs/${id}`);
  showOutput(id);
}

function details(run) {
  const link = element("a", { href: `#/runs/${run.id}` }, `#/runs/${run.id}`);
  const parts = [element("p", { class: "quiet" }, "The address of this run: ", link)];
  if (run.commanded_by) parts.push(element("p", { class: "quiet" }, `commanded by ${commander(run.commanded_by)}`));
  for (const { at, command, commanded_by: by } of run.orders ?? []) {
    parts.push(element("p", { class: "quiet" }, `${dateAndTime(at)} ${command}${by ? ` by ${commander(by)}` : ""}`));
  }
  if (run.error) parts.push(element("p", { class: "message" }, run.error.message ?? String(run.error)));
  const items = run.attempts.map((attempt) => {
    const again = attempt.attempt > 1 ? `, attempt ${attempt.attempt}` : "";
    const took = duration(attempt.ended_at - attempt.started_at);
    return element("li", {}, element("code", {}, label(attempt)), ` ${attempt.phase} ${attempt.outcome}${again} in ${took}`);
  });
  parts.push(items.length > 0 ? element("ul", {}, ...items) : element("p", { class: "quiet" }, "no step was run"));
  return parts;
}

/** Who gave a command, and from where. */
function commander({ name, via, from, forwarded_for: client }) {
  const place = from ? `, from ${from}` : "";
  return `${name || "somebody"} by ${VIA[via] ?? via}${place}${client ? ` for ${client}` : ""}`;
}

async function exportAll() {
  const runs = [];
  for await (const page of runPages()) runs.push(...page);
  save("history.json", { target: model.overview.target, runs });
}
