// Why the newest run failed, and what can be done about it.

import { order } from "./actions.js";
import { byId, element, replace, write } from "./dom.js";

const BLAME = {
  step: "The author of the step can fix it.",
  operator: "It is in the operator's hands.",
  database: "Whoever runs the database can fix it.",
  host: "This is a mistake of the host.",
};

const AGAIN = {
  migrate: ["Migrate again", "continues where it stopped, once the cause is fixed"],
  finalize: ["Finalize again", "tries the cut-over again, once the cause is fixed"],
  reset: ["Reset again", "tries to undo it again, once the cause is fixed"],
};

let shown = "";

export function show(model, mayAct) {
  const { failure, commands = [] } = model.overview;
  const run = model.run;
  const panel = byId("failure");
  const isWorthIt = failure && !model.isRunning && failure.code !== "cancelled";
  panel.hidden = !isWorthIt;
  const signature = JSON.stringify([run?.id, failure, commands, mayAct]);
  if (!isWorthIt || signature === shown) return;
  shown = signature;
  const place = [failure.step, failure.phase && `in ${failure.phase}`].filter(Boolean).join(", ");
  const what = run.outcome === "refused" ? "was refused" : run.outcome === "interrupted" ? "was interrupted" : "failed";
  write(byId("failure-heading"), `Run ${run.id} ${what}${place ? `: ${place}` : ""}`);
  const { database } = failure;
  replace(
    byId("failure-body"),
    [
      element("p", { class: "message" }, failure.message),
      facts([
        ["Statement", failure.statement && code(failure.statement, failure.line && `line ${failure.line} of the file`)],
        ["The database says", database && database.message !== failure.message && code(database.message)],
        ["Code", database?.code && element("code", {}, database.code)],
        ["Detail", database?.detail && code(database.detail)],
        ["Hint", database?.hint && code(database.hint)],
        ["It wrote last", failure.last_lines?.length > 1 && code(failure.last_lines.join("\n"))],
        ["Backtrace", failure.backtrace?.length > 0 && backtrace(failure.backtrace)],
        ["Kind", `${failure.code}. ${BLAME[failure.blame] ?? ""}`],
        ["Kept", failure.is_kept && failure.step && "The step ran outside a transaction: what it did before it failed is kept."],
      ]),
      mayAct ? actions(run.command, commands) : null,
    ].filter(Boolean),
  );
}

function facts(pairs) {
  const list = element("dl", {});
  for (const [name, value] of pairs) {
    if (value) list.append(element("dt", {}, name), element("dd", {}, value));
  }
  return list;
}

function code(text, place) {
  const block = element("pre", { tabindex: "0" }, element("code", {}, text));
  return place ? element("div", {}, element("p", { class: "quiet" }, place), block) : block;
}

function backtrace(frames) {
  return element("details", {}, element("summary", {}, `${frames.length} frames of the component, the innermost first`), code(frames.join("\n")));
}

/** The two ways on: the same again, or back. */
function actions(command, allowed) {
  const ways = [command, "reset"].filter((way, place, all) => allowed.includes(way) && all.indexOf(way) === place);
  const items = ways.map((way) => {
    const [name, what] = way === command ? AGAIN[way] : ["Reset…", "undoes what was migrated since the last finalize"];
    const button = element("button", { "data-key": `failure-${way}`, class: way === command ? "primary" : null, onclick: () => order(way) }, name);
    return element("li", {}, button, element("span", { class: "quiet" }, what));
  });
  return items.length > 0 ? element("ul", { class: "ways", "aria-label": "What can be done" }, ...items) : null;
}
