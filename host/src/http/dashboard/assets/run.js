// The newest run: how far it is, how fast, how long still, and its steps on a line of time.

import { byId, element, write } from "./dom.js";
import { compact, dateAndTime, duration, label, number, percent, plural, rough } from "./format.js";

const OUTCOMES = {
  done: "Done.",
  failed: "Failed.",
  refused: "Refused before anything was changed.",
  cancelled: "Cancelled.",
  interrupted: "Interrupted: its host died or lost the lease.",
};

/** Progress that has stood still for longer than this is worth a word. */
const STILL = 5_000;

/** Elements of the line of time, by what they stand for. */
let rows = new Map();
let shownRun = null;

export function show(model) {
  const run = model.run;
  const list = byId("timeline");
  if (run?.id !== shownRun) {
    shownRun = run?.id;
    rows = new Map();
    list.replaceChildren();
  }
  if (!run) {
    write(byId("run-heading"), "Run");
    write(byId("run-facts"), "");
    write(byId("run-note"), "Nothing was run on this database yet.");
    byId("run-progress").hidden = true;
    return;
  }
  const end = run.ended_at ?? (model.isRunning ? model.now() : null);
  write(byId("run-heading"), `Run ${run.id}: ${run.command}`);
  const took = end === null ? "" : ` · ${duration(end - run.started_at)}`;
  write(byId("run-facts"), `${run.host ? `${run.host} · ` : ""}${dateAndTime(run.started_at)}${took}`);
  showProgress(model, run);
  showNote(model, run);
  showTimeline(model, run, end, list);
}

function showProgress(model, run) {
  byId("run-progress").hidden = !model.isRunning;
  if (!model.isRunning) return;
  const counted = model.overview.rows;
  const isCounted = counted && counted.expected > 0 && run.phase === "migrate";
  const done = model.attempts.filter((attempt) => attempt.phase === run.phase && attempt.outcome === "done").length;
  const of = Math.max(model.stepsOfRun ?? 0, done);
  const bar = byId("run-bar");
  if (run.phase === "prepare" && model.loading) {
    [bar.value, bar.max] = [model.loading.number, model.loading.of];
  } else if (isCounted) {
    [bar.value, bar.max] = [counted.done, counted.expected];
  } else if (of > 0 && run.phase !== "prepare") {
    [bar.value, bar.max] = [done, of];
  } else {
    bar.removeAttribute("value");
  }
  write(byId("run-numbers"), [steps(model, run, done, of), isCounted ? inRows(model, counted) : null].filter(Boolean).join(" · "));
}

function steps(model, run, done, of) {
  if (run.phase === "prepare") {
    if (!model.loading) return "checking the steps";
    const { compiling, step, number: place, of: all } = model.loading;
    return `${compiling ? "compiling" : "loading"} ${step}, ${place} of ${all}`;
  }
  return of > 0 ? `${number(done)} of ${plural(of, "step", "steps")}` : "";
}

function inRows(model, { done, expected }) {
  const now = model.now();
  const words = [`${number(done)} of ${number(expected)} rows (${percent(done, expected)})`];
  const still = model.pace.still(now);
  if (still > STILL) {
    words.push(`no progress for ${rough(still)}`);
    return words.join(" · ");
  }
  const rate = model.pace.rate(now);
  if (rate !== null) words.push(`${compact(rate)} rows/s`);
  const left = model.pace.left(expected - done, now);
  words.push(left ? timeLeft(left) : "estimating the time left");
  return words.join(" · ");
}

function timeLeft([quick, slow]) {
  const [least, most] = [rough(quick), rough(slow)];
  return slow / quick < 1.3 || least === most ? `about ${most} left` : `${least} to ${most} left`;
}

function showNote(model, run) {
  const note = [];
  if (model.isRunning && !model.isHere) {
    note.push(`It runs in ${model.overview.lease?.holder ?? "another host"}: progress is seen here when it is committed.`);
  }
  const pause = model.isRunning ? model.overview.pause : null;
  if (pause?.waits_for) note.push(`The run is paused: ${pause.waits_for}.`);
  else if (model.isPaused) note.push("The run pauses as soon as its step, or its chunk of rows, is done.");
  if (!model.isRunning) note.push(OUTCOMES[run.outcome] ?? OUTCOMES.interrupted);
  note.push(...model.warnings);
  write(byId("run-note"), note.join("\n"));
}

function showTimeline(model, run, end, list) {
  const span = Math.max(1, (end ?? run.started_at) - run.started_at);
  const place = (at) => `${Math.min(100, Math.max(0, (100 * (at - run.started_at)) / span))}%`;
  const seen = new Set();
  const put = (key, step) => {
    seen.add(key);
    let row = rows.get(key);
    if (!row) {
      row = makeRow(step);
      rows.set(key, row);
    }
    return row;
  };
  const order = [];
  for (const attempt of model.attempts) {
    const row = put(key(attempt), attempt.step);
    fill(row, attempt.outcome, word(attempt), duration(attempt.ended_at - attempt.started_at));
    row.track.style.left = place(attempt.started_at);
    row.track.style.width = `calc(${place(attempt.ended_at)} - ${place(attempt.started_at)})`;
    row.bar.hidden = true;
    order.push(row.item);
  }
  if (model.current) {
    const current = model.current;
    const row = put(key(current), current.step);
    fill(row, "running", word(current), duration(model.now() - current.started_at));
    row.track.style.left = place(current.started_at);
    row.track.style.width = `calc(100% - ${place(current.started_at)})`;
    showBar(row, current);
    order.push(row.item);
  }
  if (model.isRunning && model.isHere && run.phase !== "reset") {
    const begun = new Set([...model.attempts, model.current].filter(Boolean).filter(({ phase }) => phase === run.phase || run.phase === "prepare").map(({ step }) => step));
    const ahead = run.phase === "finalize" ? ["pending", "migrated"] : ["pending", "started"];
    for (const step of model.overview.steps.filter((step) => ahead.includes(step.progress) && !begun.has(label(step)))) {
      const row = put(`ahead/${label(step)}`, label(step));
      fill(row, "ahead", "waiting", "");
      row.bar.hidden = true;
      order.push(row.item);
    }
  }
  for (const [known, row] of rows) {
    if (seen.has(known)) continue;
    row.item.remove();
    rows.delete(known);
  }
  order.forEach((item, position) => {
    if (list.children[position] !== item) list.insertBefore(item, list.children[position] ?? null);
  });
}

function makeRow(step) {
  const mark = element("span", { class: "mark", "aria-hidden": "true" });
  const state = element("span", { class: "what" });
  const time = element("span", { class: "time" });
  const track = element("span", { class: "track" });
  const bar = element("progress", { "aria-label": `progress of ${step}`, hidden: true });
  const numbers = element("span", { class: "numbers" });
  const item = element(
    "li",
    {},
    mark,
    element("span", { class: "step" }, step),
    state,
    element("span", { class: "span", "aria-hidden": "true" }, track),
    time,
    element("span", { class: "progress" }, bar, numbers),
  );
  return { item, mark, state, time, track, bar, numbers };
}

function fill(row, look, what, time) {
  if (row.item.className !== look) row.item.className = look;
  write(row.mark, { done: "✓", running: "▸", ahead: "·" }[look] ?? "✕");
  write(row.state, what);
  write(row.time, time);
  if (look !== "running") write(row.numbers, "");
}

function showBar(row, { done, total, unit }) {
  row.bar.hidden = false;
  if (done !== null && total) [row.bar.value, row.bar.max] = [Math.min(done, total), total];
  else row.bar.removeAttribute("value");
  if (done === null) write(row.numbers, "");
  else if (unit === "bytes") write(row.numbers, total ? `${percent(done, total)} of the script` : "");
  else write(row.numbers, total ? `${number(done)} of ${number(total)} rows (${percent(done, total)})` : plural(done, "row", "rows"));
}

const WORDS = {
  migrate: ["migrating", "migrated"],
  finalize: ["finalizing", "finalized"],
  reset: ["resetting", "reset"],
  prepare: ["checking", "checked"],
};

function word({ phase, attempt, outcome }) {
  const again = attempt > 1 ? `, attempt ${attempt}` : "";
  if (outcome && outcome !== "done") return `${phase} ${outcome}${again}`;
  return (WORDS[phase]?.[outcome ? 1 : 0] ?? phase) + again;
}

const key = ({ step, phase, attempt }) => `${step}/${phase}/${attempt}`;
