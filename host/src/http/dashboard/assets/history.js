// Earlier runs: when, where, how they ended, and what they did with each step.

import { get, runPages } from "./api.js";
import { byId, element, replace } from "./dom.js";
import { save } from "./export.js";
import { dateAndTime, duration, label } from "./format.js";
import * as table from "./table.js";

/** How many runs are asked for at a time. */
const PAGE = 20;

const open = new Set();
let older = [];
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

export function show() {
  // Runs may have a thousand steps each: what they are made of is compared, not what they say.
  const facts = [model.runs, older.length, [...open].join(), model.isRunning];
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
  const last = model.runs.at(-1)?.id ?? Infinity;
  return [...model.runs, ...older.filter((run) => run.id < last)];
}

async function more() {
  const runs = await get(`runs?most=${PAGE}&before=${all().at(-1).id}`);
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
    table.cell(null, element("button", { ...output, onclick: () => showOutput(run.id) }, "Output")),
  );
  return isOpen ? [row, table.details(6, ...details(run))] : [row];
}

function details(run) {
  const parts = [];
  if (run.error) parts.push(element("p", { class: "message" }, run.error.message ?? String(run.error)));
  const items = run.attempts.map((attempt) => {
    const again = attempt.attempt > 1 ? `, attempt ${attempt.attempt}` : "";
    const took = duration(attempt.ended_at - attempt.started_at);
    return element("li", {}, element("code", {}, label(attempt)), ` ${attempt.phase} ${attempt.outcome}${again} in ${took}`);
  });
  parts.push(items.length > 0 ? element("ul", {}, ...items) : element("p", { class: "quiet" }, "no step was run"));
  return parts;
}

async function exportAll() {
  const runs = [];
  for await (const page of runPages()) runs.push(...page);
  save("history.json", { target: model.overview.target, runs });
}
