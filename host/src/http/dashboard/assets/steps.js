// The steps on disk: what each is, what it may do, and how far it is.

import { get } from "./api.js";
import { byId, element, replace, write } from "./dom.js";
import { dateAndTime, label, number, plural } from "./format.js";
import * as table from "./table.js";

/** Steps that are open, and what the host said of them. */
const open = new Map();

/** The digests of the files, by index. */
let digests = new Map();
let shown = "";

/** Asks for the digests of the files. */
export async function load(model) {
  const steps = await get("steps");
  digests = new Map(steps.map((step) => [step.index, step.digest]));
  show(model);
}

export function show(model) {
  const { steps, ignored, state, failure } = model.overview;
  const signature = JSON.stringify([steps, ignored, state, failure?.step, [...digests], [...open]]);
  if (signature === shown) return;
  shown = signature;
  const finalized = steps.filter((step) => step.progress === "finalized").length;
  write(byId("steps-count"), `${plural(steps.length, "step", "steps")}, ${number(finalized)} finalized`);
  replace(byId("steps"), steps.flatMap((step) => rows(model, step)));
  const list = byId("ignored");
  list.hidden = ignored.length === 0;
  list.replaceChildren(...ignored.map((file) => element("li", {}, `${file.file_name} is no step: ${file.why}`)));
}

function rows(model, step) {
  const isOpen = open.has(step.index);
  const digest = digests.get(step.index);
  const { state, failure } = model.overview;
  const hasFailed = state.endsWith("_failed") && failure?.step === label(step);
  const progress = hasFailed ? "failed" : step.progress;
  const toggle = () => (isOpen ? close(model, step) : unfold(model, step));
  const row = table.row(
    { key: `step-${step.index}`, name: label(step), isOpen, onclick: toggle },
    table.cell("Kind", step.kind ?? "file is gone"),
    table.cell("State", element("span", { class: `tag ${progress}` }, progress), tenants(step)),
    table.cell("SHA-256", digest ? element("code", { title: digest }, digest.slice(0, 12)) : "–"),
  );
  return isOpen ? [row, table.details(4, ...details(step))] : [row];
}

/** For how many tenants it was run. */
function tenants({ tenants }) {
  if (!tenants) return null;
  const { applied, pending } = tenants;
  return element("span", { class: "quiet" }, ` ${number(applied)} of ${number(applied + pending)}`);
}

function close(model, step) {
  open.delete(step.index);
  show(model);
}

async function unfold(model, step) {
  open.set(step.index, null);
  show(model);
  try {
    open.set(step.index, await get(`steps/${BigInt(step.index)}`));
  } catch (refused) {
    open.set(step.index, { problem: refused.message });
  }
  show(model);
}

function details(step) {
  const known = open.get(step.index);
  if (!known) return [element("p", { class: "quiet" }, "reading …")];
  const facts = element("dl", {});
  const fact = (name, value) => value && facts.append(element("dt", {}, name), element("dd", {}, value));
  fact("It says", known.summary);
  fact("Problem", known.problem);
  fact("File", known.file_name && `${known.file_name}, ${number(known.size ?? 0)} bytes`);
  fact("SHA-256", known.digest && element("code", { class: "long" }, known.digest));
  if (known.transactional === false) fact("Transaction", "runs outside a transaction");
  if (!known.problem && known.file_name) {
    const may = known.abilities.length > 0 ? known.abilities : ["do nothing but compute"];
    fact("It may", element("ul", {}, ...may.map((ability) => element("li", {}, ability))));
  }
  fact("Migrated", step.migrated_at && dateAndTime(step.migrated_at));
  fact("Finalized", step.finalized_at && dateAndTime(step.finalized_at));
  fact("Rows", step.rows_done && number(step.rows_done));
  return [facts];
}
