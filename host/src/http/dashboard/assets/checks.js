// What can be asked without a run: what the pending steps would do, what to say about their statements, and whether somebody
// else has changed anything.

import { get, post } from "./api.js";
import { byId, element, replace, write } from "./dom.js";
import { number, plural } from "./format.js";

const CHECKS = {
  "check-verify": ["Nothing was changed since the last run", verify],
  "check-advice": ["Statements of the pending steps", advise],
  "check-rehearsal": ["A dry run, which was rolled back", rehearse],
};

export function start() {
  for (const [id, [heading, check]] of Object.entries(CHECKS)) {
    byId(id).addEventListener("click", () => run(heading, check));
  }
}

/** A dry run holds up other writers: it is for those who may give commands. */
export function show(mayAct) {
  byId("check-rehearsal").hidden = !mayAct;
}

async function run(heading, check) {
  write(byId("check-heading"), "asking …");
  replace(byId("check-result"), []);
  try {
    const [said, lines] = await check();
    write(byId("check-heading"), said ?? heading);
    replace(byId("check-result"), lines);
  } catch (refused) {
    write(byId("check-heading"), "It was refused");
    replace(byId("check-result"), [element("pre", { tabindex: "0" }, refused.message)]);
  }
}

async function verify() {
  const { verified, schema_of_run: run } = await get("verify");
  const schema = run == null ? "there was no run yet" : `the schema is what run ${run} left`;
  return [null, [element("p", {}, `${plural(verified, "applied step is", "applied steps are")} as before; ${schema}`)]];
}

async function advise() {
  const advice = await get("advice");
  if (advice.length === 0) return [null, [element("p", {}, "nothing to say: they hold nobody up")]];
  const items = advice.map(({ step, line, danger, recipe, is_remark: isRemark }) =>
    element("li", {}, element("code", {}, step), isRemark ? ` ${danger}` : `, line ${line}: ${danger}`, recipe ? `; ${recipe}` : ""),
  );
  return [null, [element("ul", {}, ...items)]];
}

async function rehearse() {
  const { steps, left_out: leftOut, rows_changed: changed, failure } = await post("rehearsal");
  const rows = Object.entries(changed).map(([table, count]) => element("li", {}, element("code", {}, table), ` ${number(count)} rows changed`));
  const lines = [element("p", {}, `${plural(steps.length, "step ran and was", "steps ran and were")} rolled back`), element("ul", {}, ...rows)];
  if (leftOut.length > 0) lines.push(element("p", {}, `not tried, because they run outside a transaction: ${leftOut.join(", ")}`));
  if (failure) lines.push(element("p", { class: "error" }, `${failure.step ?? ""} ${failure.message}`));
  return [failure ? "The dry run failed; it was rolled back" : null, lines];
}
