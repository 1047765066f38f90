// The buttons: only what is allowed now, and a question before what cannot be taken back.

import { post } from "./api.js";
import { byId, write } from "./dom.js";

const QUESTIONS = {
  finalize: {
    heading: "Finalize the migration?",
    text: "All steps are cut over in one transaction. Afterwards, a reset cannot undo them.",
    yes: "Finalize",
  },
  reset: {
    heading: "Reset the migration?",
    text: "Everything that was migrated since the last finalize is undone.",
    yes: "Reset",
  },
  cancel: {
    heading: "Cancel the run?",
    text: "The running step is rolled back up to its last checkpoint. What was committed before is kept.",
    yes: "Cancel the run",
  },
};

const COMMANDS = ["migrate", "finalize", "reset"];

let model;
let lookForPause;

/** `known` is the page's model, `pauseLooker` lets it know what holds the run up. */
export function start(known, pauseLooker) {
  model = known;
  lookForPause = pauseLooker;
  for (const button of [...COMMANDS, "pause", "resume", "cancel"]) {
    byId(button).addEventListener("click", () => order(button));
  }
  const dialog = byId("confirm");
  for (const button of [byId("confirm-no"), byId("confirm-yes")]) {
    button.addEventListener("click", () => dialog.close(button.value));
  }
}

/** Shows the buttons of what is allowed; none to those who may not act. */
export function show(mayAct) {
  const allowed = mayAct ? (model.overview?.commands ?? []) : [];
  for (const command of COMMANDS) byId(command).hidden = !allowed.includes(command);
  byId("pause").hidden = !(mayAct && model.mayPause);
  byId("resume").hidden = !(mayAct && model.isPaused);
  byId("cancel").hidden = !(mayAct && model.isRunning);
}

/** Asks, where it is dangerous, and gives the command. */
export async function order(command) {
  const run = model.run?.id;
  if (QUESTIONS[command] && !(await confirmed(QUESTIONS[command]))) return;
  const error = byId("action-error");
  error.hidden = true;
  try {
    if (COMMANDS.includes(command)) await post("runs", { command });
    else if (command === "cancel") await post(`runs/${run}/cancel`);
    else {
      await post(command);
      await lookForPause();
    }
  } catch (refused) {
    write(error, `${command}: ${refused.message}`);
    error.hidden = false;
  }
}

function confirmed({ heading, text, yes }) {
  const dialog = byId("confirm");
  write(byId("confirm-heading"), heading);
  write(byId("confirm-text"), text);
  write(byId("confirm-database"), model.overview.target);
  write(byId("confirm-yes"), yes);
  dialog.returnValue = "no";
  dialog.showModal();
  // Whoever presses Enter without reading does nothing.
  byId("confirm-no").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
