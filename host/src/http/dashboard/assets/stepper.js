// The states of a target as a way with a place on it.

import { element, replace } from "./dom.js";

const WAY = [
  ["migration_required", "Migration required"],
  ["migration_preparing", "Preparing"],
  ["migration_running", "Migrating"],
  ["finalization_required", "Finalization required"],
  ["finalization_running", "Finalizing"],
  ["finalized", "Finalized"],
];

/** Where a failed state stands on the way. */
const FAILED = {
  migration_failed: ["migration_running", "Migration failed"],
  finalization_failed: ["finalization_running", "Finalization failed"],
};

const TEXTS = {
  migration_required: "There are steps that were not migrated.",
  migration_preparing: "Steps are being loaded, compiled and checked. Nothing has been changed.",
  migration_running: "Steps are being migrated. The application may keep working meanwhile.",
  migration_failed: "A step failed. What was committed before it is kept.",
  finalization_required: "All steps are migrated and wait for their cut-over.",
  finalization_running: "All steps are being finalized, in one transaction.",
  finalization_failed: "The cut-over failed, and nothing of it was kept.",
  finalized: "All steps are finalized. There is nothing to do.",
};

let shown = "";

/** The state in words: its name, and what it means. */
export function inWords(state, phase) {
  if (phase === "reset" && state === "migration_running") {
    return ["Resetting", "What was migrated since the last finalize is being undone, in one transaction."];
  }
  const name = FAILED[state]?.[1] ?? WAY.find(([known]) => known === state)?.[1] ?? state;
  return [name, TEXTS[state] ?? ""];
}

export function show(list, overview) {
  const { state } = overview;
  const phase = overview.last_run?.phase;
  const [name] = inWords(state, phase);
  if (shown === name) return;
  shown = name;
  const place = FAILED[state]?.[0] ?? state;
  const here = WAY.findIndex(([known]) => known === place);
  replace(
    list,
    WAY.map(([, title], position) => {
      const isHere = position === here;
      const isDone = position < here || state === "finalized";
      const look = isHere && FAILED[state] ? "failed" : isDone ? "done" : isHere ? "here" : "ahead";
      return element(
        "li",
        { class: look, "aria-current": isHere ? "step" : null },
        element("span", { class: "dot", "aria-hidden": "true" }, { failed: "✕", done: "✓" }[look] ?? ""),
        element("span", { class: "name" }, isHere ? name : title),
        isDone && !isHere ? element("span", { class: "hidden-text" }, " (done)") : null,
      );
    }),
  );
}
